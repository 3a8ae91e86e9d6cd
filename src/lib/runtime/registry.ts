/**
 * The nodes: who is paired, under which name, with which certificates and grants. Decides over the rows and two indexes; waits for nothing.
 *
 * Always true: a name belongs to at most one node that is not removed; a device key to at most one that is trusted; what a node announces never widens what it was granted.
 */
import { PalyraError } from '../base/errors.js';
import type { CertificateRecord, MachineFacts, NodeRecord } from '../base/model.js';
import { declinedAtFirst } from './offers.js';
import type { Tables } from './state.js';
import type { Transaction } from './transaction.js';

/** A replaced certificate is accepted this long, so that a renewal whose answer was lost does not lock the node out. */
export const ROTATION_GRACE_MS = 10 * 60_000;
/** Certificates of one node that may be accepted at once; a node that renews more often than it uses what it gets loses the oldest. */
export const MAX_CERTIFICATES = 8;

export interface NewNode {
  readonly id: string;
  readonly name: string;
  readonly facts: MachineFacts;
  readonly keyFingerprint: string;
  readonly certificate: CertificateRecord;
  readonly granted: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly purpose: string | null;
  readonly pairedBy: string;
  readonly address: string;
  readonly withheld?: readonly string[];
  readonly ephemeralMs?: number | null;
  readonly replaces?: NodeRecord['replaces'];
}

export class Registry {
  readonly #byName = new Map<string, string>();
  readonly #byKey = new Map<string, string>();
  /** Names of nodes that are not removed, sorted; what pages are cut from. */
  readonly #names: string[] = [];

  rebuild(tables: Tables): void {
    this.#byName.clear();
    this.#byKey.clear();
    this.#names.length = 0;
    for (const node of tables.nodes.values()) {
      if (node.removedAt !== null) continue;
      this.#byName.set(node.name, node.id);
      if (node.trust === 'paired') this.#byKey.set(node.keyFingerprint, node.id);
      this.#names.push(node.name);
    }
    this.#names.sort(byCodePoint);
  }

  /** Names in order. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** How many are trusted, connected or not. */
  get pairedCount(): number {
    return this.#byKey.size;
  }

  isNameTaken(name: string): boolean {
    return this.#byName.has(name);
  }

  byKey(tables: Tables, keyFingerprint: string): NodeRecord | null {
    const id = this.#byKey.get(keyFingerprint);
    return id === undefined ? null : tables.nodes.get(id)!;
  }

  byName(tables: Tables, name: string): NodeRecord | null {
    const id = this.#byName.get(name);
    return id === undefined ? null : tables.nodes.get(id)!;
  }

  /** Exact name, then id, then a unique id prefix of at least 4 characters. Throws NODE_NOT_FOUND or NODE_AMBIGUOUS with the candidates. */
  find(tables: Tables, nameOrId: string): NodeRecord {
    const named = this.byName(tables, nameOrId);
    if (named !== null) return named;
    const exact = tables.nodes.get(nameOrId);
    if (exact !== undefined && exact.removedAt === null) return exact;
    const prefix = nameOrId.startsWith('nod_') ? nameOrId : `nod_${nameOrId}`;
    const matches: NodeRecord[] = [];
    if (prefix.length >= 'nod_'.length + 4) {
      for (const node of tables.nodes.values()) {
        if (node.removedAt === null && node.id.toUpperCase().startsWith(prefix.toUpperCase())) matches.push(node);
      }
    }
    if (matches.length === 1) return matches[0]!;
    if (matches.length === 0)
      throw new PalyraError('NODE_NOT_FOUND', { detail: `"${nameOrId}"`, details: { node: nameOrId } });
    throw new PalyraError('NODE_AMBIGUOUS', {
      detail: matches
        .slice(0, 5)
        .map((node) => `${node.name} (${node.id})`)
        .join(', '),
      details: { candidates: matches.slice(0, 20).map((node) => node.id) },
    });
  }

