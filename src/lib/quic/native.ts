/**
 * The native quiche binding of `@matrixai/quic`: the only file that knows where it comes from.
 *
 * Only the binding is loaded (`native/quiche.js`), none of the classes around it, and only at the first call of `loadQuiche`: the package is optional, has a
 * part of native code, and a command that uses no QUIC must not pay for it. What we use is written down here as types and checked at load, so that a later
 * version that drops or renames something fails at start with its name instead of in the middle of a connection.
 */
import { PalyraError } from '../base/errors.js';

/** An address as the binding takes it: an IP literal without brackets or zone, and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** The way of one received datagram: from the peer to us. */
export interface DatagramPath {
  readonly from: HostPort;
  readonly to: HostPort;
}

export interface NativeConfig {
  setApplicationProtos(names: string[]): void;
  setMaxIdleTimeout(ms: number): void;
  setMaxRecvUdpPayloadSize(bytes: number): void;
  setMaxSendUdpPayloadSize(bytes: number): void;
  setInitialMaxData(bytes: number): void;
  setInitialMaxStreamDataBidiLocal(bytes: number): void;
  setInitialMaxStreamDataBidiRemote(bytes: number): void;
  setInitialMaxStreamDataUni(bytes: number): void;
  setMaxStreamWindow(bytes: number): void;
  setMaxConnectionWindow(bytes: number): void;
  setInitialMaxStreamsBidi(count: number): void;
  setInitialMaxStreamsUni(count: number): void;
  setActiveConnectionIdLimit(count: number): void;
  setDisableActiveMigration(disabled: boolean): void;
  setCcAlgorithmName(name: string): void;
  enableHystart(enabled: boolean): void;
  enablePacing(enabled: boolean): void;
  setMaxAckDelay(ms: number): void;
  grease(enabled: boolean): void;
  /** 128 bits, for the connections accepted from now on. */
  setStatelessResetToken(token: bigint): void;
}

export interface NativeError {
  readonly isApp: boolean;
  readonly errorCode: number;
  readonly reason: Uint8Array;
}

export interface NativePathStats {
  readonly rtt: number;
  readonly cwnd: number;
  readonly pmtu: number;
}

export interface NativeStats {
  readonly recv: number;
  readonly sent: number;
  readonly lost: number;
  readonly retrans: number;
  readonly sentBytes: number;
  readonly recvBytes: number;
  readonly lostBytes: number;
}

/** One connection. Throws Errors whose message is the name of the quiche error; null stands for quiche's "Done": nothing to do now. */
export interface NativeConnection {
  /** Decrypts in place: the bytes are changed. */
  recv(datagram: Uint8Array, path: DatagramPath): number;
  send(into: Uint8Array): readonly [number, unknown] | null;
  streamRecv(id: number, into: Uint8Array): readonly [number, boolean] | null;
  streamSend(id: number, bytes: Uint8Array, fin: boolean): number | null;
  streamShutdown(id: number, direction: number, code: number): void | null;
  streamReadable(id: number): boolean;
  streamWritable(id: number, bytes: number): boolean;
  peerStreamsLeftBidi(): number;
  readable(): Iterable<number>;
  timeout(): number | null;
  onTimeout(): void;
  sendAckEliciting(): void;
  close(application: boolean, code: number, reason: Uint8Array): void | null;
  applicationProto(): Uint8Array;
  peerCertChain(): Uint8Array[] | null;
  isEstablished(): boolean;
  isResumed(): boolean;
  isInEarlyData(): boolean;
  isReadable(): boolean;
  isDraining(): boolean;
  isClosed(): boolean;
  isTimedOut(): boolean;
  peerError(): NativeError | null;
  localError(): NativeError | null;
  stats(): NativeStats;
  pathStats(): NativePathStats[];
}

export interface NativeHeader {
  readonly ty: number;
  readonly version: number;
  readonly dcid: Uint8Array;
  readonly scid: Uint8Array;
  readonly token?: Uint8Array;
}

export interface Quiche {
  readonly Shutdown: { readonly Read: number; readonly Write: number };
  readonly Type: { readonly Initial: number };
  readonly PROTOCOL_VERSION: number;
  versionIsSupported(version: number): boolean;
  negotiateVersion(scid: Uint8Array, dcid: Uint8Array, into: Uint8Array): number;
  retry(
    scid: Uint8Array,
    dcid: Uint8Array,
    newScid: Uint8Array,
    token: Uint8Array,
    version: number,
    into: Uint8Array,
  ): number;
  readonly Config: {
    withBoringSslCtx(
      verifyPeer: boolean,
      verifyAllowFail: boolean,
      ca: Uint8Array | null,
      keys: Uint8Array[] | null,
      chains: Uint8Array[] | null,
      signatureAlgorithms: string | null,
    ): NativeConfig;
  };
  readonly Connection: {
    connect(
      serverName: string | null,
      scid: Uint8Array,
      local: HostPort,
      peer: HostPort,
      config: NativeConfig,
    ): NativeConnection;
    accept(
      scid: Uint8Array,
      originalDcid: Uint8Array | undefined,
      local: HostPort,
      peer: HostPort,
      config: NativeConfig,
    ): NativeConnection;
  };
  readonly Header: { fromSlice(datagram: Uint8Array, dcidBytes: number): NativeHeader };
}

