/**
 * Whether something that speaks QUIC receives our datagrams: a packet of a version that nobody has, which every QUIC server answers with the versions it does
 * have (RFC 9000, section 6), before any handshake and without a certificate. It needs nothing but a socket, and leaves nothing behind at the server.
 */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { sleep, type Clock } from '../../base/clock.js';
import type { Place } from '../../base/proxy.js';
import type { Random } from '../../base/random.js';

/** Reserved to make servers name their versions: RFC 9000, section 15. */
const NO_VERSION = 0x1a2a3a4a;
const ID_BYTES = 8;
/** Servers drop a first datagram that is smaller: RFC 9000, section 14.1. */
const DATAGRAM_BYTES = 1200;
/** Flags, version, and the two connection ids with their lengths. */
const HEADER_BYTES = 5 + 1 + ID_BYTES + 1 + ID_BYTES;
/** Datagrams get lost, even on one machine when it is busy. */
const MAX_TRIES = 4;
const BETWEEN_TRIES_MS = 300;

export interface ProbeDeps {
  readonly clock: Clock;
  readonly random: Random;
}

/** Milliseconds until the answer to the try that was answered; null when none was. Rejects with what the system says. */
export async function probeQuic(place: Place, deps: ProbeDeps, signal: AbortSignal): Promise<number | null> {
  const { clock, random } = deps;
  const [theirs, ours] = [random.bytes(ID_BYTES), random.bytes(ID_BYTES)];
  const question = versionQuestion(theirs, ours);
  const socket = createSocket(isIPv6(place.host) ? 'udp6' : 'udp4');
  const over = new AbortController();
  let sentAt = 0;
  try {
    return await new Promise<number | null>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (answer) => {
        if (isVersionAnswer(answer, theirs, ours)) resolve(clock.monotonic() - sentAt);
      });
      const ask = async () => {
        for (let tries = 0; tries < MAX_TRIES; tries++) {
          sentAt = clock.monotonic();
          socket.send(question, place.port, place.host);
          await sleep(clock, BETWEEN_TRIES_MS, AbortSignal.any([signal, over.signal]));
        }
        resolve(null);
      };
      ask().catch(reject);
    });
  } finally {
    over.abort();
    socket.close();
  }
}

export function versionQuestion(theirs: Buffer, ours: Buffer): Buffer {
  const datagram = Buffer.alloc(DATAGRAM_BYTES);
  datagram[0] = 0xc0;
  datagram.writeUInt32BE(NO_VERSION, 1);
  datagram[5] = ID_BYTES;
  theirs.copy(datagram, 6);
  datagram[6 + ID_BYTES] = ID_BYTES;
  ours.copy(datagram, 7 + ID_BYTES);
  return datagram;
}

/** A long header of version 0 to our connection id from theirs, and at least one version. RFC 8999, section 6. */
export function isVersionAnswer(answer: Buffer, theirs: Buffer, ours: Buffer): boolean {
  return (
    answer.length >= HEADER_BYTES + 4 &&
    (answer[0]! & 0x80) !== 0 &&
    answer.readUInt32BE(1) === 0 &&
    answer[5] === ID_BYTES &&
    answer.subarray(6, 6 + ID_BYTES).equals(ours) &&
    answer[6 + ID_BYTES] === ID_BYTES &&
    answer.subarray(7 + ID_BYTES, HEADER_BYTES).equals(theirs)
  );
}
