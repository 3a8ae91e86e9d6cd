/**
 * The daemon's half of a renewal: checks what was signed, lets the runtime decide, and leaves the entry in the audit log. Two ways in, one issuer:
 *
 *   rotate       over the node port, by who holds an accepted certificate; may bring a new key
 *   renewByKey   over the public port, by who holds the key of a known device: for certificates that TLS or the allow list no longer accepts
 *
 * Why the second exists and is safe on an anonymous port: docs/decisions/0015-certificate-renewal.md.
 */
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { skewWords } from '../base/time-words.js';
import { fingerprintOf, parsePublicKey } from '../identity/device-key.js';
import { verifyPossession } from '../identity/pairing-proof.js';
import { renewMessage, rotateMessage } from '../identity/renewal.js';
import type { Renewed } from '../runtime/renewals.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import { actorOf, type Attempted, type Auditor } from './auditor.js';
import type { DeviceCaller } from './caller.js';
import type { DaemonFingerprints } from './pairing-desk.js';

export interface RenewalDeskDeps {
  readonly runtime: Pick<NodeRuntime, 'renewals' | 'nodeName'>;
  readonly auditor: Auditor;
  readonly clock: Clock;
}

/** What every machine is told with its certificate. */
export interface TrustFacts {
  trustBundle(): readonly string[];
  nodeEndpoints(): readonly string[];
}

export interface RenewalAnswer {
  readonly certificate: string;
  readonly trustBundle: string[];
  readonly nodeEndpoints: string[];
}

interface Signed {
  readonly publicKey: Buffer;
  readonly signedAtMs: number;
  readonly possessionProof: Buffer;
}

export class RenewalDesk {
  readonly #deps: RenewalDeskDeps;
  readonly #trust: TrustFacts;
  readonly #fingerprints: () => DaemonFingerprints;

  constructor(deps: RenewalDeskDeps, trust: TrustFacts, fingerprints: () => DaemonFingerprints) {
    this.#deps = deps;
    this.#trust = trust;
    this.#fingerprints = fingerprints;
  }

  /** Throws PAIRING_PROOF_INVALID, CLOCK_SKEW and what `Renewals.rotate` throws. */
  async rotate(caller: DeviceCaller, signed: Signed): Promise<RenewalAnswer> {
    const { runtime } = this.#deps;
    const { nodeId: deviceId, serial } = caller;
    const key = this.#proven(signed, (signedAtMs) => rotateMessage({ deviceId, serial, signedAtMs }));
    return this.#told('RotateDeviceCertificate', caller, () => runtime.renewals.rotate(caller, key));
  }

  /** Throws PAIRING_PROOF_INVALID, CLOCK_SKEW and what `Renewals.renewByKey` throws. */
  async renewByKey(deviceId: string, address: string, signed: Signed): Promise<RenewalAnswer> {
    const { runtime } = this.#deps;
    const { serverCertificateSha256 } = this.#fingerprints();
    const key = this.#proven(signed, (signedAtMs) => renewMessage({ deviceId, serverCertificateSha256, signedAtMs }));
    const attempted: Attempted = {
      actor: { kind: 'anonymous', name: '', credential: 'none' },
      origin: { listener: 'public', address },
      action: 'RenewDeviceCertificate',
      target: { keyFingerprint: key.keyFingerprint },
    };
    let name: string;
    try {
      ({ name } = runtime.renewals.assertRenewable(deviceId, key.keyFingerprint));
    } catch (error) {
      // Anybody can ask with a key of their own: told as one of the strangers, whose entries are limited.
      const refused = this.#deps.auditor.attempt(attempted).settle(PalyraError.from(error).reason);
      await refused.catch(() => undefined);
      throw error;
    }
    // Known by its key, so it is that device; there is no certificate to name.
    const actor = { kind: 'device', name: deviceId, credential: 'device key' } as const;
    const target = { ...attempted.target, node: deviceId, name };
    return this.#around({ ...attempted, actor, target }, () => runtime.renewals.renewByKey(deviceId, key));
  }

  /** The device takes back its own trust. */
  async leave(caller: DeviceCaller): Promise<string> {
    const { runtime, auditor } = this.#deps;
    return auditor.around(this.#attempted('RevokeDevicePairing', caller), async (attempt) => {
      await attempt.begin();
      return runtime.renewals.leave(caller);
    });
  }

  #told(action: string, caller: DeviceCaller, renew: () => Promise<Renewed>): Promise<RenewalAnswer> {
    return this.#around(this.#attempted(action, caller), renew);
  }

  #attempted(action: string, caller: DeviceCaller): Attempted {
    return {
      actor: actorOf(caller),
      origin: { listener: 'node-rpc', address: caller.address },
      action,
      target: { node: caller.nodeId, name: this.#deps.runtime.nodeName(caller.nodeId) },
    };
  }

  async #around(attempted: Attempted, renew: () => Promise<Renewed>): Promise<RenewalAnswer> {
    const { certificate } = await this.#deps.auditor.around(attempted, async (attempt) => {
      await attempt.begin();
      const renewed = await renew();
      attempt.note({ serial: renewed.certificate.serial, fingerprint: renewed.certificate.fingerprint });
      return renewed;
    });
    return {
      certificate: certificate.certificatePem,
      trustBundle: [...this.#trust.trustBundle()],
      nodeEndpoints: [...this.#trust.nodeEndpoints()],
    };
  }

  #proven({ publicKey, signedAtMs, possessionProof }: Signed, messageAt: (signedAtMs: number) => Buffer) {
    parsePublicKey(publicKey);
    // The signature first: only the owner of the key is told about clocks.
    if (!verifyPossession(publicKey, messageAt(signedAtMs), possessionProof)) {
      throw new PalyraError('PAIRING_PROOF_INVALID', { detail: 'the signature is not that of the key' });
    }
    const skewMs = signedAtMs - this.#deps.clock.now();
    const words = skewWords(skewMs);
    if (words !== null) {
      const detail = `the clock of that machine is ${words} the daemon's`;
      throw new PalyraError('CLOCK_SKEW', { detail, details: { skewMs } });
    }
    return { spki: Buffer.from(publicKey), keyFingerprint: fingerprintOf(publicKey) };
  }
}
