/**
 * How soon a link notices that the network is dark, when no connection is closed and nothing is said. Both sides ask by themselves, whatever the heartbeat is
 * and however many nodes there are: a heartbeat says how a node is, at a pace that the daemon gives.
 *
 *   gRPC   a PING every 7 s, over when 5 s bring no answer              12 s
 *   QUIC   a PING after 5 s of silence, over after 12 s of it           12 s, and 2 s for a new connection (`quic-session.ts`)
 *   polls  as gRPC                                                      12 s, and 2.5 s for a new connection (`poll.ts`)
 */
import type { ChannelOptions } from '@grpc/grpc-js';

/** Five seconds, because an answer may wait behind a large result on a slow line. */
export const LINK_KEEPALIVE: ChannelOptions = {
  'grpc.keepalive_time_ms': 7_000,
  'grpc.keepalive_timeout_ms': 5_000,
};