  add(tx: Transaction, node: NewNode): NodeRecord {
    const record: NodeRecord = {
      id: node.id,
      name: node.name,
      hostname: node.facts.hostname,
      purpose: node.purpose,
      labels: node.labels,
      platform: node.facts.platform,
      arch: node.facts.arch,
      version: node.facts.version,
      protocol: node.facts.protocol,
      keyFingerprint: node.keyFingerprint,
      certificates: [node.certificate],
      trust: 'paired',
      announced: node.facts.capabilities,
      asksThrough: node.facts.asksThrough ?? null,
      granted: node.granted,
      declined: declinedAtFirst(node.facts.capabilities, node.granted),
      ...(node.withheld === undefined || node.withheld.length === 0 ? {} : { withheld: node.withheld }),
      ...((node.ephemeralMs ?? null) === null ? {} : { ephemeralMs: node.ephemeralMs! }),
      ...(node.replaces === undefined ? {} : { replaces: node.replaces }),
      pairedAt: tx.now.wall,
      pairedBy: node.pairedBy,
      removedAt: null,
      storeId: null,
      bootId: null,
      address: node.address,
      lastSeenAt: null,
      connectedAt: null,
      disconnectedAt: null,
      disconnectReason: null,
    };
    tx.put('nodes', record.id, record);
    this.#byName.set(record.name, record.id);
    this.#byKey.set(record.keyFingerprint, record.id);
    insertSorted(this.#names, record.name);
    return record;
  }

  /**
   * A new certificate for a known device: same name, labels and grants. The old ones end after the grace. `keyFingerprint` names the key it is for, when
   * that is a new one; the caller has made sure that nobody else has it.
   */
  renew(tx: Transaction, node: NodeRecord, certificate: CertificateRecord, keyFingerprint?: string): NodeRecord {
    const acceptedUntil = tx.now.wall + ROTATION_GRACE_MS;
    const kept = node.certificates
      .filter((old) => old.acceptedUntil === null || old.acceptedUntil > tx.now.wall)
      .map((old) => ({ ...old, acceptedUntil: Math.min(old.acceptedUntil ?? acceptedUntil, acceptedUntil) }));
    const certificates = [...kept.slice(1 - MAX_CERTIFICATES), certificate];
    if (keyFingerprint === undefined || keyFingerprint === node.keyFingerprint)
      return tx.set('nodes', node.id, { certificates });
    if (this.#byKey.get(node.keyFingerprint) === node.id) this.#byKey.delete(node.keyFingerprint);
    this.#byKey.set(keyFingerprint, node.id);
    return tx.set('nodes', node.id, { certificates, keyFingerprint });
  }

  /** The newest certificate is in use: the ones it replaced are no longer accepted. */
  used(tx: Transaction, node: NodeRecord, serial: string): NodeRecord {
    const newest = node.certificates.at(-1);
    if (newest?.serial !== serial) return node;
    const isTold = newest.used === true || newest.issuer === undefined;
    if (node.certificates.length < 2 && isTold) return node;
    return tx.set('nodes', node.id, { certificates: [isTold ? newest : { ...newest, used: true }] });
  }

  /** Writes what the machine reports about itself, when it differs. Name, labels, purpose and grants are not its to change. */
  register(tx: Transaction, node: NodeRecord, facts: MachineFacts): NodeRecord {
    const reported = {
      hostname: facts.hostname,
      platform: facts.platform,
      arch: facts.arch,
      version: facts.version,
      protocol: facts.protocol,
      announced: facts.capabilities,
      asksThrough: facts.asksThrough ?? null,
      // Of a row of an older version: what was left out then was left out on purpose.
      declined: node.declined ?? declinedAtFirst(node.announced, node.granted),
    };
    const changed = Object.entries(reported).some(
      ([key, value]) => JSON.stringify(node[key as keyof NodeRecord]) !== JSON.stringify(value),
    );
    if (!changed) return node;
    tx.events.push({ type: 'node.changed', nodeId: node.id, name: node.name });
    return tx.set('nodes', node.id, reported);
  }

  /** Gives the node another name; the old one is free at once. Throws NAME_TAKEN. */
  rename(tx: Transaction, node: NodeRecord, name: string): NodeRecord {
    if (this.isNameTaken(name)) throw new PalyraError('NAME_TAKEN', { detail: `"${name}"`, details: { name } });
    this.#byName.delete(node.name);
    this.#dropName(node.name);
    this.#byName.set(name, node.id);
    insertSorted(this.#names, name);
    return tx.set('nodes', node.id, { name });
  }

  /** Withdraws trust and keeps the row under its name. The key alone no longer gets a certificate. */
  revoke(tx: Transaction, node: NodeRecord): NodeRecord {
    if (this.#byKey.get(node.keyFingerprint) === node.id) this.#byKey.delete(node.keyFingerprint);
    return tx.set('nodes', node.id, { trust: 'revoked', revokedAt: tx.now.wall });
  }

  /** Trusts it again with the certificates it had. Throws NAME_TAKEN. The caller has made sure that nobody else has its key. */
  restore(tx: Transaction, node: NodeRecord, name: string): NodeRecord {
    const holder = this.#byName.get(name);
    if (holder !== undefined && holder !== node.id) {
      throw new PalyraError('NAME_TAKEN', { detail: `"${name}"`, details: { name } });
    }
    if (node.removedAt === null && name !== node.name) this.rename(tx, node, name);
    else if (node.removedAt !== null) insertSorted(this.#names, name);
    this.#byName.set(name, node.id);
    this.#byKey.set(node.keyFingerprint, node.id);
    return tx.set('nodes', node.id, {
      ...{ name, trust: 'paired', removedAt: null, revokedAt: null },
      replacedBy: null,
      restoredAt: tx.now.wall,
    });
  }

  /** Withdraws trust and forgets the machine; the row stays, so that the machine can be told why. The name is free at once. */
  remove(tx: Transaction, node: NodeRecord): NodeRecord {
    this.#byName.delete(node.name);
    if (this.#byKey.get(node.keyFingerprint) === node.id) this.#byKey.delete(node.keyFingerprint);
    this.#dropName(node.name);
    return tx.set('nodes', node.id, { trust: 'revoked', removedAt: tx.now.wall });
  }

  /**
   * Checks a certificate against the allow list of its device. Throws NODE_REVOKED when the machine was removed or revoked, CERTIFICATE_REVOKED when the device or the
   * serial is unknown or was replaced longer ago than the grace.
   */
  authenticate(tables: Tables, deviceId: string, serial: string, wall: number): NodeRecord {
    const node = this.trusted(tables, deviceId);
    const certificate = node.certificates.find((candidate) => candidate.serial === serial);
    if (certificate === undefined || (certificate.acceptedUntil !== null && certificate.acceptedUntil <= wall)) {
      throw new PalyraError('CERTIFICATE_REVOKED', { detail: 'the certificate was replaced or withdrawn' });
    }
    return node;
  }

  /** The device, as long as it is trusted. Throws NODE_REVOKED, and CERTIFICATE_REVOKED for one that nobody knows. */
  trusted(tables: Tables, deviceId: string): NodeRecord {
    const node = tables.nodes.get(deviceId);
    if (node === undefined)
      throw new PalyraError('CERTIFICATE_REVOKED', { detail: 'the daemon does not know this device' });
    if (node.trust !== 'revoked') return node;
    throw new PalyraError('NODE_REVOKED', {
      detail: `"${node.name}" was ${node.removedAt === null ? 'revoked' : 'removed'}`,
      details: { node: node.name },
    });
  }

  #dropName(name: string): void {
    const index = this.#names.indexOf(name);
    if (index >= 0) this.#names.splice(index, 1);
  }
}

/** What may be used: announced ∩ granted, sorted. */
export function usableCapabilities(node: NodeRecord): string[] {
  const granted = new Set(node.granted);
  return node.announced
    .map((descriptor) => descriptor.name)
    .filter((name) => granted.has(name))
    .sort(byCodePoint);
}

export function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function insertSorted(names: string[], name: string): void {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (names[middle]! < name) low = middle + 1;
    else high = middle;
  }
  names.splice(low, 0, name);
}