/** Every export, static and method that this folder calls. `test/unit/quic/native.test.ts` compares it with the sources. */
export const NATIVE_SURFACE = {
  exports: ['versionIsSupported', 'negotiateVersion', 'retry', 'Config', 'Connection', 'Header'],
  numbers: ['PROTOCOL_VERSION'],
  enums: { Shutdown: ['Read', 'Write'], Type: ['Initial'] },
  statics: { Config: ['withBoringSslCtx'], Connection: ['connect', 'accept'], Header: ['fromSlice'] },
  methods: {
    Config: [
      'setApplicationProtos',
      'setMaxIdleTimeout',
      'setMaxRecvUdpPayloadSize',
      'setMaxSendUdpPayloadSize',
      'setInitialMaxData',
      'setInitialMaxStreamDataBidiLocal',
      'setInitialMaxStreamDataBidiRemote',
      'setInitialMaxStreamDataUni',
      'setMaxStreamWindow',
      'setMaxConnectionWindow',
      'setInitialMaxStreamsBidi',
      'setInitialMaxStreamsUni',
      'setActiveConnectionIdLimit',
      'setDisableActiveMigration',
      'setCcAlgorithmName',
      'enableHystart',
      'enablePacing',
      'setMaxAckDelay',
      'grease',
      'setStatelessResetToken',
    ],
    Connection: [
      'recv',
      'send',
      'streamRecv',
      'streamSend',
      'streamShutdown',
      'streamReadable',
      'streamWritable',
      'peerStreamsLeftBidi',
      'readable',
      'timeout',
      'onTimeout',
      'sendAckEliciting',
      'close',
      'applicationProto',
      'peerCertChain',
      'isEstablished',
      'isResumed',
      'isInEarlyData',
      'isReadable',
      'isDraining',
      'isClosed',
      'isTimedOut',
      'peerError',
      'localError',
      'stats',
      'pathStats',
    ],
  },
} as const;

/**
 * The binding, checked. Throws QUIC_UNAVAILABLE when the package or its part for this machine is not installed, or when it lacks something we use.
 * `load` is for tests of exactly that.
 */
export async function loadQuiche(
  load: () => Promise<unknown> = () => import('@matrixai/quic/native/quiche.js'),
): Promise<Quiche> {
  let loaded: unknown;
  try {
    loaded = ((await load()) as { default?: unknown }).default;
  } catch (cause) {
    throw new PalyraError('QUIC_UNAVAILABLE', {
      detail: 'the optional package @matrixai/quic, or its part for this platform, is not installed',
      cause,
    });
  }
  const missing = missingFrom(loaded);
  if (missing.length > 0) {
    throw new PalyraError('QUIC_UNAVAILABLE', {
      detail: `this version of @matrixai/quic lacks ${missing.slice(0, 5).join(', ')}`,
      hint: 'Install the version that palyra names in its package.json',
      details: { missing },
    });
  }
  return loaded as Quiche;
}

/** What of the surface is not there, by name, e.g. `Connection.prototype.timeout`. */
function missingFrom(binding: unknown): string[] {
  const missing: string[] = [];
  const expect = (holder: unknown, path: string, names: readonly string[], type: string) => {
    for (const name of names) if (typeof property(holder, name) !== type) missing.push(path + name);
  };
  expect(binding, '', NATIVE_SURFACE.exports, 'function');
  expect(binding, '', NATIVE_SURFACE.numbers, 'number');
  for (const [name, values] of Object.entries(NATIVE_SURFACE.enums)) {
    expect(property(binding, name), `${name}.`, values, 'number');
  }
  // A class is missing as a whole, then; its members need no line each.
  const present = (name: string) => typeof property(binding, name) === 'function';
  for (const [name, statics] of Object.entries(NATIVE_SURFACE.statics)) {
    if (present(name)) expect(property(binding, name), `${name}.`, statics, 'function');
  }
  for (const [name, methods] of Object.entries(NATIVE_SURFACE.methods)) {
    if (present(name))
      expect(property(property(binding, name), 'prototype'), `${name}.prototype.`, methods, 'function');
  }
  return missing;
}

function property(holder: unknown, name: string): unknown {
  if (holder === null || (typeof holder !== 'object' && typeof holder !== 'function')) return undefined;
  return (holder as Record<string, unknown>)[name];
}

/** The binding takes no zone in a link-local address; sockets do. */
export function withoutZone({ host, port }: HostPort): HostPort {
  const zone = host.indexOf('%');
  return { host: zone < 0 ? host : host.slice(0, zone), port };
}
