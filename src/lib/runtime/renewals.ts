/**
 * New certificates for machines that are paired already, and machines that leave by themselves. Possession of the key was proven before this is asked.
 *
 * Always true: a renewal changes certificates and, if the machine asks, its key; name, labels, purpose and grants are those of the record, never of the
 * request. A machine whose trust was withdrawn gets nothing.
 */
import { renewableUntil } from './presence.js';
import type { RuntimeCore } from './core.js';
import type { DeviceCaller } from './link-sessions.js';
import type { IssuedCertificate } from './pairing-context.js';
import { removeNode } from './removal.js';
import type { Transaction } from './transaction.js';
import { PalyraError } from '../base/errors.js';
import type { NodeRecord } from '../base/model.js';

export interface DeviceKey {
  readonly spki: Buffer;
  readonly keyFingerprint: string;
}

export interface Renewed {
  readonly name: string;
  readonly certificate: IssuedCertificate;
}

export class Renewals {
  readonly #core: RuntimeCore;

  constructor(core: RuntimeCore) {
    this.#core = core;
  }

  /** For who holds an accepted certificate; the key may be a new one. Throws NODE_REVOKED, CERTIFICATE_REVOKED, PAIRING_PROOF_INVALID for the key of another node. */
  async rotate(caller: DeviceCaller, key: DeviceKey): Promise<Renewed> {
    const core = this.#core;
    const tx = core.begin();
    const node = core.registry.authenticate(core.tables, caller.nodeId, caller.serial, tx.now.wall);
    const holder = core.registry.byKey(core.tables, key.keyFingerprint);
    if (holder !== null && holder.id !== node.id) {
      throw new PalyraError('PAIRING_PROOF_INVALID', { detail: 'the key is that of another node' });
    }
    return this.#issue(tx, node, key);
  }

  /**
   * For who holds the key and no certificate that is accepted any more. Throws CERTIFICATE_REVOKED for a device nobody knows, NODE_REVOKED,
   * PAIRING_PROOF_INVALID for another key, CERTIFICATE_EXPIRED after the 30 days.
   */
  async renewByKey(deviceId: string, key: DeviceKey): Promise<Renewed> {
    const node = this.assertRenewable(deviceId, key.keyFingerprint);
    return this.#issue(this.#core.begin(), node, key);
  }

  /** Whether the holder of this key may renew now. Throws what `renewByKey` throws. */
  assertRenewable(deviceId: string, keyFingerprint: string): NodeRecord {
    const core = this.#core;
    const node = core.registry.trusted(core.tables, deviceId);
    if (node.keyFingerprint !== keyFingerprint) {
      throw new PalyraError('PAIRING_PROOF_INVALID', { detail: 'the device is known by another key' });
    }
    if (node.certificates.length === 0) {
      const detail = 'it was made by a CA that the daemon no longer has (palyra daemon rotate-ca --force)';
      throw new PalyraError('CERTIFICATE_EXPIRED', { detail });
    }
    const until = renewableUntil(node);
    if (until < core.now().wall) {
      const detail = `it could be renewed until ${new Date(until).toISOString()}`;
      throw new PalyraError('CERTIFICATE_EXPIRED', { detail });
    }
    return node;
  }

  /** The machine takes back its own trust. What is open on it fails, its connections end. */
  async leave(caller: DeviceCaller): Promise<string> {
    const core = this.#core;
    const tx = core.begin();
    const node = core.registry.authenticate(core.tables, caller.nodeId, caller.serial, tx.now.wall);
    removeNode(tx, core, node, node.name);
    await core.commit(tx);
    return node.name;
  }

  async #issue(tx: Transaction, node: NodeRecord, key: DeviceKey): Promise<Renewed> {
    const core = this.#core;
    const certificate = core.deps.issuer.issueNode({ deviceId: node.id, spki: key.spki, now: tx.now.wall });
    const { serial, fingerprint, notBefore, notAfter, issuer } = certificate;
    const by = issuer === undefined ? {} : { issuer };
    const record = { serial, fingerprint, notBefore, notAfter, acceptedUntil: null, ...by };
    core.registry.renew(tx, node, record, key.keyFingerprint);
    tx.events.push({ type: 'node.renewed', nodeId: node.id, name: node.name });
    await core.commit(tx);
    return { name: node.name, certificate };
  }
}
