/**
 * Runs capability handlers: a fixed number of slots, a time limit for every run, an abort signal, and an outcome instead of an exception.
 *
 *   take ──► run ──► outcome            the handler returned, failed, was cancelled or ran out of time
 *     │              released           the slot is free again: the handler ended, or ignored its signal for the grace period and was abandoned
 *     └► release
 *
 * It decides nothing about durability, sends nothing and never throws what a handler throws. A handler cannot be killed inside a process: an abandoned
 * one keeps what it holds, its result is dropped, and the log says so.
 */
import type { Clock } from '../base/clock.js';
import { Deferred } from '../base/lifecycle.js';
import type { ResultState } from '../base/link-messages.js';
import type { Log } from '../base/log.js';
import type { DispatchError, JsonValue } from '../base/model.js';
import type { CapabilityDefinition, NodeFacts } from './capabilities/capability.js';

/** How long a handler may go on after its signal aborted. Below the daemon's 10 s of patience with a cancel. */
export const ABORT_GRACE_MS = 5_000;
/** One MiB is the limit of a message; the rest of it is room for the envelope. */
export const MAX_OUTPUT_BYTES = 1024 * 1024 - 16 * 1024;
const MAX_PROGRESS_BYTES = 64 * 1024;
const MAX_PROGRESS_PER_SECOND = 10;
const MAX_ERROR_MESSAGE_LENGTH = 2_000;
const FAILURE_CODE = /^[A-Z][A-Z0-9_]{0,63}$/;

export interface RunResult {
  readonly kind: 'result';
  readonly state: ResultState;
  readonly outputJson: string | null;
  readonly error: DispatchError | null;
  readonly executionMs: number;
}

/** What one run came to. */
export type Outcome = RunResult | { readonly kind: 'cancelled'; readonly started: boolean };

export interface RunRequest {
  readonly definition: CapabilityDefinition;
  readonly input: JsonValue;
  /** Start-to-close, already cut to the deadline. */
  readonly timeoutMs: number;
  /** Asked for when the handler looks: most never do. */
  readonly node: () => NodeFacts;
  readonly allowed?: readonly string[];
  /** JSON text. */
  readonly onProgress: (progressJson: string) => void;
}

export interface Run {
  /** Resolves once; never when the run was abandoned by `Executor.abandonAll`. */
  readonly outcome: Promise<Outcome>;
  /** Resolves when the slot is free again. */
  readonly released: Promise<void>;
  /** Aborts the signal. A handler that finishes its work all the same still counts as having succeeded. */
  cancel(): void;
}

export interface Slot {
  /** Starts the handler now. At most once. */
  run(request: RunRequest): Run;
  /** Gives the slot back without a run. */
  release(): void;
}

export class Executor {
  readonly #deps: { readonly clock: Clock; readonly log: Log };
  readonly #slots: number;
  readonly #abandon = new Set<(reason: Error) => void>();
  #taken = 0;

  constructor(deps: { readonly clock: Clock; readonly log: Log }, options: { readonly slots: number }) {
    this.#deps = deps;
    this.#slots = options.slots;
  }

  /** Slots in use, those of handlers that are winding down included. */
  get taken(): number {
    return this.#taken;
  }

