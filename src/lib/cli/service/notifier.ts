/**
 * Tells a service manager how this process is, in the words of sd_notify(3).
 *
 *   ready ──READY=1──► (WATCHDOG=1 at half of the watchdog's time, STATUS= when it changed) ──stopping──► STOPPING=1 ──► close
 *
 * Always true: one message is under way at a time and they arrive in this order; what could not be told is told again at a later look, ever more seldom; the
 * first failure is logged as a warning, and none stops anything. The looks are timers of the event loop: while it stands still, nothing says that the process
 * is alive.
 */
import type { Clock } from '../../base/clock.js';
import type { Log } from '../../base/log.js';
import type { SendFields } from './notify-program.js';
import type { Telling } from './notify-socket.js';

/** Each message is a process: a status that changes all the time is told this often, which nobody who reads it notices. */
const LOOK_EVERY_MS = 10_000;
/** A watchdog of less than two seconds would be answered too late now and then, and not by a process every few milliseconds. */
const MIN_LOOK_MS = 250;
const LOOKS_PER_PING = 4;
/** Between two tries when nothing can be told. */
const MAX_PAUSE_MS = 60_000;
const MAX_STATUS_LENGTH = 200;

export interface NotifierOptions {
  readonly watchdogMs: number | null;
}

export class Notifier implements Telling {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #send: SendFields;
  readonly #pingEveryMs: number;
  readonly #lookEveryMs: number;
  #status: () => string = () => '';
  #isReadyTold = false;
  #toldStatus = '';
  #toldAt = -Infinity;
  #failures = 0;
  #notBefore = -Infinity;
  #last: Promise<unknown> = Promise.resolve();
  #underWay = 0;
  #hasWarned = false;
  #phase: 'starting' | 'ready' | 'stopping' | 'closed' = 'starting';
  #cancel = () => {};

  constructor(deps: { clock: Clock; log: Log; send: SendFields }, { watchdogMs }: NotifierOptions) {
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#send = deps.send;
    this.#pingEveryMs = watchdogMs === null ? Infinity : watchdogMs / 2;
    this.#lookEveryMs = Math.max(MIN_LOOK_MS, Math.min(LOOK_EVERY_MS, this.#pingEveryMs / LOOKS_PER_PING));
  }

  ready(status: () => string): void {
    if (this.#phase !== 'starting') return;
    this.#phase = 'ready';
    this.#status = status;
    this.#look();
  }

  stopping(withinMs?: number): void {
    if (this.#phase === 'stopping' || this.#phase === 'closed') return;
    this.#phase = 'stopping';
    // Also where the manager's own limit is shorter than the drain that was asked for.
    const extend = withinMs === undefined ? [] : [`EXTEND_TIMEOUT_USEC=${Math.round(withinMs * 1000)}`];
    void this.#tell(['STOPPING=1', 'STATUS=stopping', ...extend]);
  }

  close(): void {
    this.#phase = 'closed';
    this.#cancel();
  }

  #look(): void {
    if (this.#phase === 'closed') return;
    this.#cancel = this.#clock.schedule(this.#lookEveryMs, () => this.#look());
    const now = this.#clock.monotonic();
    if (this.#underWay > 0 || now < this.#notBefore) return;
    const status = this.#phase === 'ready' ? oneLine(this.#status()) : this.#toldStatus;
    const isDue = now - this.#toldAt >= this.#pingEveryMs - this.#lookEveryMs / 2;
    const fields = [
      ...(this.#phase === 'ready' && !this.#isReadyTold ? ['READY=1'] : []),
      ...(this.#pingEveryMs < Infinity && isDue ? ['WATCHDOG=1'] : []),
      ...(status === this.#toldStatus ? [] : [`STATUS=${status}`]),
    ];
    if (fields.length === 0) return;
    void this.#tell(fields).then((isTold) => {
      if (!isTold) return;
      this.#toldStatus = status;
      if (fields.includes('READY=1')) this.#isReadyTold = true;
      if (fields.includes('WATCHDOG=1')) this.#toldAt = now;
    });
  }

  #tell(fields: readonly string[]): Promise<boolean> {
    this.#underWay += 1;
    const told = this.#last.then(async () => {
      const problem = await this.#send(fields);
      this.#underWay -= 1;
      return this.#judge(problem);
    });
    this.#last = told;
    return told;
  }

  #judge(problem: string | null): boolean {
    if (problem === null) {
      this.#failures = 0;
      this.#notBefore = -Infinity;
      return true;
    }
    const pauseMs = Math.min(MAX_PAUSE_MS, this.#lookEveryMs * 2 ** this.#failures);
    this.#notBefore = this.#clock.monotonic() + pauseMs - this.#lookEveryMs / 2;
    this.#failures += 1;
    this.#log[this.#hasWarned ? 'debug' : 'warn']('the service manager could not be told how this is', { problem });
    this.#hasWarned = true;
    return false;
  }
}

/** Another line would be another field. */
function oneLine(status: string): string {
  return status.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, MAX_STATUS_LENGTH);
}
