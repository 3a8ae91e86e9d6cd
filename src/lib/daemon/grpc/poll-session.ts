/**
 * One polled session as a link of the runtime: numbered both ways, so that a repeated call or a lost answer loses and doubles nothing.
 *
 *   opening ──welcome──► open ──► ended (remembered for a while: the last answer may have to be given again)
 *                         └── node finishes or leaves, no call within the lease, bad message, too much unacknowledged, close
 *
 * Invariants: event n is taken once, after n-1; a message is kept until the node acknowledges it, and every answer has all that are not acknowledged,
 * as far as they fit. Only the newest call waits; an older one is answered at once. `closed` is told to the session once, and only when the node's side
 * ended it.
 */
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import { SendWindow } from '../../base/send-window.js';
import type { DownMessage, UpMessage } from '../../base/link-messages.js';
import { Deferred } from '../../base/lifecycle.js';
import type { LinkSession, LinkSink } from '../../runtime/runtime.js';
import { fromDownMessage, toUpMessage } from '../../wire/grpc/convert.js';
import type {
  CompleteCapabilityRequest,
  CompleteCapabilityResponse,
  DaemonMessage,
  NodeEvent,
  PollCapabilityRequest,
  PollCapabilityResponse,
} from '../../wire/grpc/generated/palyra/node/v1/node.js';
import {
  approximateBytes,
  closeError,
  HARD_OUTBOUND_BYTES,
  MAX_UNACKNOWLEDGED,
  type CloseReason,
} from '../link-carrier.js';

/** The longest a call waits: what stands between a node and its daemon cuts idle calls after a minute, mostly. */
export const MAX_WAIT_MS = 30_000;
/** From the first call to the welcome, which then says what the lease is. */
const FIRST_LEASE_MS = 15_000;
/** Of one answer. Any message fits alone; the limit of the wire is 1 MiB. */
const ANSWER_BYTES = 768 * 1024;
/** A node has at most 16 dispatches at work. */
const MAX_SAID = 64;

/** Calls `listener` once when nobody waits for the answer of a call any more. */
export type OnCancelled = (listener: () => void) => void;

export interface PollSessionDeps {
  readonly clock: Clock;
  /** Opens the session with the runtime, which answers through the sink. */
  open(session: PollSession): Promise<LinkSession>;
  onEnded(): void;
}

