"""One request over QUIC with aioquic, which shares no code with palyra: arguments in, one JSON document out.

usage: quic_foreign_client.py HOST PORT SERVER_NAME CA.pem CERT.pem|- KEY.pem|- ALPN REQUEST_JSON...

Sends each request as a frame (u32 length, JSON) on a stream of its own, ends the stream, and prints {"answers": [...]} or {"refused": {...}}.
"""

import asyncio
import json
import struct
import sys

from aioquic.asyncio import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated


class Client(QuicConnectionProtocol):
    terminated = None

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            self.terminated = event
        super().quic_event_received(event)


async def ask(client, text):
    reader, writer = await client.create_stream()
    body = text.encode()
    writer.write(struct.pack(">I", len(body)) + body)
    writer.write_eof()
    header = await reader.readexactly(4)
    answer = await reader.readexactly(struct.unpack(">I", header)[0])
    return json.loads(answer)


async def main(host, port, server_name, ca, cert, key, alpn, *requests):
    configuration = QuicConfiguration(is_client=True, alpn_protocols=[alpn], server_name=server_name)
    configuration.load_verify_locations(ca)
    if cert != "-":
        configuration.load_cert_chain(cert, key)
    client = None
    try:
        async with connect(host, int(port), configuration=configuration, create_protocol=Client) as client:
            answers = await asyncio.wait_for(asyncio.gather(*(ask(client, text) for text in requests)), 10)
        return {"answers": answers}
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
        end = client.terminated if client is not None else None
        code = None if end is None else end.error_code
        reason = repr(error) if end is None else end.reason_phrase
        return {"refused": {"code": code, "reason": reason}}


print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
