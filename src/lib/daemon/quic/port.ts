/**
 * The nodes' port over UDP: the same addresses and the same number as over TCP, mutual TLS with certificates of our CA, and the allow list before any
 * byte of a stream. It stands beside the TCP port and never in its way: where it cannot be opened the daemon goes on without it and says why.
 *
 * A certificate that was taken back, was replaced, or has expired, ends its open connections; TLS does not look at it again.
 */
import { sleep, type Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { QuicView } from '../../base/transports.js';
import type { Random } from '../../base/random.js';
import { QUIC_REFUSALS, type QuicRefusal } from '../../quic/admission.js';
import type { QuicConnection } from '../../quic/connection.js';
import { listenQuic, type QuicServer } from '../../quic/endpoint-server.js';
import type { QuicDevice, QuicPeer, QuicServerLimits, QuicTls } from '../../quic/options.js';
import type { NodeRuntime } from '../../runtime/runtime.js';
import type { NodePlugins } from '../node-plugins.js';
import { QUIC_PROTOCOL_CLOSE } from '../../wire/quic/methods.js';
import { normalizeAddress, presentedDevice, type PresentedDevice } from '../caller.js';
import type { DeviceDenials } from '../device-denials.js';
import { REVOKED_GRACE_MS } from '../device-connections.js';
import { QuicService, type QuicPeerConnection } from './service.js';

/** From the last word of a session to the end of its connection. */
const FLUSH_MS = 50;

export interface QuicPortDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly plugins: Pick<NodePlugins, 'report'>;
  readonly denials: DeviceDenials;
  readonly runtime: Pick<NodeRuntime, 'registerNode' | 'openLink' | 'authenticateDevice' | 'onRevoked'>;
}

export interface QuicPortOptions {
  readonly daemon: { readonly name: string; readonly version: string };
  /** False: it was turned off. The limit holds for each address. */
  readonly quic: false | Partial<QuicServerLimits>;
}

/** Before there is a port. */
export const QUIC_NOT_YET: QuicView = {
  state: 'off',
  why: 'the daemon is starting',
  connections: 0,
  handshaking: 0,
  sessions: 0,
  refusals: {},
};

export class QuicPort {
  readonly #deps: QuicPortDeps;
  readonly #options: QuicPortOptions;
  readonly #service: QuicService;
  readonly #servers = new Map<string, QuicServer>();
  readonly #problems = new Map<string, string>();
  readonly #devices = new WeakMap<QuicConnection, PresentedDevice>();
  readonly #forgetRevoked: () => void;
  readonly #graces = new Set<() => void>();
  /** Of servers that are no more. */
  readonly #refusedBefore = Object.fromEntries(QUIC_REFUSALS.map((each) => [each, 0])) as Record<QuicRefusal, number>;
  #tls: QuicTls;

  constructor(
    deps: QuicPortDeps,
    tls: { readonly keyPem: string; readonly certificatePem: string; readonly clientCaPem: string },
    options: QuicPortOptions,
  ) {
    const { clock, log, runtime, plugins, denials } = deps;
    this.#deps = deps;
    this.#options = options;
    this.#tls = { keyPem: tls.keyPem, certificatePem: tls.certificatePem, caPem: tls.clientCaPem };
    this.#service = new QuicService(
      { clock, log, runtime, plugins, denials, connections: () => this.view().connections },
      options.daemon,
    );
    denials.onCut((nodeId) => {
      for (const server of this.#servers.values())
        server.closeDevice(nodeId, QUIC_PROTOCOL_CLOSE.TOO_MANY_REFUSALS, 'NODE_CUT_OFF');
    });
    this.#forgetRevoked = runtime.onRevoked((nodeId) => this.#closeRevoked(nodeId));
  }

  /** Whether the number is served over UDP too; true as well when that is not wanted or cannot be had on this machine. */
  async listen(address: string, port: number): Promise<boolean> {
    if (this.#options.quic === false) return true;
    try {
      const server = await listenQuic(this.#deps, {
        host: address,
        port,
        tls: this.#tls,
        limits: this.#options.quic,
        authorize: (peer) => this.#authorize(peer),
        onConnection: (connection) => this.#serve(connection),
      });
      this.#servers.set(address, server);
      this.#problems.delete(address);
      return true;
    } catch (error) {
      const problem = PalyraError.from(error);
      this.#problems.set(address, problem.detail ?? problem.title);
      this.#deps.log.warn('QUIC is not served', { address, port, reason: problem.reason, problem: problem.message });
      return problem.reason !== 'PORT_IN_USE';
    }
  }

