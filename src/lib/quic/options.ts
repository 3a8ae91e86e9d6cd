/** What an endpoint is given, and every default with its reason. Nothing here has state. */
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { HostPort } from './native.js';

/** Key, chain (leaf first) and the authorities trusted for the peer, all PEM text. They go to the native library as memory, never as files. */
export interface QuicTls {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly caPem: string;
}

export interface QuicDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Both sides. Everything in milliseconds and bytes. */
export interface QuicTransportOptions {
  readonly alpn: string;
  /** Without a datagram from the peer for this long the connection is over. The smaller of both sides' values counts. */
  readonly idleTimeoutMs: number;
  /** After this long without hearing from the peer a PING is sent; 0 sends none. */
  readonly keepAliveMs: number;
  /** Silent for this long although asked by PINGs, the peer is dead and the connection over; 0 leaves that to the idle time-out. */
  readonly deadPeerMs: number;
  readonly handshakeTimeoutMs: number;
  /** Streams the peer may have open at once. */
  readonly maxStreams: number;
  /** What the peer may send on one stream beyond what we have read, and the same for the whole connection: the bound of its memory here. */
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /** What may wait on one stream because the peer's window or the path is full; a write beyond it throws QUIC_BACKLOGGED. */
  readonly maxQueuedBytes: number;
  readonly maxDatagramBytes: number;
}

export const TRANSPORT_DEFAULTS: QuicTransportOptions = {
  alpn: 'palyra-quic-v1',
  // Common NAT bindings for UDP live 30 s at least.
  idleTimeoutMs: 30_000,
  keepAliveMs: 5_000,
  // Two PINGs with their repetitions go unanswered; half a minute would be long for a dispatch that waits.
  deadPeerMs: 12_000,
  // Several retransmissions of a lost flight (1 s, 2 s, 4 s) fit in.
  handshakeTimeoutMs: 10_000,
  maxStreams: 32,
  // Two of the largest frames in flight, so that one is on its way while the other is read.
  streamWindowBytes: 1024 * 1024,
  // 256 connections that all send and are all unread hold 512 MiB; it takes 256 hostile paired devices.
  connectionWindowBytes: 2 * 1024 * 1024,
  maxQueuedBytes: 2 * 1024 * 1024,
  // The smallest MTU of IPv6 (1,280, also that of common VPN tunnels) without IPv6 and UDP headers: arrives wherever IPv6 can, needs no discovery.
  maxDatagramBytes: 1232,
};

export interface QuicServerLimits {
  /** Connections past their handshake. */
  readonly maxConnections: number;
  /** Unfinished handshakes of clients with a validated address, beside the connections. One more takes the place of the oldest. */
  readonly maxHandshakes: number;
  /** The last part of them is for known devices only, so that strangers cannot fill the house. */
  readonly reservedShare: number;
  readonly maxPerDevice: number;
  readonly maxHandshakesPerSource: number;
  readonly retryTokenMs: number;
}

export const SERVER_LIMITS: QuicServerLimits = {
  maxConnections: 256,
  // A whole house that reconnects at once loses none of its handshakes; an attacker has to begin this many within one round trip to disturb one.
  maxHandshakes: 256,
  reservedShare: 0.25,
  // One in use, one that replaces it, and two that a change of networks left behind.
  maxPerDevice: 4,
  // A household behind one address reconnecting at once; the oldest of more try again.
  maxHandshakesPerSource: 8,
  // Long enough for a slow round trip, short enough that a recorded token is soon worthless.
  retryTokenMs: 15_000,
};

/** Who the peer of an accepted connection is, as `authorize` decides. */
export interface QuicDevice {
  readonly id: string;
  /** Known devices may use the reserved connections. */
  readonly known: boolean;
}

export interface QuicPeer {
  /** DER, leaf first; the library has verified it against our authorities for TLS clients. */
  readonly chain: readonly Buffer[];
  readonly remote: HostPort;
}
