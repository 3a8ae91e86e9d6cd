/** What the rules of pairing decide over beside the rows: who is paired, who asks, and who signs. */
import type { Registry } from './registry.js';
import type { Tables } from './state.js';
import type { Transaction } from './transaction.js';
import type { NodeRecord } from '../base/model.js';
import type { ApprovalRecord, CapabilitiesRecord, JoinRecord, LoginRecord, ReplacedNode } from '../base/requests.js';

export interface IssuedCertificate {
  readonly certificatePem: string;
  readonly serial: string;
  readonly fingerprint: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256 of the SubjectPublicKeyInfo of the CA that made it. */
  readonly issuer?: string;
}

/** Signs node certificates; `identity/authority.ts` behind a port. Must be synchronous: signing is part of the decision. */
export interface CertificateIssuer {
  issueNode(request: { readonly deviceId: string; readonly spki: Buffer; readonly now: number }): IssuedCertificate;
}

/** What becomes of a node whose place is taken; `removal.ts` behind a port. */
export interface NodeRemoval {
  /** As it is seen now. */
  describe(node: NodeRecord): ReplacedNode;
  remove(tx: Transaction, node: NodeRecord, by: string, replacedBy: string): void;
}

/** Live requests of every kind by who asks: one each. Rebuilt from the rows at start. */
export class PendingRequests {
  readonly #idByKey = new Map<string, string>();

  rebuild(tables: Tables): void {
    this.#idByKey.clear();
    for (const approval of tables.approvals.values()) {
      if (approval.state === 'pending') this.#idByKey.set(keyOf(approval), approval.id);
    }
  }

  get count(): number {
    return this.#idByKey.size;
  }

  /** How many machines ask. */
  joins(tables: Tables): number {
    return [...this.#idByKey.values()].filter((id) => tables.approvals.get(id)!.kind === 'join').length;
  }

  /** Those that can still be answered: what time has ended is not swept at once. */
  live(tables: Tables, wall: number): ApprovalRecord[] {
    return [...this.#idByKey.values()]
      .map((id) => tables.approvals.get(id)!)
      .filter(({ expiresAt }) => expiresAt > wall);
  }

  byKey(tables: Tables, keyFingerprint: string): JoinRecord | null {
    return this.#by(tables, keyFingerprint) as JoinRecord | null;
  }

  byNode(tables: Tables, nodeId: string): CapabilitiesRecord | null {
    return this.#by(tables, NODE_KEY + nodeId) as CapabilitiesRecord | null;
  }

  /** Of machines and programs that nobody knows yet; those of nodes are one each and take no room from them. */
  strangers(tables: Tables): number {
    return [...this.#idByKey.values()].filter((id) => tables.approvals.get(id)!.kind !== 'capabilities').length;
  }

  byClaim(tables: Tables, claimHash: string): LoginRecord | null {
    return this.#by(tables, LOGIN_KEY + claimHash) as LoginRecord | null;
  }

  add(approval: ApprovalRecord): void {
    this.#idByKey.set(keyOf(approval), approval.id);
  }

  remove(approval: ApprovalRecord): void {
    this.#idByKey.delete(keyOf(approval));
  }

  #by(tables: Tables, key: string): ApprovalRecord | null {
    const id = this.#idByKey.get(key);
    return id === undefined ? null : tables.approvals.get(id)!;
  }
}

const LOGIN_KEY = 'login ';
const NODE_KEY = 'node ';

/** A device key is hex, so the kinds never meet. */
function keyOf(approval: ApprovalRecord): string {
  if (approval.kind === 'capabilities') return NODE_KEY + approval.nodeId;
  return approval.kind === 'join' ? approval.keyFingerprint : LOGIN_KEY + approval.claimHash;
}

/** What the rules of this module decide over, beside the rows. */
export interface PairingContext {
  readonly registry: Registry;
  readonly pending: PendingRequests;
  readonly issuer: CertificateIssuer;
  readonly removal: NodeRemoval;
}
