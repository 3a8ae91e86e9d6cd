/** Clients that prove their address and then say nothing more: each holds a handshake of the server open. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { loadQuiche, type HostPort } from '../../src/lib/quic/native.js';

/** Sockets that stay open; older ones are closed, silently, as an attacker with few descriptors would. */
const MAX_SOCKETS = 256;

export class HalfOpen {
  readonly #caPem: string;
  readonly #server: HostPort;
  #sockets: Socket[] = [];
  /** How many were told that they are over. */
  closed = 0;

  constructor(caPem: string, server: HostPort) {
    this.#caPem = caPem;
    this.#server = server;
  }

  async begin(from = '127.0.0.1'): Promise<void> {
    const quiche = await loadQuiche();
    const socket = createSocket('udp4');
    this.#sockets.push(socket);
    if (this.#sockets.length > MAX_SOCKETS) this.#sockets.shift()!.close();
    await new Promise<void>((resolve) => socket.bind(0, from, resolve));
    const config = quiche.Config.withBoringSslCtx(true, false, Buffer.from(this.#caPem), null, null, null);
    config.setApplicationProtos(['palyra-quic-v1']);
    const local = { host: from, port: socket.address().port };
    const native = quiche.Connection.connect(null, randomBytes(16), local, this.#server, config);
    const out = Buffer.alloc(1500);
    const send = () => {
      for (let sent = native.send(out); sent !== null; sent = native.send(out)) {
        socket.send(Buffer.from(out.subarray(0, sent[0])), this.#server.port, this.#server.host);
      }
    };
    send();
    const [retry] = (await once(socket, 'message')) as [Buffer];
    native.recv(retry, { from: this.#server, to: local });
    send();
    socket.on('message', (bytes) => {
      try {
        native.recv(bytes, { from: this.#server, to: local });
      } catch {
        // Damaged or not for us.
      }
      if (native.peerError() !== null) {
        this.closed++;
        socket.removeAllListeners('message');
      }
    });
  }

  dispose(): void {
    for (const socket of this.#sockets) socket.close();
    this.#sockets = [];
  }
}
