/**
 * What the node does with the daemon's messages about dispatches: it takes an offer once, runs it, keeps the outcome until the daemon has it, and says so
 * over whatever link is up. Runs outlive links: a lost link stops nothing, the next Hello tells the daemon what still runs.
 *
 *   offer ─► known? ─► slot? ─► capability, input, deadline? ─► (ask the person) ─► journal ─► run ─► journal + send ─► result_ack ─► tombstone
 *               │        └ busy     └ rejected, nothing kept
 *               └ never runs again, but for an idempotent one that a crash of this process cut
 *
 * Always true:
 *   1. An effectful handler starts only after `started` is on disk; an idempotent one may start while it is being written.
 *   2. A handler never starts after the dispatch's deadline, nor after a cancel or a drop.
 */
import type { Clock } from '../base/clock.js';
import { Deferred } from '../base/lifecycle.js';
import type { DownMessage, KnownDispatch, Offer, UpMessage, Welcome } from '../base/link-messages.js';
import type { Log } from '../base/log.js';
import type { JsonValue } from '../base/model.js';
import { admit } from './admission.js';
import type { CapabilityDefinition, NodeFacts } from './capabilities/capability.js';
import type { Catalog } from './capabilities/catalog.js';
import type { Executor, Outcome, Run, Slot } from './executor.js';
import { askInTime, type MediationRequest, type Mediator } from './mediator.js';
import type { Outbox } from './outbox.js';
import type { OutboxEntry } from './outbox-table.js';
import { Reporter } from './reporter.js';

export interface WorkerDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** What is on now. */
  readonly catalog: Pick<Catalog, 'get'>;
  readonly outbox: Outbox;
  readonly executor: Executor;
  readonly mediator: Mediator;
  readonly node: () => NodeFacts;
  /** What the machine allows for a capability, in its patterns. */
  readonly allowed: (capability: string) => readonly string[];
}

/** Messages down that concern dispatches; the session handles the others. */
export type WorkerMessage = Extract<DownMessage, { kind: 'offer' | 'cancel' | 'result_ack' | 'stale' }>;

/** One dispatch this process works on. */
interface Job {
  readonly id: string;
  attempt: number;
  /** Aborts the wait for a person. */
  readonly asking: AbortController;
  run: Run | null;
  cancelled: boolean;
  /** The daemon no longer wants to hear of it. */
  dropped: boolean;
}

export class Worker {
  readonly #deps: WorkerDeps;
  readonly #jobs = new Map<string, Job>();
  readonly #reporter: Reporter;
  #stopping = false;
  #idle: Deferred<void>[] = [];

  constructor(deps: WorkerDeps) {
    this.#deps = deps;
    this.#reporter = new Reporter(deps.clock, deps.outbox);
  }

  /** Handlers at work, for people. */
  get running(): number {
    return this.#jobs.size;
  }

  known(): KnownDispatch[] {
    return this.#deps.outbox.known((id) => this.#jobs.has(id));
  }