export class PollSession implements LinkSink {
  readonly transport = 'poll';
  /** Since when no call waits here and none came. */
  uncarriedSince: number | null = null;
  readonly #deps: PollSessionDeps;
  readonly #opened: Promise<void>;
  /** The hello is the first. */
  #taken = 1;
  readonly #window = new SendWindow<DaemonMessage>();
  #leaseMs = FIRST_LEASE_MS;
  #session: LinkSession | null = null;
  #saidStopping = false;
  #ended = false;
  #end: PalyraError | null = null;
  #release: () => void = () => undefined;
  #waiting = false;
  #cancelLease: () => void = () => undefined;
  /** The last outcomes said, for a call that asks again. */
  readonly #said = new Map<string, DaemonMessage['message']>();
  readonly #completing = new Set<{
    readonly id: string;
    readonly settled: Deferred<DaemonMessage['message'] | null>;
  }>();

  constructor(deps: PollSessionDeps) {
    this.#deps = deps;
    this.#opened = this.#open();
    this.#opened.catch(() => undefined);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Keeps a message until the node has it. */
  send(message: DownMessage): void {
    if (this.#ended) return;
    if (message.kind === 'welcome') this.#leaseMs = message.leaseMs;
    const sent = fromDownMessage(message);
    this.#window.push(sent, approximateBytes(message));
    if (message.kind === 'result_ack' || message.kind === 'stale') this.#tellOutcome(message.id, sent);
    if (this.#window.bytes > HARD_OUTBOUND_BYTES || this.#window.length > MAX_UNACKNOWLEDGED) {
      this.#fail(new PalyraError('RATE_LIMITED', { detail: 'the node does not take what it is sent' }));
    }
    // What is sent in one turn leaves in one answer.
    else if (this.#waiting) queueMicrotask(() => this.#release());
  }

  /** The runtime is done with this link; the session is not told again. */
  close(reason: CloseReason): void {
    this.end(closeError(reason));
  }

  /** Ends it; the node is told after what was sent. */
  end(error: PalyraError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#end = error;
    this.#cancelLease();
    for (const { settled } of this.#completing) settled.resolve(null);
    this.#release();
    this.#deps.onEnded();
  }

  /** Forgets it without a word. */
  drop(): void {
    this.#lost();
    this.#forget();
  }

  /** Throws what `open` throws, and MESSAGE_INVALID. */
  async poll(request: PollCapabilityRequest, onCancelled: OnCancelled): Promise<PollCapabilityResponse> {
    await this.#opened;
    this.#acknowledge(request.ack);
    if (request.leave) this.drop();
    const complete = this.#take(request.firstSeq, request.events);
    if (request.finish && complete) this.#lost();
    const waitMs = Math.min(request.waitMs, MAX_WAIT_MS);
    this.#release();
    if (complete && waitMs > 0 && !this.#ended && this.#window.length === 0) await this.#wait(waitMs, onCancelled);
    return this.#answer();
  }

  /** Resolves when the result is durable, the session ended, or after `MAX_WAIT_MS`. Throws like `poll`. */
  async complete(request: CompleteCapabilityRequest, onCancelled: OnCancelled): Promise<CompleteCapabilityResponse> {
    await this.#opened;
    const { seq, result } = request;
    const id = result?.fence?.id ?? '';
    if (result === undefined) this.#fail(new PalyraError('MESSAGE_INVALID', { detail: 'result is missing' }), true);
    if (this.#ended || seq > this.#taken + 1) return { ack: this.#taken, outcome: undefined };
    const entry = { id, settled: new Deferred<DaemonMessage['message'] | null>() };
    this.#completing.add(entry);
    const giveUp = () => entry.settled.resolve(null);
    const stopTimer = this.#deps.clock.schedule(MAX_WAIT_MS, giveUp);
    onCancelled(giveUp);
    try {
      if (seq > this.#taken) {
        this.#take(seq, [{ event: { $case: 'capabilityResult', capabilityResult: result! } }]);
        // So that the call that waits says at once that it came: what follows it is held back until then.
        this.#release();
      }
      const said = this.#said.get(id);
      if (said !== undefined) entry.settled.resolve(said);
      const outcome = await entry.settled.promise;
      if (outcome?.$case === 'resultAck' || outcome?.$case === 'stale') return { ack: this.#taken, outcome };
      return { ack: this.#taken, outcome: undefined };
    } finally {
      stopTimer();
      this.#completing.delete(entry);
    }
  }

  async #open(): Promise<void> {
    try {
      const session = await this.#deps.open(this);
      if (this.#ended) session.closed('lost');
      else this.#session = session;
      this.#armLease();
    } catch (error) {
      this.end(PalyraError.from(error));
      throw error;
    }
  }

  #acknowledge(ack: number): void {
    if (this.#window.acknowledge(ack)) return;
    this.#fail(new PalyraError('MESSAGE_INVALID', { detail: 'ack is of the future' }), true);
  }

  /** Takes what is new of them. False: something before them is missing. */
  #take(firstSeq: number, events: readonly NodeEvent[]): boolean {
    if (firstSeq < 1) this.#fail(new PalyraError('MESSAGE_INVALID', { detail: 'events are numbered from 1' }), true);
    if (firstSeq > this.#taken + 1) return false;
    for (const event of events.slice(this.#taken + 1 - firstSeq)) {
      if (this.#ended) break;
      this.#taken += 1;
      this.#receive(event);
    }
    if (!this.#ended && !this.#waiting) this.#armLease();
    return true;
  }

  #receive(event: NodeEvent): void {
    try {
      const message: UpMessage = toUpMessage(event);
      if (message.kind === 'hello') throw new PalyraError('MESSAGE_INVALID', { detail: 'node_started came twice' });
      if (message.kind === 'stopping') this.#saidStopping = true;
      if (message.kind === 'result') this.#said.delete(message.id);
      this.#session?.receive(message);
    } catch (error) {
      this.#fail(PalyraError.from(error), true);
    }
  }

  #wait(waitMs: number, onCancelled: OnCancelled): Promise<void> {
    return new Promise((resolve) => {
      const release = () => {
        if (this.#release === release) {
          this.#release = () => undefined;
          this.#waiting = false;
          this.#armLease();
        }
        stopTimer();
        resolve();
      };
      const stopTimer = this.#deps.clock.schedule(waitMs, release);
      this.#release = release;
      this.#waiting = true;
      this.uncarriedSince = null;
      this.#cancelLease();
      onCancelled(release);
    });
  }

  #answer(): PollCapabilityResponse {
    const messages: DaemonMessage[] = [];
    let bytes = 0;
    const firstSeq = this.#window.acknowledged + 1;
    for (let sent = this.#window.at(firstSeq); sent !== undefined; sent = this.#window.at(firstSeq + messages.length)) {
      bytes += sent.bytes;
      if (messages.length > 0 && bytes > ANSWER_BYTES) break;
      messages.push(sent.item);
    }
    const last = this.#ended && messages.length === this.#window.length;
    const end = last ? { reason: this.#end?.reason ?? '', detail: this.#end?.detail ?? '' } : undefined;
    return { ack: this.#taken, firstSeq, messages, end };
  }

  #tellOutcome(id: string, { message }: DaemonMessage): void {
    this.#said.set(id, message);
    const [oldest] = this.#said.keys();
    if (this.#said.size > MAX_SAID && oldest !== undefined) this.#said.delete(oldest);
    for (const waiting of this.#completing) if (waiting.id === id) waiting.settled.resolve(message);
  }

  #armLease(): void {
    this.#cancelLease();
    this.uncarriedSince = this.#deps.clock.monotonic();
    if (!this.#ended) this.#cancelLease = this.#deps.clock.schedule(this.#leaseMs, () => this.drop());
  }

  /** The node's side ended it. */
  #lost(error: PalyraError | null = null): void {
    if (this.#ended) return;
    this.#session?.closed(this.#saidStopping ? 'stopped' : 'lost');
    this.end(error);
  }

  #forget(): void {
    this.#window.clear();
  }

  /** Ends it with an error of the node's, which the call that caused it is refused with. */
  #fail(error: PalyraError, duringCall = false): void {
    this.#lost(error);
    this.#forget();
    if (duringCall) throw error;
  }
}