  /** Its connections end: nodes connect again where it is served now. */
  async unlisten(address: string): Promise<void> {
    this.#problems.delete(address);
    const server = this.#servers.get(address);
    if (server === undefined) return;
    this.#servers.delete(address);
    const { refused } = server.stats();
    for (const why of QUIC_REFUSALS) this.#refusedBefore[why] += refused[why];
    await server.stop({ code: QUIC_PROTOCOL_CLOSE.MOVED, reason: 'this address is no longer served' });
  }

  /** New connections see this certificate; open ones keep theirs. */
  renew(server: { readonly keyPem: string; readonly certificatePem: string; readonly clientCaPem: string }): void {
    this.#tls = { keyPem: server.keyPem, certificatePem: server.certificatePem, caPem: server.clientCaPem };
    for (const each of this.#servers.values()) each.updateTls(this.#tls);
  }

  /** Ends connections whose certificate has expired, or is no longer on the allow list since another one took its place. Called by the ticker. */
  closeExpired(now: number): void {
    for (const server of this.#servers.values()) {
      for (const { connection } of server.connections()) {
        const device = this.#devices.get(connection);
        if (device === undefined) continue;
        if (device.notAfter <= now) connection.close(QUIC_PROTOCOL_CLOSE.NOT_ALLOWED, 'the certificate has expired');
        else if (this.#isReplaced(device, connection.remote.host))
          connection.close(QUIC_PROTOCOL_CLOSE.NOT_ALLOWED, 'the certificate was replaced');
      }
    }
  }

  view(): QuicView {
    const refusals = { ...this.#refusedBefore };
    let connections = 0;
    let handshaking = 0;
    for (const server of this.#servers.values()) {
      const stats = server.stats();
      connections += stats.connections;
      handshaking += stats.handshaking;
      for (const why of QUIC_REFUSALS) refusals[why] += stats.refused[why];
    }
    const [problem] = this.#problems.values();
    return {
      state: this.#servers.size > 0 ? 'on' : 'off',
      why: this.#options.quic === false ? 'it is turned off' : (problem ?? null),
      connections,
      handshaking,
      sessions: this.#service.openSessions,
      refusals,
    };
  }

  /** Ends sessions with their reason, then every connection. */
  async close(): Promise<void> {
    this.#forgetRevoked();
    for (const cancel of this.#graces) cancel();
    const sessions = this.#service.openSessions;
    this.#service.close();
    if (sessions > 0) await sleep(this.#deps.clock, FLUSH_MS);
    await Promise.all([...this.#servers.values()].map((server) => server.stop({ reason: 'the daemon stops' })));
  }

  /** What a refused device is told is the reason itself, as the node compares it. */
  #authorize({ chain, remote }: QuicPeer): QuicDevice {
    const [leaf] = chain;
    try {
      if (leaf === undefined) throw new PalyraError('CERTIFICATE_REVOKED', { detail: 'there is no certificate' });
      const device = presentedDevice(leaf);
      if (device.notAfter <= this.#deps.clock.now())
        throw new PalyraError('CERTIFICATE_REVOKED', { detail: 'it has expired' });
      this.#authenticate(device, remote.host);
      const refusal = this.#deps.denials.refusal(device.deviceId);
      if (refusal !== null) throw refusal;
      return { id: device.deviceId, known: true };
    } catch (error) {
      const { reason } = PalyraError.from(error, 'CERTIFICATE_REVOKED');
      throw new PalyraError('PERMISSION_DENIED', { detail: reason, cause: error });
    }
  }

  /** A device whose trust was withdrawn is told so first, by `#closeRevoked`. */
  #isReplaced(device: PresentedDevice, host: string): boolean {
    try {
      this.#authenticate(device, host);
      return false;
    } catch (error) {
      return PalyraError.from(error).reason === 'CERTIFICATE_REVOKED';
    }
  }

  #authenticate({ deviceId, serial }: PresentedDevice, host: string) {
    return this.#deps.runtime.authenticateDevice({ deviceId, serial, address: normalizeAddress(host) });
  }

  #serve(connection: QuicConnection): void {
    const device = presentedDevice(connection.peerChain[0]!);
    this.#devices.set(connection, device);
    const peer: QuicPeerConnection = {
      deviceId: device.deviceId,
      caller: () => this.#authenticate(device, connection.remote.host),
    };
    connection.onStream((stream) => this.#service.serve(stream, peer));
    void connection.closed.then(({ by, application }) => {
      if (by === 'peer' && application) this.#service.left(device.deviceId, peer);
    });
  }

  #closeRevoked(nodeId: string): void {
    const cancel = this.#deps.clock.schedule(REVOKED_GRACE_MS, () => {
      this.#graces.delete(cancel);
      for (const server of this.#servers.values())
        server.closeDevice(nodeId, QUIC_PROTOCOL_CLOSE.NOT_ALLOWED, 'NODE_REVOKED');
    });
    this.#graces.add(cancel);
  }
}
