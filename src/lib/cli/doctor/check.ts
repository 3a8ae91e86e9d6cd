/**
 * What `palyra doctor` is made of: checks that look at one thing each, at the same time, apart from each other. A check that hangs or throws is told as
 * such and takes nothing with it. Checks only look; a repair is a function of its own that runs when it was asked for.
 */
import { sleep, type Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';

export type CheckStatus = 'pass' | 'warn' | 'fail' | 'skip';

export interface Finding {
  readonly status: CheckStatus;
  /** One line: what is so, and why it matters when it is not well. */
  readonly detail: string;
  /** One command, or one sentence for a person. */
  readonly fix?: string;
  /** What `--fix` does about it; never needs root. Returns what it did. */
  readonly repair?: () => Promise<string>;
}

export interface Check {
  /** Such as `service.lingering`; explained in docs/doctor.md. */
  readonly id: string;
  /** Default: that of all checks. */
  readonly timeoutMs?: number;
  run(signal: AbortSignal): Promise<Finding>;
}

export interface CheckResult {
  readonly id: string;
  readonly status: CheckStatus;
  readonly detail: string;
  readonly fix: string | null;
  readonly docs: string;
}

/** A check that takes longer has its answer: whatever it asks does not answer. */
export const CHECK_TIMEOUT_MS = 2_000;

export interface Examined extends CheckResult {
  readonly repair: (() => Promise<string>) | null;
}

/** All at once, in the order they were given. */
export function examine(checks: readonly Check[], clock: Clock, timeoutMs = CHECK_TIMEOUT_MS): Promise<Examined[]> {
  return Promise.all(checks.map((check) => examineOne(check, clock, check.timeoutMs ?? timeoutMs)));
}

/** Without what cannot be written down. */
export function toResult({ id, status, detail, fix, docs }: Examined): CheckResult {
  return { id, status, detail, fix, docs };
}

async function examineOne(check: Check, clock: Clock, timeoutMs: number): Promise<Examined> {
  const over = new AbortController();
  const late = sleep(clock, timeoutMs, over.signal).then(
    (): Finding => ({ status: 'warn', detail: `${check.id}: there was no answer within ${timeoutMs / 1000} s` }),
    (): Finding => ({ status: 'skip', detail: '' }),
  );
  const work = Promise.resolve()
    .then(() => check.run(over.signal))
    .catch((error: unknown): Finding => ({
      status: 'warn',
      detail: `${check.id} could not be checked: ${reasonOf(error)}`,
    }));
  const finding = await Promise.race([work, late]);
  over.abort();
  return {
    id: check.id,
    status: finding.status,
    detail: finding.detail,
    fix: finding.fix ?? null,
    docs: `docs/doctor.md#${check.id.replaceAll('.', '')}`,
    repair: finding.repair ?? null,
  };
}

function reasonOf(error: unknown): string {
  if (error instanceof PalyraError) return error.message;
  return error instanceof Error ? error.message : String(error);
}