  active(): { id: string; attempt: number }[] {
    return [...this.#jobs.values()].map(({ id, attempt }) => ({ id, attempt }));
  }

  /** The link is up and the daemon has answered the Hello. Sends what it asked for and what happened between Hello and Welcome. */
  attach(welcome: Welcome, send: (message: UpMessage) => void): void {
    this.#reporter.attach(welcome.epoch, send);
    for (const id of welcome.drop) this.#drop(id);
    for (const { id, attempt } of welcome.cancel) this.#cancel(id, attempt);
    for (const id of new Set([...welcome.keep, ...welcome.wantResults])) {
      const entry = this.#deps.outbox.get(id);
      if (entry !== undefined) this.#reporter.report(entry);
    }
  }

  /** The link is gone; what is said from now on is said again after the next Welcome. */
  detach(): void {
    this.#reporter.detach();
    this.#checkIdle();
  }

  receive(message: WorkerMessage): void {
    switch (message.kind) {
      case 'offer':
        this.#offer(message);
        return;
      case 'cancel':
        this.#cancel(message.id, message.attempt);
        return;
      case 'result_ack': {
        const entry = this.#deps.outbox.get(message.id);
        if (entry?.phase === 'done') this.#deps.outbox.forget(message.id, true);
        this.#checkIdle();
        return;
      }
      case 'stale':
        this.#deps.log.debug('the daemon no longer wants this dispatch', {
          dispatch: message.id,
          reason: message.reason,
        });
        this.#drop(message.id);
        return;
    }
  }

  /** See `Reporter.resend`. */
  resend(afterMs: number): void {
    this.#reporter.resend(afterMs);
  }

  /** Takes no more offers. Resolves when nothing runs and, while a link is up, every outcome is confirmed. */
  drain(): Promise<void> {
    this.#stopping = true;
    const idle = new Deferred<void>();
    this.#idle.push(idle);
    this.#checkIdle();
    return idle.promise;
  }

  #offer(offer: Offer): void {
    const { catalog, executor, outbox, log, clock } = this.#deps;
    const entry = outbox.get(offer.id);
    if (entry !== undefined && !this.#mayRunAgain(entry, offer)) return;
    const tombstone = outbox.tombstone(offer.id);
    if (tombstone !== undefined && !(tombstone.again && offer.attempt > tombstone.attempt)) {
      log.warn('an offer of a finished dispatch was ignored', { dispatch: offer.id, attempt: offer.attempt });
      return;
    }
    if (this.#stopping) return this.#reporter.reject(offer, 'stopping', 'The node is stopping');
    const admission = admit(offer, catalog);
    if (!admission.admitted) return this.#reporter.reject(offer, admission.cause, admission.message);
    const { definition, input } = admission;
    const slot = executor.take();
    if (slot === null) return this.#reporter.reject(offer, 'busy', 'Every slot of the node is in use');
    const job: Job = {
      id: offer.id,
      attempt: offer.attempt,
      asking: new AbortController(),
      run: null,
      cancelled: false,
      dropped: false,
    };
    this.#jobs.set(job.id, job);
    this.#work(job, offer, definition, input, slot, clock.monotonic() + offer.deadlineInMs).catch((error: unknown) => {
      log.error('a dispatch could not be handled', { dispatch: job.id, err: error });
      this.#end(job, slot);
    });
  }

  /** An offer of something that is known. Answers it with what is known, unless it is the one case that runs again. */
  #mayRunAgain(entry: OutboxEntry, offer: Offer): boolean {
    const { outbox, log } = this.#deps;
    const job = this.#jobs.get(entry.id);
    if (offer.attempt > entry.attempt && entry.phase !== 'done' && job === undefined) {
      if (entry.phase === 'received' || entry.idempotent) return true;
      log.error('the daemon offered an effectful dispatch again that had started; it is not run', {
        dispatch: entry.id,
      });
      return false;
    }
    if (offer.attempt >= entry.attempt) {
      outbox.adopt(entry.id, offer.attempt);
      if (job !== undefined) job.attempt = offer.attempt;
      this.#reporter.report(outbox.get(entry.id)!);
    }
    return false;
  }

  async #work(
    job: Job,
    offer: Offer,
    definition: CapabilityDefinition,
    input: JsonValue,
    slot: Slot,
    deadline: number,
  ): Promise<void> {
    const { clock, outbox } = this.#deps;
    const entry = { id: job.id, attempt: job.attempt, capability: definition.name, idempotent: definition.idempotent };
    if (definition.mediation === 'ask') {
      if (!(await this.#durable(job, offer, outbox.received(entry)))) return this.#end(job, slot);
      const answer = await this.#ask(job, offer, definition, input, deadline - clock.monotonic());
      if (job.dropped) return this.#end(job, slot);
      if (answer !== null && !answer.allowed) return this.#finish(job, slot, denied(answer.error));
      // Not answered: whatever the clock says of the deadline, nobody said yes.
      if (answer === null && !job.cancelled) return this.#tooLate(job, slot);
    }
    if (!job.cancelled && clock.monotonic() < deadline) {
      const written = outbox.started({ ...entry, attempt: job.attempt });
      if (!definition.idempotent) {
        if (!(await this.#durable(job, offer, written))) return this.#end(job, slot);
      } else {
        written.then(
          () => this.#sayStarted(job),
          () => undefined,
        );
      }
    }
    if (job.dropped) return this.#end(job, slot);
    if (job.cancelled) return this.#finish(job, slot, { kind: 'cancelled', started: false });
    const timeLeft = deadline - clock.monotonic();
    if (timeLeft <= 0) return this.#tooLate(job, slot);
    const timeoutMs = Math.max(1, Math.min(offer.runTimeoutMs, definition.executionTimeoutMs, timeLeft));
    job.run = slot.run({
      definition,
      input,
      timeoutMs,
      node: this.#deps.node,
      allowed: this.#deps.allowed(definition.name),
      onProgress: (progressJson) => {
        if (this.#isCurrent(job))
          this.#reporter.send({ kind: 'progress', id: job.id, attempt: job.attempt, progressJson });
      },
    });
    if (!definition.idempotent) this.#sayStarted(job);
    await this.#finish(job, slot, await job.run.outcome);
  }

  /** Null when it was not answered: cancelled, dropped or past the deadline. */
  #ask(job: Job, offer: Offer, definition: CapabilityDefinition, input: JsonValue, timeLeftMs: number) {
    this.#reporter.send({ kind: 'received', id: job.id, attempt: job.attempt });
    const { id, requestedBy } = offer;
    const { mediator, clock } = this.#deps;
    const onAsking: MediationRequest['onAsking'] = ({ channel, timeLeftMs: answerInMs }) => {
      if (!this.#isCurrent(job)) return;
      const asking = { channel, timeLeftMs: Math.max(1, Math.round(Math.min(answerInMs, timeLeftMs))) };
      this.#reporter.send({ kind: 'mediation', id: job.id, attempt: job.attempt, asking });
    };
    const request = { id, definition, input, requestedBy, timeLeftMs, onAsking };
    return askInTime({ mediator, clock }, request, job.asking, timeLeftMs);
  }

  /** Its deadline passed and it did not start. */
  #tooLate(job: Job, slot: Slot): void {
    this.#deps.outbox.forget(job.id, false);
    this.#reporter.reject(job, 'past-deadline', 'Its deadline passed before it could start');
    this.#end(job, slot);
  }

  /** The outcome is said at once; it is written meanwhile, and kept until it is confirmed. */
  async #finish(job: Job, slot: Slot, outcome: Outcome): Promise<void> {
    const { outbox } = this.#deps;
    if (!job.dropped) {
      outbox.done(job.id, outcome);
      const entry = outbox.get(job.id);
      if (entry !== undefined) this.#reporter.report(entry);
    }
    this.#leave(job);
    await job.run?.released;
    this.#end(job, slot);
  }

  #end(job: Job, slot: Slot): void {
    this.#leave(job);
    slot.release();
    this.#checkIdle();
  }

  /** A later attempt may have taken its place already. */
  #leave(job: Job): void {
    if (this.#isCurrent(job)) this.#jobs.delete(job.id);
  }

  #isCurrent(job: Job): boolean {
    return this.#jobs.get(job.id) === job;
  }

  #cancel(id: string, attempt: number): void {
    const job = this.#jobs.get(id);
    if (job !== undefined) {
      job.cancelled = true;
      job.asking.abort(new Error('It was cancelled'));
      job.run?.cancel();
      return;
    }
    const { outbox } = this.#deps;
    const entry = outbox.get(id);
    if (entry !== undefined) {
      // Not alive: an earlier process was cut before it could say how it ended.
      const started = entry.phase === 'started';
      if (entry.phase !== 'done') outbox.done(id, { kind: 'cancelled', started });
      this.#reporter.report(outbox.get(id)!);
    } else if (outbox.tombstone(id) === undefined) this.#reporter.cancelled({ id, attempt }, false);
  }

  /** Forgets it and stops it if it runs; nothing more is said about it. */
  #drop(id: string): void {
    const job = this.#jobs.get(id);
    if (job !== undefined) {
      job.dropped = true;
      job.cancelled = true;
      job.asking.abort(new Error('It is no longer wanted'));
      job.run?.cancel();
      this.#jobs.delete(id);
    }
    this.#deps.outbox.forget(id, false);
    this.#checkIdle();
  }

  /** Says that it runs, unless its outcome was said already. */
  #sayStarted(job: Job): void {
    if (this.#isCurrent(job)) this.#reporter.send({ kind: 'started', id: job.id, attempt: job.attempt });
  }

  /** Waits until the record is on disk. When it cannot be written the offer is refused for now, as if it had never come. */
  async #durable(job: Job, offer: Offer, written: Promise<void>): Promise<boolean> {
    try {
      await written;
      return true;
    } catch {
      this.#deps.outbox.discard(job.id);
      if (!job.dropped) this.#reporter.reject(offer, 'busy', 'The node cannot write its journal');
      return false;
    }
  }

  #checkIdle(): void {
    if (this.#idle.length === 0 || this.#jobs.size > 0) return;
    if (this.#reporter.attached) for (const { phase } of this.#deps.outbox.entries()) if (phase === 'done') return;
    for (const idle of this.#idle.splice(0)) idle.resolve();
  }
}

function denied(error: { readonly code: string; readonly message: string }): Outcome {
  return { kind: 'result', state: 'denied', outputJson: null, error, executionMs: 0 };
}
