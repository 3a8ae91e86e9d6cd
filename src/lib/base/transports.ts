/** What carries the link of a node, and how the daemon's QUIC side is shown. */

/** The daemon's QUIC side. */
export interface QuicView {
  readonly state: 'on' | 'off';
  /** Why it is off, or off at one of the addresses; null when there is nothing to say. */
  readonly why: string | null;
  readonly connections: number;
  readonly handshaking: number;
  /** Links of nodes, those included that wait for a new connection. */
  readonly sessions: number;
  /** Since the daemon started, by reason. */
  readonly refusals: Readonly<Record<string, number>>;
}

/** What can carry a node's link: a gRPC stream, unary gRPC calls, QUIC. */
export type LinkTransport = 'grpc' | 'poll' | 'quic';

/** What a node may be told to use. */
export const TRANSPORT_MODES = ['auto', 'grpc', 'quic', 'poll'] as const;
export type TransportMode = (typeof TRANSPORT_MODES)[number];
