/**
 * Decisions of the daemon as audit entries: what an invite's policy or a time limit decided, and what followed from an answer of a person. Requests have their
 * own entries, written where they come in; what a dispatch came to is the mailbox's to keep.
 */
import type { AuditDraft } from '../base/audit-chain.js';
import type { Log } from '../base/log.js';
import { readCertificate } from '../identity/certificate.js';
import type { RuntimeEvent } from '../runtime/events.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import type { Auditor } from './auditor.js';

type Decision = Pick<AuditDraft, 'action' | 'target'> & { readonly by: string };

/** The returned function ends it. Entries are queued in the order of the events, before whoever caused them is answered. */
export function auditEvents(runtime: NodeRuntime, auditor: Auditor, log: Log): () => void {
  return runtime.events.subscribe(({ event }) => {
    for (const { by, ...decision } of decisionsOf(event, runtime)) {
      const actor = { kind: by === 'invite' ? 'invite' : 'daemon', name: by, credential: 'none' } as const;
      const origin = { listener: 'internal', address: 'local' } as const;
      auditor.write({ ...decision, actor, origin, outcome: 'ok', requestId: null }).catch((error: unknown) => {
        log.error('a decision could not be written to the audit log', { action: decision.action, err: error });
      });
    }
  });
}

function decisionsOf(event: RuntimeEvent, runtime: NodeRuntime): Decision[] {
  switch (event.type) {
    case 'approval.decided': {
      if (event.kind !== 'join') {
        const target = { request: event.approvalId };
        return [{ action: `${event.kind}.${event.state}`, target, by: event.by }];
      }
      const record = runtime.approval(event.approvalId);
      const { id, inviteId, nodeId, certificate, requestedName, keyFingerprint, replaced } = record;
      const target = {
        request: id,
        name: nodeId === null ? (requestedName ?? '') : runtime.nodeName(nodeId),
        ...(nodeId === null ? {} : { node: nodeId }),
        ...(inviteId === null ? {} : { invite: inviteId }),
        ...(replaced === undefined ? {} : { replaces: replaced.nodeId }),
      };
      const decided = { action: `pairing.${event.state}`, target: { ...target, keyFingerprint }, by: event.by };
      if (certificate === null) return [decided];
      const { serial, fingerprint } = readCertificate(certificate);
      return [decided, { action: 'certificate.issued', target: { ...target, serial, fingerprint }, by: event.by }];
    }
    case 'approval.requested':
      return [
        {
          action: event.kind === 'join' ? 'pairing.requested' : `${event.kind}.requested`,
          target: { request: event.approvalId, name: event.name, address: event.address },
          by: event.kind === 'join' ? 'invite' : 'runtime',
        },
      ];
    case 'invite.changed': {
      const { id, state, uses, redeemedBy, replaces } = runtime.invites.view(event.inviteId);
      const last = redeemedBy.at(-1);
      if (state === 'revoked' || last === undefined) return [];
      const redeemed = { invite: id, node: last.nodeId, name: last.name, usesLeft: uses.left };
      const target = { ...redeemed, ...(replaces === null ? {} : { replaces: replaces.nodeId }) };
      return [{ action: 'invite.redeemed', target, by: 'invite' }];
    }
    case 'node.restored':
      return [{ action: 'node.restored', target: { node: event.nodeId, name: event.name }, by: event.by }];
    case 'node.revoked':
      return [{ action: 'node.revoked', target: { node: event.nodeId, name: event.name }, by: event.by }];
    case 'node.removed': {
      const { nodeId, name, replacedBy } = event;
      const target = { node: nodeId, name, ...(replacedBy === undefined ? {} : { replacedBy }) };
      return [{ action: 'node.revoked', target, by: event.by }];
    }
    case 'dispatch.late-result':
      return [
        {
          action: 'dispatch.late-result',
          target: { dispatch: event.dispatchId, node: event.nodeId, name: runtime.nodeName(event.nodeId) },
          by: 'runtime',
        },
      ];
    default:
      return [];
  }
}
