/**
 * Datagrams over a UDP socket, made for many small packets: they are written into a ring of buffers without a copy, addresses are not looked up, and what
 * the kernel cannot take now is dropped once too much of it waits; QUIC sends it again.
 */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { PalyraError } from '../base/errors.js';
import type { DatagramSink } from './connection.js';
import type { HostPort } from './native.js';

export interface DatagramPort extends DatagramSink {
  readonly local: HostPort;
  /** Set once, before anything is sent. The datagram is the listener's to change. */
  listen(listener: DatagramListener): void;
  close(): Promise<void>;
}

export interface DatagramListener {
  datagram(bytes: Buffer, host: string, port: number): void;
  /** A socket error, e.g. ECONNREFUSED from a connected client's peer. The port stays usable unless the error says otherwise. */
  failed(error: Error): void;
}

/** Fits bursts of a few connections; the kernel may give less. */
const KERNEL_BUFFER_BYTES = 4 * 1024 * 1024;
/** Datagrams that libuv may hold while the kernel's buffer is full. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
const RING = 64;

/** Binds `local` for a server, or connects to `remote` for a client: a connected socket costs less per datagram and hears of refusals. */
export async function openUdpPort(options: {
  readonly local?: HostPort;
  readonly remote?: HostPort;
  readonly maxDatagramBytes: number;
}): Promise<DatagramPort> {
  const host = options.remote?.host ?? options.local?.host ?? '127.0.0.1';
  const family = isIPv6(host) ? 6 : 4;
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    // Addresses only: an answer at once lets `send` reach the system call in the same call.
    lookup: (address, _options, done) => done(null, address, family),
  });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      const ready = () => {
        socket.removeListener('error', reject);
        resolve();
      };
      if (options.remote !== undefined) socket.connect(options.remote.port, options.remote.host, ready);
      else socket.bind(options.local?.port ?? 0, options.local?.host ?? '127.0.0.1', ready);
    });
  } catch (error) {
    socket.close();
    throw socketError(error as NodeJS.ErrnoException, options.local ?? options.remote!);
  }
  return new UdpPort(socket, options.remote ?? null, options.maxDatagramBytes);
}

class UdpPort implements DatagramPort {
  readonly local: HostPort;
  readonly #socket: Socket;
  readonly #connected: boolean;
  readonly #size: number;
  #ring: Buffer[];
  #index = 0;
  #closing: Promise<void> | null = null;

  constructor(socket: Socket, remote: HostPort | null, maxDatagramBytes: number) {
    const { address, port } = socket.address();
    this.local = { host: address, port };
    this.#socket = socket;
    this.#connected = remote !== null;
    this.#size = Math.max(1500, maxDatagramBytes);
    this.#ring = this.#newRing();
    for (const size of ['setRecvBufferSize', 'setSendBufferSize'] as const) {
      try {
        socket[size](KERNEL_BUFFER_BYTES);
      } catch {
        // Some systems refuse what is above their limit instead of giving the limit: their default will do.
      }
    }
  }

  listen(listener: DatagramListener): void {
    this.#socket.on('message', (bytes, from) => listener.datagram(bytes, from.address, from.port));
    this.#socket.on('error', (error) => listener.failed(error));
  }

  buffer(): Buffer {
    return this.#ring[this.#index]!;
  }

  send(length: number, to: HostPort): void {
    if (this.#closing !== null) return;
    const socket = this.#socket;
    const bytes = this.#ring[this.#index]!;
    if (this.#connected) socket.send(bytes, 0, length);
    else socket.send(bytes, 0, length, to.port, to.host);
    if (++this.#index < RING) return;
    this.#index = 0;
    const waiting = socket.getSendQueueSize();
    // Buffers that libuv still holds must not be written again. Above the bound the ring is used again all the same: garbled datagrams are lost ones.
    if (waiting > 0 && waiting < MAX_WAITING_BYTES) this.#ring = this.#newRing();
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => this.#socket.close(() => resolve()));
    return this.#closing;
  }

  #newRing(): Buffer[] {
    const size = this.#size;
    const memory = Buffer.allocUnsafeSlow(RING * size);
    return Array.from({ length: RING }, (_, index) => memory.subarray(index * size, (index + 1) * size));
  }
}

function socketError(error: NodeJS.ErrnoException, at: HostPort): PalyraError {
  const detail = `UDP ${at.host} port ${at.port}: ${error.code ?? error.message}`;
  if (error.code === 'EADDRINUSE') return new PalyraError('PORT_IN_USE', { detail, cause: error });
  if (error.code === 'EADDRNOTAVAIL') return new PalyraError('ADDRESS_UNAVAILABLE', { detail, cause: error });
  return new PalyraError('QUIC_HANDSHAKE_FAILED', { detail, cause: error });
}
