/**
 * The link's messages between protobuf and `base/link-messages`. `to…` reads what a peer sent and refuses with MESSAGE_INVALID whatever the protocol does
 * not allow; `from…` writes ours. For every message we can write, reading gives the same back.
 *
 * Says nothing about sense: whether an id exists, a fence matches or a state may follow another is decided in `runtime` and in the node's outbox.
 */
import type { DownMessage, RejectCause, UpMessage } from '../../base/link-messages.js';
import { MAX_AUTHORITIES, MAX_DISPATCHES, PROGRESS_LIMITS } from '../../base/link-limits.js';
import { fromFence, fromOffer, fromResult, toFence, toId, toIdAndAttempt, toOffer, toResult } from './convert-run.js';
import { fromAway, fromHello, fromWelcome, toAway, toHello, toWelcome } from './convert-session.js';
import { toChannel } from './convert-facts.js';
import {
  EnumTable,
  invalid,
  readJsonText,
  readLine,
  readList,
  readText,
  readWhole,
  writeText,
} from '../../base/fields.js';
import {
  type CapabilityAwaitingLocalMediation,
  type DaemonMessage,
  KnownState,
  type NodeEvent,
  RejectCause as WireRejectCause,
} from './generated/palyra/node/v1/node.js';

export { fromDescriptor, fromFacts, toDescriptor, toFacts } from './convert-facts.js';

/** The longest deadline there is: a day. */
const MAX_MEDIATION_MS = 86_400_000;

const rejectCauses = new EnumTable<WireRejectCause, RejectCause>('rejected.cause', {
  busy: WireRejectCause.REJECT_CAUSE_BUSY,
  'unknown-capability': WireRejectCause.REJECT_CAUSE_UNKNOWN_CAPABILITY,
  'invalid-input': WireRejectCause.REJECT_CAUSE_INVALID_INPUT,
  'past-deadline': WireRejectCause.REJECT_CAUSE_PAST_DEADLINE,
  stopping: WireRejectCause.REJECT_CAUSE_STOPPING,
});

// ── Node to daemon ───────────────────────────────────────────────────────────

/** Reads a node's event. `device_id` of `node_started` is not looked at: who it is comes from the certificate. */
export function toUpMessage({ event }: NodeEvent): UpMessage {
  switch (event?.$case) {
    case 'nodeStarted':
      return toHello(event.nodeStarted);
    case 'nodeHeartbeat':
      return {
        kind: 'heartbeat',
        active: readList('active', event.nodeHeartbeat.active, MAX_DISPATCHES, toIdAndAttempt),
        ...(event.nodeHeartbeat.away === undefined ? {} : { away: toAway(event.nodeHeartbeat.away) }),
      };
    case 'nodeStopping':
      return { kind: 'stopping', reason: readText('stopping.reason', event.nodeStopping.reason) };
    case 'capabilityReceived':
      return { kind: 'received', ...toFence(event.capabilityReceived.fence) };
    case 'capabilityStarted':
      return { kind: 'started', ...toFence(event.capabilityStarted.fence) };
    case 'capabilityAwaitingLocalMediation':
      return toMediation(event.capabilityAwaitingLocalMediation);
    case 'capabilityProgress': {
      const { fence, progressJson } = event.capabilityProgress;
      return {
        kind: 'progress',
        ...toFence(fence),
        progressJson: readJsonText('progress_json', progressJson, PROGRESS_LIMITS),
      };
    }
    case 'capabilityResult':
      return toResult(event.capabilityResult);
    case 'capabilityRejected': {
      const { fence, cause, message } = event.capabilityRejected;
      return {
        kind: 'rejected',
        ...toFence(fence),
        cause: rejectCauses.read(cause),
        message: readText('rejected.message', message),
      };
    }
    case 'capabilityCancelled':
      return {
        kind: 'cancelled',
        ...toFence(event.capabilityCancelled.fence),
        started: event.capabilityCancelled.started,
      };
    case undefined:
      throw invalid('the event', 'is missing or of a kind this version does not know');
  }
}

function toMediation({ fence, channel, timeLeftMs }: CapabilityAwaitingLocalMediation): UpMessage {
  const known = toChannel(channel);
  const heard = { kind: 'mediation', ...toFence(fence) } as const;
  if (known === null) return heard;
  return {
    ...heard,
    asking: { channel: known, timeLeftMs: readWhole('time_left_ms', timeLeftMs, 1, MAX_MEDIATION_MS) },
  };
}

export function fromUpMessage(message: UpMessage): NodeEvent {
  return { event: toEvent(message) };
}

