/**
 * Tells the log what happened, in the words of people who read logs: machines that join, come and go, dispatches that end, codes that were wrong.
 * Facts only: ids, names, addresses, times. Never a code, an input or an output.
 */
import type { Log } from '../base/log.js';
import { TERMINAL_STATES } from '../base/model.js';
import { FAILURES_PER_ADDRESS } from '../runtime/invites.js';
import type { RuntimeEvent, StampedEvent } from '../runtime/events.js';

interface EventSource {
  subscribe(listener: (event: StampedEvent) => void): () => void;
}

const ASKS = { join: 'asks to join', login: 'asks to log in', capabilities: 'wants to do more' } as const;

/** The returned function ends it. */
export function logEvents(events: EventSource, log: Log, nameOf: (nodeId: string) => string): () => void {
  const scopes = { node: log.scope('node'), pairing: log.scope('pairing'), dispatch: log.scope('dispatch') };
  return events.subscribe(({ event }) => write(scopes, event, nameOf));
}

function write(
  { node, pairing, dispatch }: { node: Log; pairing: Log; dispatch: Log },
  event: RuntimeEvent,
  nameOf: (nodeId: string) => string,
): void {
  switch (event.type) {
    case 'node.joined':
      pairing.info(`${event.name} joined from ${event.address}`, {
        node: event.name,
        nodeId: event.nodeId,
        by: event.by,
      });
      return;
    case 'node.online':
      node.info(`${event.name} online`, { node: event.name, address: event.address });
      return;
    case 'node.offline':
      node.info(`${event.name} offline (${event.reason})`, { node: event.name, reason: event.reason });
      return;
    case 'node.changed':
      node.info(`${event.name} reports something new about itself`, { node: event.name });
      return;
    case 'node.presence':
      node.info(`${event.name} ${event.presence}`, { node: event.name, presence: event.presence });
      return;
    case 'node.renamed':
      node.info(`${event.from} renamed to ${event.name} by ${event.by}`, { node: event.name, from: event.from });
      return;
    case 'node.labelled':
      node.info(`${event.name} labelled by ${event.by}`, { node: event.name, by: event.by });
      return;
    case 'node.renewed':
      pairing.info(`${event.name} has a new certificate`, { node: event.name, nodeId: event.nodeId });
      return;
    case 'node.revoked':
    case 'node.restored': {
      const what = event.type === 'node.revoked' ? 'revoked' : 'restored';
      node.warn(`${event.name} ${what} by ${event.by}`, { node: event.name, nodeId: event.nodeId, by: event.by });
      return;
    }
    case 'node.removed':
      node.warn(`${event.name} removed by ${event.by}`, { node: event.name, nodeId: event.nodeId, by: event.by });
      return;
    case 'invite.created':
      pairing.info(`invite ${event.inviteId} made by ${event.by}`, { invite: event.inviteId, by: event.by });
      return;
    case 'approval.requested':
      pairing.info(`${event.name} ${ASKS[event.kind]} from ${event.address}`, {
        request: event.approvalId,
        address: event.address,
      });
      return;
    case 'approval.decided':
      pairing.info(`request ${event.approvalId} ${event.state} by ${event.by}`, {
        request: event.approvalId,
        by: event.by,
      });
      return;
    case 'pairing.refused':
      pairing.warn(`wrong code from ${event.address} (${event.failures} of ${FAILURES_PER_ADDRESS})`, {
        address: event.address,
        failures: event.failures,
      });
      return;
    case 'dispatch.changed': {
      if (!(TERMINAL_STATES as readonly string[]).includes(event.state)) return;
      const name = nameOf(event.nodeId);
      dispatch.info(`${event.capability} on ${name}: ${event.state} ${event.totalMs ?? 0} ms (${event.by})`, {
        dispatch: event.dispatchId,
        node: name,
        state: event.state,
        ms: event.totalMs,
        by: event.by,
      });
      return;
    }
    case 'dispatch.late-result':
      dispatch.warn('a result came after the dispatch was over; it is not its outcome', {
        dispatch: event.dispatchId,
        node: nameOf(event.nodeId),
      });
      return;
    case 'invite.changed':
      return;
  }
}
