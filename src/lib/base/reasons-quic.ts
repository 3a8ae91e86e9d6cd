/** Reasons of the QUIC transport. All of them concern one connection or one stream of it; gRPC can carry everything when QUIC cannot. */
import { reasons } from './reason-row.js';

export const QUIC_REASONS = reasons({
  QUIC_UNAVAILABLE: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'QUIC cannot be used on this machine',
    hint: 'Everything works without it (--transport auto, grpc or poll); the native part of @matrixai/quic exists for Linux x64, macOS and Windows x64',
  },
  QUIC_HANDSHAKE_FAILED: {
    code: 'UNAVAILABLE',
    title: 'The QUIC connection could not be made',
    hint: 'Check that UDP reaches the daemon and that both sides trust the same authority; gRPC needs no UDP',
    retrySafe: true,
  },
  QUIC_CONNECTION_CLOSED: {
    code: 'UNAVAILABLE',
    title: 'The QUIC connection is closed',
    hint: 'Connect again',
    retrySafe: true,
  },
  QUIC_STREAM_CLOSED: {
    code: 'ABORTED',
    title: 'The other side has closed this QUIC stream',
    hint: 'Open a new stream on the same connection',
  },
  QUIC_BACKLOGGED: {
    code: 'RESOURCE_EXHAUSTED',
    title: 'The other side reads too slowly and too much waits to be sent',
    hint: 'Wait until the stream has drained before writing more',
    retrySafe: true,
  },
});