function toEvent(message: UpMessage): NonNullable<NodeEvent['event']> {
  switch (message.kind) {
    case 'hello':
      return { $case: 'nodeStarted', nodeStarted: fromHello(message) };
    case 'heartbeat': {
      const active = message.active.map((run) => ({ ...run, state: KnownState.KNOWN_STATE_STARTED, alive: true }));
      return { $case: 'nodeHeartbeat', nodeHeartbeat: { active, away: fromAway(message.away) } };
    }
    case 'stopping':
      return { $case: 'nodeStopping', nodeStopping: { reason: writeText(message.reason) } };
    case 'received':
      return { $case: 'capabilityReceived', capabilityReceived: { fence: fromFence(message) } };
    case 'started':
      return { $case: 'capabilityStarted', capabilityStarted: { fence: fromFence(message) } };
    case 'mediation':
      return {
        $case: 'capabilityAwaitingLocalMediation',
        capabilityAwaitingLocalMediation: {
          fence: fromFence(message),
          channel: message.asking?.channel ?? '',
          timeLeftMs: message.asking?.timeLeftMs ?? 0,
        },
      };
    case 'progress': {
      const progressJson = Buffer.from(message.progressJson);
      return { $case: 'capabilityProgress', capabilityProgress: { fence: fromFence(message), progressJson } };
    }
    case 'result':
      return { $case: 'capabilityResult', capabilityResult: fromResult(message) };
    case 'rejected': {
      const cause = rejectCauses.write(message.cause);
      return {
        $case: 'capabilityRejected',
        capabilityRejected: { fence: fromFence(message), cause, message: writeText(message.message) },
      };
    }
    case 'cancelled':
      return {
        $case: 'capabilityCancelled',
        capabilityCancelled: { fence: fromFence(message), started: message.started },
      };
  }
}

// ── Daemon to node ───────────────────────────────────────────────────────────

export function toDownMessage({ message }: DaemonMessage): DownMessage {
  switch (message?.$case) {
    case 'welcome':
      return toWelcome(message.welcome);
    case 'offer':
      return toOffer(message.offer);
    case 'cancel':
      return { kind: 'cancel', ...toIdAndAttempt(message.cancel) };
    case 'resultAck':
      return { kind: 'result_ack', ...toIdAndAttempt(message.resultAck) };
    case 'stale':
      return { kind: 'stale', id: toId(message.stale.id), reason: readText('stale.reason', message.stale.reason) };
    case 'beat':
      return { kind: 'beat', daemonTimeMs: message.beat.daemonTimeMs };
    case 'drain':
      return { kind: 'drain', reason: readText('drain.reason', message.drain.reason) };
    case 'revoked':
      return { kind: 'revoked', message: readText('revoked.message', message.revoked.message) };
    case 'superseded':
      return { kind: 'superseded', bootId: readLine('boot_id', message.superseded.bootId) };
    case 'trustBundle': {
      const { certificates } = message.trustBundle;
      return {
        kind: 'trust_bundle',
        certificates: readList('trust_bundle', certificates, MAX_AUTHORITIES, (pem) => readText('certificate', pem)),
      };
    }
    case undefined:
      throw invalid('the message', 'is missing or of a kind this version does not know');
  }
}

export function fromDownMessage(message: DownMessage): DaemonMessage {
  return { message: toPayload(message) };
}

function toPayload(message: DownMessage): NonNullable<DaemonMessage['message']> {
  switch (message.kind) {
    case 'welcome':
      return { $case: 'welcome', welcome: fromWelcome(message) };
    case 'offer':
      return { $case: 'offer', offer: fromOffer(message) };
    case 'cancel':
      return { $case: 'cancel', cancel: { id: message.id, attempt: message.attempt } };
    case 'result_ack':
      return { $case: 'resultAck', resultAck: { id: message.id, attempt: message.attempt } };
    case 'stale':
      return { $case: 'stale', stale: { id: message.id, reason: writeText(message.reason) } };
    case 'beat':
      return { $case: 'beat', beat: { daemonTimeMs: Math.round(message.daemonTimeMs) } };
    case 'drain':
      return { $case: 'drain', drain: { reason: writeText(message.reason) } };
    case 'revoked':
      return { $case: 'revoked', revoked: { message: writeText(message.message) } };
    case 'superseded':
      return { $case: 'superseded', superseded: { bootId: message.bootId } };
    case 'trust_bundle':
      return { $case: 'trustBundle', trustBundle: { certificates: message.certificates.map(writeText) } };
  }
}
