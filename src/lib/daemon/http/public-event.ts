/** Events of the domain as the API tells them. Null for one about a node that is already forgotten: only a fresh snapshot can tell the truth then. */
import { toTimestamp } from '../../base/clock.js';
import type { NodeView } from '../../base/model.js';
import type { RuntimeEvent, StampedEvent } from '../../runtime/events.js';
import type { NodeChange } from '../../wire/http/event-schemas.js';
import { formatPosition } from '../../wire/http/event-stream.js';

export type ViewOf = (nodeId: string) => NodeView | null;

/** Fields of one event, the envelope included; `type` names the message. */
export type PublicFields = { readonly type: string; readonly id: string } & Readonly<Record<string, unknown>>;

export function toPublicEvent({ seq, at, event }: StampedEvent, boot: number, viewOf: ViewOf): PublicFields | null {
  const fields = fieldsOf(event, viewOf);
  if (fields === null) return null;
  const { type, ...rest } = fields;
  return { type, id: formatPosition({ boot, seq }), seq, at: toTimestamp(at), ...rest };
}

function fieldsOf(
  event: RuntimeEvent,
  viewOf: ViewOf,
): ({ readonly type: string } & Readonly<Record<string, unknown>>) | null {
  const node = (nodeId: string, change: NodeChange, by: string | null = null) => {
    const view = viewOf(nodeId);
    return view === null ? null : { type: 'node', change, node: view, by };
  };
  switch (event.type) {
    case 'node.joined':
      return node(event.nodeId, 'joined', event.by);
    case 'node.online':
    case 'node.offline':
    case 'node.presence':
      return node(event.nodeId, 'presence');
    case 'node.changed':
      return node(event.nodeId, 'facts');
    case 'node.renamed':
      return node(event.nodeId, 'renamed', event.by);
    case 'node.labelled':
      return node(event.nodeId, 'labels', event.by);
    case 'node.renewed':
      return node(event.nodeId, 'certificate');
    case 'node.revoked':
      return node(event.nodeId, 'revoked', event.by);
    case 'node.restored':
      return node(event.nodeId, 'restored', event.by);
    case 'node.removed':
      return node(event.nodeId, 'removed', event.by);
    case 'invite.created':
      return { type: 'invite', change: 'created', invite: event.inviteId, by: event.by };
    case 'invite.changed':
      return { type: 'invite', change: 'changed', invite: event.inviteId, by: null };
    case 'approval.requested': {
      const { approvalId, kind, name, address } = event;
      const asked = { state: 'pending', name, address, by: null };
      return { type: 'approval', change: 'requested', approval: approvalId, kind, ...asked };
    }
    case 'approval.decided': {
      const { approvalId, kind, state, by } = event;
      const decided = { state, name: null, address: null, by };
      return { type: 'approval', change: 'decided', approval: approvalId, kind, ...decided };
    }
    case 'pairing.refused':
      return { type: 'pairing', change: 'refused', address: event.address, failures: event.failures };
    case 'dispatch.changed': {
      const { dispatchId, nodeId, capability, state, totalMs, by } = event;
      const name = viewOf(nodeId)?.name ?? nodeId;
      return {
        ...{ type: 'dispatch', change: 'state', dispatch: dispatchId, node: name, nodeId },
        ...{ capability, state, totalMs, by },
      };
    }
    case 'dispatch.late-result': {
      const { dispatchId, nodeId } = event;
      const name = viewOf(nodeId)?.name ?? nodeId;
      return {
        ...{ type: 'dispatch', change: 'late-result', dispatch: dispatchId, node: name, nodeId },
        ...{ capability: null, state: null, totalMs: null, by: null },
      };
    }
  }
}
