/**
 * Decides what is written to the audit log, and that nothing is done without it: a mutation begins with a durable intent and its answer waits for its durable
 * entry. If either cannot be written the caller is refused with STORAGE_FULL or STORAGE_FAILED.
 *
 *   attempt ─► refused before anything was done ────────────────────────────► entry
 *           └► begin: intent durable ─► the deed ─► settle: entry durable ─► answer
 *
 * Decisions that no request of an operator stands for (a certificate that an invite's policy issued) are written from the runtime's events.
 * Entries hold ids, names, addresses and counts. What a route was given is never copied: it names the few facts it wants told.
 */
import { toTimestamp, type Clock } from '../base/clock.js';
import { readEntry } from '../base/audit-chain.js';
import type { AuditActor, AuditDraft, AuditOrigin, AuditTarget, ChainHead } from '../base/audit-chain.js';
import { PalyraError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type { Caller } from '../base/model.js';
import type { Random } from '../base/random.js';
import type { StateFs } from '../base/state-fs.js';
import { AuditIntents } from './audit-intents.js';
import { AuditLog } from './audit-log.js';

export interface AuditorDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** What is known of a request before it is carried out. */
export interface Attempted {
  readonly actor: AuditActor;
  readonly origin: AuditOrigin;
  readonly action: string;
  readonly target: AuditTarget;
}

/** Refusals of strangers that are written in a minute; the others are counted in the next one. Anybody can cause them, and the log is kept for ever. */
const STRANGERS_PER_MINUTE = 60;
const MINUTE_MS = 60_000;

export class Auditor {
  readonly trail: AuditLog;
  readonly #deps: AuditorDeps;
  readonly #intents: AuditIntents;
  #window = { endsAt: 0, written: 0, suppressed: 0 };

  private constructor(deps: AuditorDeps, trail: AuditLog, intents: AuditIntents) {
    this.#deps = deps;
    this.trail = trail;
    this.#intents = intents;
  }

  /** Opens the log and tells what a killed daemon left undecided. Throws STATE_CORRUPT, STATE_NOT_OWNED, STORAGE_FULL or STORAGE_FAILED. */
  static async open(
    deps: AuditorDeps,
    options: { readonly directory: string; readonly fs?: StateFs },
  ): Promise<Auditor> {
    const intents = await AuditIntents.open(options);
    let trail: AuditLog | null = null;
    try {
      const confirmed = intents.headOf();
      const opened = (trail = await AuditLog.open({ ...options, mustHold: confirmed }));
      await assertHolds(opened, confirmed);
      const told = new Set<string>();
      // An entry may have been written and its intent not ended yet.
      for await (const line of opened.lines({ after: Math.max(0, confirmed.seq - MAX_OVERTAKEN) })) {
        if (intents.open.length === 0) break;
        const entry = readEntry(line);
        if (typeof entry !== 'string' && entry.requestId !== null) told.add(entry.requestId);
      }
      const auditor = new Auditor(deps, opened, intents);
      for (const intent of intents.open) {
        if (!told.has(intent.requestId)) await auditor.write({ ...intent, outcome: 'interrupted' });
        intents.end(intent.requestId);
      }
      intents.headOf = () => opened.head;
      return auditor;
    } catch (error) {
      await trail?.close().catch(() => undefined);
      await intents.close().catch(() => undefined);
      throw error;
    }
  }

  /** Calls `listener` when nothing can be written any more: the process must exit. */
  onFatal(listener: (error: PalyraError) => void): void {
    this.trail.onFatal = listener;
    this.#intents.onFatal = listener;
  }

  async close(): Promise<void> {
    await this.trail.close();
    await this.#intents.close();
  }

  attempt(attempted: Attempted): Attempt {
    const requestId = `rqt_${this.#deps.random.bytes(9).toString('hex')}`;
    return new Attempt({ ...attempted, requestId }, this.#intents, this);
  }

  /** Runs `work`, and tells how it ended before anybody else is told. */
  async around<T>(attempted: Attempted, work: (attempt: Attempt) => Promise<T>): Promise<T> {
    const attempt = this.attempt(attempted);
    let result: T;
    try {
      result = await work(attempt);
    } catch (error) {
      // The refusal stands, and nothing was done that the log would miss: an intent that was begun stays open until an entry can be written.
      await attempt.settle(PalyraError.from(error).reason).catch((failure: unknown) => {
        this.#deps.log.error('a refusal could not be written to the audit log', { err: failure });
      });
      throw error;
    }
    await attempt.settle('ok');
    return result;
  }

  /** Resolves when it is durable. */
  write(entry: Omit<AuditDraft, 'at'>): Promise<void> {
    const at = toTimestamp(this.#deps.clock.now()) ?? '';
    if (entry.actor.kind !== 'anonymous' || entry.outcome === 'ok') return this.trail.append({ ...entry, at });
    const now = this.#deps.clock.monotonic();
    if (now >= this.#window.endsAt) this.#window = { ...this.#window, endsAt: now + MINUTE_MS, written: 0 };
    if (this.#window.written >= STRANGERS_PER_MINUTE) {
      this.#window.suppressed += 1;
      return Promise.resolve();
    }
    const { suppressed } = this.#window;
    this.#window.written += 1;
    this.#window.suppressed = 0;
    const target = suppressed === 0 ? entry.target : { ...entry.target, refusalsNotWritten: suppressed };
    return this.trail.append({ ...entry, target, at });
  }
}

/** A log that was put in the place of another has entries of these numbers too, but not these ones. */
async function assertHolds(trail: AuditLog, { seq, hash }: ChainHead): Promise<void> {
  if (seq === 0) return;
  const { entries } = await trail.list({ before: seq + 1, limit: 1, matches: () => true });
  if (entries[0]?.hash === hash) return;
  throw new PalyraError('STATE_CORRUPT', { detail: `entry ${seq} of the audit log is not the one that was confirmed` });
}

/** Entries of requests that were settled after the last intent was written: not more than can be under way at once. */
const MAX_OVERTAKEN = 10_000;

/** One request that wants to change something. It leaves exactly one entry. */
export class Attempt {
  readonly #auditor: Auditor;
  readonly #intents: AuditIntents;
  readonly #requestId: string;
  #attempted: Attempted;
  #settled: Promise<void> | null = null;
  #unchanged = false;

  /** Use `Auditor.attempt`. */
  constructor(attempted: Attempted & { readonly requestId: string }, intents: AuditIntents, auditor: Auditor) {
    const { requestId, ...rest } = attempted;
    this.#requestId = requestId;
    this.#attempted = rest;
    this.#intents = intents;
    this.#auditor = auditor;
  }

  /** Call it when every check has passed, before anything is changed. Throws STORAGE_FULL or STORAGE_FAILED. */
  begin(): Promise<void> {
    return this.#intents.begin({ ...this.#attempted, requestId: this.#requestId });
  }

  /** More about what it was done to. */
  note(facts: AuditTarget): void {
    this.#attempted = { ...this.#attempted, target: { ...this.#attempted.target, ...facts } };
  }

  /** Nothing was changed and no intent was begun: leaves no entry. A refusal still does. */
  unchanged(): void {
    this.#unchanged = true;
  }

  /** Resolves when the entry is durable. The first outcome is the one that is written. */
  settle(outcome: string): Promise<void> {
    if (this.#unchanged && outcome === 'ok') this.#settled ??= Promise.resolve();
    this.#settled ??= this.#auditor.write({ ...this.#attempted, outcome, requestId: this.#requestId }).then(() => {
      this.#intents.end(this.#requestId);
    });
    return this.#settled;
  }
}

export function actorOf(caller: Caller): AuditActor {
  switch (caller.kind) {
    case 'owner':
      return { kind: 'owner', name: caller.name, credential: 'local socket' };
    case 'operator':
      return { kind: 'operator', name: caller.name, credential: caller.credential ?? 'session' };
    case 'device':
      return { kind: 'device', name: caller.nodeId, credential: `certificate ${caller.serial}` };
    case 'anonymous':
      return { kind: 'anonymous', name: '', credential: 'none' };
  }
}
