/**
 * Which live connections belong to which device, and which of them may do anything. TLS never looks at a certificate again once the
 * handshake is over, so revocation and expiry are enforced here, on open sockets.
 *
 * A certificate of ours that is not (or no longer) on the allow list is let in for a few seconds with a *refusal*: every call on that
 * connection is answered with it. A bare disconnect would make a removed node reconnect for ever. One that is cut off for a while is told so likewise.
 */
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { TOLD_ANSWERS, type DenialsOfDevice } from './device-denials.js';
import { presentedDevice, type DeviceCaller, type PresentedDevice } from './caller.js';
import type { Connection } from './tls-front.js';

/** A node needs one; a second while it reconnects. The oldest gives way, so that half-open ones cannot lock a device out. */
export const MAX_CONNECTIONS_PER_DEVICE = 4;
/** How long a refused connection may live: enough to ask and be told why. */
export const REFUSED_LIFE_MS = 3000;
/** From the durable removal to the destruction of the sockets; in between the stream ends with its reason. The promise is 1 s. */
export const REVOKED_GRACE_MS = 400;

/** The allow list: `NodeRuntime.authenticateDevice`. */
export type Authenticate = (o: { deviceId: string; serial: string; address: string }) => DeviceCaller;

interface Bound {
  readonly connection: Connection;
  readonly device: PresentedDevice;
  /** It was accepted when it opened and is still; one that is not has a timer of its own, until which it may be told why. */
  admitted: boolean;
  /** Answers it got while its device was cut off. */
  told: number;
}

export class DeviceConnections {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #authenticate: Authenticate;
  readonly #denials: DenialsOfDevice;
  /** Oldest first within a device. */
  readonly #byDevice = new Map<string, Set<Bound>>();
  readonly #byKey = new Map<string, Bound>();
  readonly #graces = new Set<() => void>();

  constructor(deps: {
    readonly clock: Clock;
    readonly log: Log;
    readonly authenticate: Authenticate;
    readonly denials: DenialsOfDevice;
  }) {
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#authenticate = deps.authenticate;
    this.#denials = deps.denials;
  }

  /** Binds a verified connection to the device of its certificate. False: it was destroyed and must not be used. */
  bind(connection: Connection): boolean {
    const { socket, address } = connection;
    let device: PresentedDevice;
    try {
      device = presentedDevice(socket.getPeerCertificate().raw);
    } catch (error) {
      this.#log.warn('connection without a device certificate', { address, err: error });
      socket.destroy();
      return false;
    }
    // A resumed TLS session is not checked for expiry by TLS.
    if (device.notAfter <= this.#clock.now()) {
      this.#log.info('connection with an expired certificate', { node: device.deviceId, address });
      socket.destroy();
      return false;
    }
    const isCutOff = this.#denials.refusal(device.deviceId) !== null;
    if (isCutOff && !this.#denials.mayBeTold(device.deviceId)) {
      socket.destroy();
      return false;
    }
    const bound: Bound = { connection, device, admitted: false, told: 0 };
    const siblings = this.#byDevice.get(device.deviceId) ?? new Set();
    this.#byDevice.set(device.deviceId, siblings.add(bound));
    this.#byKey.set(connection.key, bound);
    const [oldest] = siblings;
    if (siblings.size > MAX_CONNECTIONS_PER_DEVICE && oldest !== undefined) this.#drop(oldest);
    const refusal = this.#refusalOf(bound);
    bound.admitted = refusal === null && !isCutOff;
    let cancel: (() => void) | null = null;
    if (!bound.admitted) cancel = this.#clock.schedule(REFUSED_LIFE_MS, () => this.#drop(bound));
    if (refusal !== null) {
      this.#log.info('connection of a device that is not paired', {
        node: device.deviceId,
        address,
        reason: refusal.reason,
      });
    }
    socket.once('close', () => {
      cancel?.();
      this.#forget(bound);
    });
    return true;
  }

  /** Who calls on this connection now. Throws CERTIFICATE_REVOKED, NODE_REVOKED or NODE_CUT_OFF: asked again at every call. */
  callerOn(connection: Connection): DeviceCaller {
    const bound = this.#byKey.get(connection.key);
    if (bound?.connection !== connection)
      throw new PalyraError('CERTIFICATE_REVOKED', { detail: 'the connection is closed' });
    const caller = this.#authenticate({ ...identityOf(bound), address: connection.address });
    const refusal = this.#denials.refusal(caller.nodeId);
    if (refusal !== null) throw refusal;
    return caller;
  }

  /** A call on this connection was answered with a denial. Whoever asks on while it is cut off is not answered for ever. */
  denied(connection: Connection): void {
    const bound = this.#byKey.get(connection.key);
    if (bound?.connection !== connection) return;
    const { deviceId } = bound.device;
    if (this.#denials.refusal(deviceId) === null) return this.#denials.denied(deviceId);
    bound.told += 1;
    if (bound.told >= TOLD_ANSWERS) this.#drop(bound);
  }

  /** Destroys every connection a device has now. */
  dropDevice(deviceId: string): void {
    for (const bound of [...(this.#byDevice.get(deviceId) ?? [])]) this.#drop(bound);
  }

  /** Ends every connection a device has now, after the grace in which its streams say why. */
  closeDevice(deviceId: string): void {
    const doomed = [...(this.#byDevice.get(deviceId) ?? [])];
    if (doomed.length === 0) return;
    for (const bound of doomed) bound.admitted = false;
    const cancel = this.#clock.schedule(REVOKED_GRACE_MS, () => {
      this.#graces.delete(cancel);
      for (const bound of doomed) this.#drop(bound);
    });
    this.#graces.add(cancel);
  }

  /** Destroys every connection and ends every timer. */
  close(): void {
    for (const cancel of this.#graces) cancel();
    this.#graces.clear();
    for (const bound of [...this.#byKey.values()]) this.#drop(bound);
  }

  /** Ends connections whose certificate has expired, or is no longer on the allow list since another one took its place. Called by the ticker. */
  closeExpired(now: number): void {
    for (const bound of [...this.#byKey.values()]) {
      if (bound.device.notAfter <= now || (bound.admitted && this.#refusalOf(bound) !== null)) this.#drop(bound);
    }
  }

  countOf(deviceId: string): number {
    return this.#byDevice.get(deviceId)?.size ?? 0;
  }

  #refusalOf(bound: Bound): PalyraError | null {
    try {
      this.#authenticate({ ...identityOf(bound), address: bound.connection.address });
      return null;
    } catch (error) {
      return PalyraError.from(error);
    }
  }

  #drop(bound: Bound): void {
    bound.connection.socket.destroy();
    this.#forget(bound);
  }

  #forget(bound: Bound): void {
    const { deviceId } = bound.device;
    const siblings = this.#byDevice.get(deviceId);
    siblings?.delete(bound);
    if (siblings?.size === 0) this.#byDevice.delete(deviceId);
    if (this.#byKey.get(bound.connection.key) === bound) this.#byKey.delete(bound.connection.key);
  }
}

function identityOf(bound: Bound): { deviceId: string; serial: string } {
  return { deviceId: bound.device.deviceId, serial: bound.device.serial };
}
