/**
 * HTTP/2 frames by hand, for peers that do not keep to the rules. Source: RFC 9113 §4.1 (frame layout), §3.4 (preface).
 */
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';

export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export function frame(type: number, flags: number, streamId: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** `:method POST`, `:scheme https`, `:path /`, `:authority a` without dynamic table entries. RFC 7541. */
export const REQUEST_HEADERS = Buffer.from([0x83, 0x87, 0x84, 0x01, 0x01, 0x61]);

export function tlsConnect(options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', ...options }, () => {
      socket.off('error', reject);
      socket.on('error', () => undefined);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

/** A connection that has said the preface and its settings. */
export async function openHttp2(options: ConnectionOptions): Promise<TLSSocket> {
  const socket = await tlsConnect({ ALPNProtocols: ['h2'], ...options });
  socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]));
  return socket;
}

/** Types of the frames that arrive, and whether the other side has hung up. */
export class FrameReader {
  readonly types: number[] = [];
  readonly closed: Promise<void>;
  #rest = Buffer.alloc(0);

  constructor(socket: TLSSocket) {
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  has(type: number): boolean {
    return this.types.includes(type);
  }

  #read(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + length) return;
      this.types.push(this.#rest.readUInt8(3));
      this.#rest = this.#rest.subarray(9 + length);
    }
  }
}
