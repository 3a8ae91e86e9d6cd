/**
 * The numbers of a polled session, seen from the node: which events were sent, which of them the daemon has, which messages came.
 *
 *   events   1 … acknowledged │ acknowledged+1 … sent │ sent+1 … (waiting)
 *
 * Go-back-N: when a call fails or an answer shows a hole, everything after the last acknowledged event is sent again. It decides; it calls nobody.
 * What is kept is bounded by the sender: a node has at most 16 dispatches at work, and leaves out progress while `congested`.
 */
import type { DownMessage, UpMessage } from '../../base/link-messages.js';
import { fromUpMessage, toDownMessage } from '../../wire/grpc/convert.js';
import type { CapabilityResult, DaemonMessage, NodeEvent } from '../../wire/grpc/generated/palyra/node/v1/node.js';

/** A result above this goes alone, so that small events do not wait behind it in one call. */
export const LARGE_RESULT_BYTES = 64 * 1024;
/** Of one call; half of what the wire allows. */
const CALL_BYTES = 512 * 1024;
const CALL_EVENTS = 512;
const CONGESTED_BYTES = 1024 * 1024;
const EVENT_BYTES = 256;

interface Kept {
  readonly event: NodeEvent;
  readonly bytes: number;
}

export interface Batch {
  readonly firstSeq: number;
  readonly events: NodeEvent[];
}

export class PollWindow {
  /** From `#acknowledged + 1` on. */
  readonly #kept: Kept[] = [];
  #bytes = 0;
  #acknowledged = 0;
  #sent = 0;
  #have = 0;

  push(message: UpMessage): void {
    const kept = { event: fromUpMessage(message), bytes: bytesOf(message) };
    this.#kept.push(kept);
    this.#bytes += kept.bytes;
  }

  get congested(): boolean {
    return this.#bytes > CONGESTED_BYTES;
  }

  /** Highest number down to which every message is here. */
  get have(): number {
    return this.#have;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** The number of the last event that was sent. */
  get sent(): number {
    return this.#sent;
  }

  get hasUnsent(): boolean {
    return this.#sent < this.#acknowledged + this.#kept.length;
  }

  /** The next event, when it is a result that goes alone; counts as sent. */
  takeLarge(): { readonly seq: number; readonly result: CapabilityResult } | null {
    const next = this.#kept[this.#sent - this.#acknowledged];
    if (next === undefined || !isLarge(next) || next.event.event?.$case !== 'capabilityResult') return null;
    this.#sent += 1;
    return { seq: this.#sent, result: next.event.event.capabilityResult };
  }

  /** As many of the next events as fit in one call, up to a large result; they count as sent. */
  takeBatch(): Batch {
    const firstSeq = this.#sent + 1;
    const events: NodeEvent[] = [];
    let bytes = 0;
    for (const kept of this.#kept.slice(this.#sent - this.#acknowledged)) {
      bytes += kept.bytes;
      if (isLarge(kept) || bytes > CALL_BYTES || events.length === CALL_EVENTS) break;
      events.push(kept.event);
    }
    this.#sent += events.length;
    return { firstSeq, events };
  }

  /** An answer to a call whose last event was `last`. */
  acknowledge(ack: number, last: number): void {
    while (this.#acknowledged < ack && this.#kept.length > 0) {
      this.#acknowledged += 1;
      this.#bytes -= this.#kept.shift()!.bytes;
    }
    this.#sent = Math.max(this.#sent, this.#acknowledged);
    if (last > this.#acknowledged) this.rewind();
  }

  /** What is not acknowledged counts as not sent. */
  rewind(): void {
    this.#sent = this.#acknowledged;
  }

  /** The messages that are new, in order. What comes after a hole is left: it comes again. Throws MESSAGE_INVALID. */
  receive(firstSeq: number, messages: readonly DaemonMessage[]): DownMessage[] {
    if (firstSeq > this.#have + 1) return [];
    const fresh = messages.slice(this.#have + 1 - firstSeq).map(toDownMessage);
    this.#have += fresh.length;
    return fresh;
  }
}

function isLarge({ event, bytes }: Kept): boolean {
  return bytes > LARGE_RESULT_BYTES && event.event?.$case === 'capabilityResult';
}

function bytesOf(message: UpMessage): number {
  switch (message.kind) {
    case 'hello':
      return EVENT_BYTES + 64 * message.known.length;
    case 'heartbeat':
      return EVENT_BYTES + 64 * message.active.length;
    case 'progress':
      return EVENT_BYTES + Buffer.byteLength(message.progressJson);
    case 'result':
      return EVENT_BYTES + Buffer.byteLength(message.outputJson ?? '') + (message.error?.message.length ?? 0);
    default:
      return EVENT_BYTES;
  }
}
