/** What the rules of pairing decide over beside the rows: who is paired, who asks, and who signs. */
import type { Registry } from './registry.js';
import type { Tables } from './state.js';
import type { ApprovalRecord } from '../base/model.js';

export interface IssuedCertificate {
  readonly certificatePem: string;
  readonly serial: string;
  readonly fingerprint: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Signs node certificates; `identity/authority.ts` behind a port. Must be synchronous: signing is part of the decision. */
export interface CertificateIssuer {
  issueNode(request: { readonly deviceId: string; readonly spki: Buffer; readonly now: number }): IssuedCertificate;
}

/** Live requests by device key: one each. Rebuilt from the rows at start. */
export class PendingRequests {
  readonly #idByKey = new Map<string, string>();

  rebuild(tables: Tables): void {
    this.#idByKey.clear();
    for (const approval of tables.approvals.values()) {
      if (approval.state === 'pending') this.#idByKey.set(approval.keyFingerprint, approval.id);
    }
  }

  get count(): number {
    return this.#idByKey.size;
  }

  byKey(tables: Tables, keyFingerprint: string): ApprovalRecord | null {
    const id = this.#idByKey.get(keyFingerprint);
    return id === undefined ? null : tables.approvals.get(id)!;
  }

  add(approval: ApprovalRecord): void {
    this.#idByKey.set(approval.keyFingerprint, approval.id);
  }

  remove(approval: ApprovalRecord): void {
    this.#idByKey.delete(approval.keyFingerprint);
  }
}

/** What the rules of this module decide over, beside the rows. */
export interface PairingContext {
  readonly registry: Registry;
  readonly pending: PendingRequests;
  readonly issuer: CertificateIssuer;
}
