/**
 * What happened, in order, for logs and live views. A bounded window is kept in memory: who asks for older events is told that there is a gap and
 * takes a fresh snapshot instead. Events are facts about durable state; they are published after the write, never before.
 */
import type { ApprovalKind } from '../base/requests.js';
import type { DispatchStateName, Presence } from '../base/model.js';

export type RuntimeEvent =
  | {
      readonly type: 'node.joined';
      readonly nodeId: string;
      readonly name: string;
      readonly address: string;
      readonly by: string;
      /** Id of the node whose place it took. */
      readonly replaces?: string;
    }
  | { readonly type: 'node.online'; readonly nodeId: string; readonly name: string; readonly address: string }
  | { readonly type: 'node.offline'; readonly nodeId: string; readonly name: string; readonly reason: string }
  | { readonly type: 'node.changed'; readonly nodeId: string; readonly name: string }
  | { readonly type: 'node.presence'; readonly nodeId: string; readonly name: string; readonly presence: Presence }
  | {
      readonly type: 'node.renamed';
      readonly nodeId: string;
      readonly name: string;
      readonly from: string;
      readonly by: string;
    }
  | { readonly type: 'node.labelled'; readonly nodeId: string; readonly name: string; readonly by: string }
  | { readonly type: 'node.renewed'; readonly nodeId: string; readonly name: string }
  | { readonly type: 'node.revoked'; readonly nodeId: string; readonly name: string; readonly by: string }
  | { readonly type: 'node.restored'; readonly nodeId: string; readonly name: string; readonly by: string }
  | {
      readonly type: 'node.removed';
      readonly nodeId: string;
      readonly name: string;
      readonly by: string;
      /** Id of the node that took its place. */
      readonly replacedBy?: string;
    }
  | { readonly type: 'invite.created'; readonly inviteId: string; readonly by: string }
  | { readonly type: 'invite.changed'; readonly inviteId: string }
  | {
      readonly type: 'approval.requested';
      readonly approvalId: string;
      readonly kind: ApprovalKind;
      readonly name: string;
      readonly address: string;
    }
  | {
      readonly type: 'approval.decided';
      readonly approvalId: string;
      readonly kind: ApprovalKind;
      readonly state: string;
      readonly by: string;
    }
  | { readonly type: 'pairing.refused'; readonly address: string; readonly failures: number }
  | {
      readonly type: 'dispatch.changed';
      readonly dispatchId: string;
      readonly nodeId: string;
      readonly capability: string;
      readonly state: DispatchStateName;
      readonly totalMs: number | null;
      readonly by: string;
    }
  | { readonly type: 'dispatch.late-result'; readonly dispatchId: string; readonly nodeId: string };

export interface StampedEvent {
  /** Starts at 1 with every start of the daemon, without holes. */
  readonly seq: number;
  /** Wall time, milliseconds. */
  readonly at: number;
  readonly event: RuntimeEvent;
}

/** How many events are kept: a few minutes of a busy daemon, a megabyte at most. */
const WINDOW = 4096;

export class EventLog {
  readonly #window: StampedEvent[] = [];
  readonly #listeners = new Set<(event: StampedEvent) => void>();
  #seq = 0;

  get seq(): number {
    return this.#seq;
  }

  publish(event: RuntimeEvent, at: number): void {
    const stamped = { seq: ++this.#seq, at, event };
    this.#window.push(stamped);
    // Cutting half at once keeps the cost of a full window constant per event.
    if (this.#window.length > 2 * WINDOW) this.#window.splice(0, WINDOW);
    for (const listener of this.#listeners) listener(stamped);
  }

  /** Events after `seq`, or null when some of them are no longer kept. */
  since(seq: number): readonly StampedEvent[] | null {
    const oldest = this.#window[0]?.seq ?? this.#seq + 1;
    if (seq + 1 < oldest || seq > this.#seq) return null;
    return this.#window.slice(seq + 1 - oldest);
  }

  /** Calls `listener` for every later event; the returned function ends that. */
  subscribe(listener: (event: StampedEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
