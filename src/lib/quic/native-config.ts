/**
 * A native configuration from our options: TLS material as memory, peers always verified, no early data, no migration, no unidirectional streams.
 * One is shared by all connections of an endpoint; making one per connection would parse the certificates again each time.
 */
import { PalyraError } from '../base/errors.js';
import type { NativeConfig, Quiche } from './native.js';
import type { QuicTls, QuicTransportOptions } from './options.js';

/** The largest payload a UDP datagram can have; what arrives is bounded by the network anyway. */
const MAX_UDP_PAYLOAD = 65_527;
/** What the peer may wait before it acknowledges, as we tell it; the default of RFC 9000. Our own held acknowledgements stay far below. */
const MAX_ACK_DELAY_MS = 25;

/** `tls` without a key (tests only) makes a client that has no certificate to show. Throws CONFIG_INVALID when the material cannot be used. */
export function createNativeConfig(
  quiche: Quiche,
  tls: Pick<QuicTls, 'caPem'> & Partial<QuicTls>,
  options: QuicTransportOptions,
): NativeConfig {
  const bytes = (pem: string) => Buffer.from(pem);
  let config: NativeConfig;
  try {
    config = quiche.Config.withBoringSslCtx(
      true, // a server asks for a certificate and refuses its absence; a client verifies the server's
      false,
      bytes(tls.caPem),
      tls.keyPem === undefined ? null : [bytes(tls.keyPem)],
      tls.certificatePem === undefined ? null : [bytes(tls.certificatePem)],
      null,
    );
  } catch (cause) {
    throw new PalyraError('CONFIG_INVALID', { detail: 'the key or a certificate for QUIC cannot be used', cause });
  }
  config.setApplicationProtos([options.alpn]);
  config.setMaxIdleTimeout(options.idleTimeoutMs);
  config.setMaxRecvUdpPayloadSize(MAX_UDP_PAYLOAD);
  config.setMaxSendUdpPayloadSize(options.maxDatagramBytes);
  config.setInitialMaxData(options.connectionWindowBytes);
  config.setMaxConnectionWindow(options.connectionWindowBytes);
  config.setInitialMaxStreamDataBidiLocal(options.streamWindowBytes);
  config.setInitialMaxStreamDataBidiRemote(options.streamWindowBytes);
  config.setInitialMaxStreamDataUni(0);
  config.setMaxStreamWindow(options.streamWindowBytes);
  config.setInitialMaxStreamsBidi(options.maxStreams);
  config.setInitialMaxStreamsUni(0);
  config.setActiveConnectionIdLimit(2);
  config.setDisableActiveMigration(true);
  // The library's reno and cubic take ever longer round trips for true on a path that keeps losing, until a link stands still for many seconds
  // (test/contract/quic-wire.test.ts, the path that goes on losing); its bbr does not.
  config.setCcAlgorithmName('bbr');
  config.enableHystart(true);
  config.enablePacing(false); // the library only says when to send; a timer per packet costs more than it smooths
  config.setMaxAckDelay(MAX_ACK_DELAY_MS);
  config.grease(false);
  return config;
}