  /** Null when every slot is in use. */
  take(): Slot | null {
    if (this.#taken >= this.#slots) return null;
    this.#taken += 1;
    let held = true;
    const release = () => {
      if (held) this.#taken -= 1;
      held = false;
    };
    return { release, run: (request) => this.#run(request, release) };
  }

  /** Aborts every run and waits for none: the process is about to end, and an outcome that nobody can report is better left open. */
  abandonAll(reason: Error): void {
    for (const abandon of [...this.#abandon]) abandon(reason);
  }

  #run(request: RunRequest, release: () => void): Run {
    const { clock, log } = this.#deps;
    const { definition } = request;
    const controller = new AbortController();
    const outcome = new Deferred<Outcome>();
    const released = new Deferred<void>();
    const startedAt = clock.monotonic();
    let cancelled = false;
    let stopGrace = () => {};

    const executionMs = () => Math.round(clock.monotonic() - startedAt);
    const settle = (value: Outcome) => outcome.resolve(value);
    const end = () => {
      stopTimer();
      stopGrace();
      this.#abandon.delete(abandon);
      release();
      released.resolve();
    };
    const abort = (reason: Error) => {
      if (controller.signal.aborted) return;
      stopGrace = clock.schedule(ABORT_GRACE_MS, () => {
        log.warn('a capability ignored its abort signal and was abandoned', { capability: definition.name });
        settle({ kind: 'cancelled', started: true });
        end();
      });
      controller.abort(reason);
    };
    const abandon = (reason: Error) => {
      end();
      controller.abort(reason);
    };
    const stopTimer = clock.schedule(request.timeoutMs, () => {
      const message = `It did not finish within ${request.timeoutMs} ms`;
      settle({
        kind: 'result',
        state: 'timed-out',
        outputJson: null,
        error: { code: 'TIMED_OUT', message },
        executionMs: executionMs(),
      });
      abort(new Error(message));
    });

    this.#abandon.add(abandon);
    void invoke(definition, request, controller.signal, progressGate(clock, request.onProgress)).then(
      (output) => {
        settle(resultOf(output, executionMs()));
        end();
      },
      (error: unknown) => {
        if (cancelled) settle({ kind: 'cancelled', started: true });
        else
          settle({
            kind: 'result',
            state: isDenial(error) ? 'denied' : 'failed',
            outputJson: null,
            error: failureOf(error),
            executionMs: executionMs(),
          });
        end();
      },
    );

    return {
      outcome: outcome.promise,
      released: released.promise,
      cancel: () => {
        cancelled = true;
        // From here the grace period is the limit.
        stopTimer();
        abort(new Error('The run was cancelled'));
      },
    };
  }
}

/** A handler that throws before its first await rejects like any other. */
async function invoke(
  definition: CapabilityDefinition,
  { input, node, allowed }: RunRequest,
  signal: AbortSignal,
  progress: (value: JsonValue) => void,
): Promise<unknown> {
  return definition.run({
    input,
    get node() {
      return node();
    },
    signal,
    progress,
    ...(allowed === undefined ? {} : { allowed }),
  });
}

/** A handler that returns nothing has the output null. */
function resultOf(output: unknown, executionMs: number): RunResult {
  const failed = (code: string, message: string): RunResult => ({
    kind: 'result',
    state: 'failed',
    outputJson: null,
    error: { code, message },
    executionMs,
  });
  let outputJson: string | undefined;
  try {
    outputJson = JSON.stringify(output ?? null);
  } catch (error) {
    return failed('OUTPUT_INVALID', `The output is not JSON: ${messageOf(error)}`);
  }
  if (outputJson === undefined) return failed('OUTPUT_INVALID', 'The output is not JSON');
  const size = Buffer.byteLength(outputJson);
  if (size > MAX_OUTPUT_BYTES) {
    return failed('OUTPUT_TOO_LARGE', `The output has ${size} bytes of JSON; the limit is ${MAX_OUTPUT_BYTES}`);
  }
  return { kind: 'result', state: 'succeeded', outputJson, error: null, executionMs };
}

/** A plugin may bring its own copies of these classes, so their names count. */
function isDenial(error: unknown): error is Error {
  return error instanceof Error && error.name === 'CapabilityDenial';
}

/** The stack stays here. */
function failureOf(error: unknown): DispatchError {
  if (isDenial(error) || (error instanceof Error && error.name === 'CapabilityFailure')) {
    const { code } = error as { code?: unknown };
    if (typeof code === 'string' && FAILURE_CODE.test(code)) return { code, message: messageOf(error) };
  }
  return { code: 'CAPABILITY_CRASHED', message: messageOf(error) };
}

function messageOf(error: unknown): string {
  try {
    const text = error instanceof Error ? error.message : String(error);
    return text.slice(0, MAX_ERROR_MESSAGE_LENGTH);
  } catch {
    return 'it failed with something that cannot be shown';
  }
}

/** Passes on what is small enough, at most ten a second; the rest is dropped, as progress may be. */
function progressGate(clock: Clock, send: (progressJson: string) => void): (value: JsonValue) => void {
  let windowStart = -Infinity;
  let sent = 0;
  return (value) => {
    const now = clock.monotonic();
    if (now - windowStart >= 1_000) {
      windowStart = now;
      sent = 0;
    }
    if (sent >= MAX_PROGRESS_PER_SECOND) return;
    const progressJson: string | undefined = JSON.stringify(value);
    if (progressJson === undefined || Buffer.byteLength(progressJson) > MAX_PROGRESS_BYTES) return;
    sent += 1;
    send(progressJson);
  };
}
