/**
 * The one error class of palyra. A stable *reason* (`reasons.ts`) selects a canonical code; the code gives gRPC status, HTTP status and exit code.
 *
 * Invariants: `detail` and `hint` are public and about this occurrence, `cause` never leaves the process.
 */
import { CODES, REASONS, isReason } from './reasons.js';
import type { Code, Reason } from './reasons.js';

export { CODES, REASONS, isReason } from './reasons.js';
export type { Code, Reason } from './reasons.js';

export interface PalyraErrorOptions {
  /** Public, about this occurrence, never a secret. One line. */
  readonly detail?: string;
  /** Replaces the constant hint of the reason. */
  readonly hint?: string;
  /** Public facts for programs; JSON values only. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Private: logged once, never sent. */
  readonly cause?: unknown;
}

/** The wire form shared by problem+json, ErrorInfo and the CLI's error document. */
export interface ErrorFacts {
  readonly reason: Reason;
  readonly detail: string | null;
  readonly hint: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Compare `reason`, never `instanceof`, across a package edge: a plugin may bring its own copy of this class. */
export class PalyraError extends Error {
  override readonly name = 'PalyraError';
  readonly reason: Reason;
  readonly detail: string | null;
  readonly hint: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(reason: Reason, options: PalyraErrorOptions = {}) {
    const row = REASONS[reason];
    super(
      options.detail === undefined ? row.title : `${row.title}: ${options.detail}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.reason = reason;
    this.detail = options.detail ?? null;
    this.details = options.details ?? {};
    this.hint = named(options.hint ?? row.hint, this.details['node']);
  }

  get code(): Code {
    return REASONS[this.reason].code;
  }
  get title(): string {
    return REASONS[this.reason].title;
  }
  get httpStatus(): number {
    return CODES[this.code].http;
  }
  get grpcStatus(): number {
    return CODES[this.code].grpc;
  }
  get exitCode(): number {
    return REASONS[this.reason].exit ?? CODES[this.code].exit;
  }
  get retrySafe(): boolean {
    return REASONS[this.reason].retrySafe ?? false;
  }

  /** The public part, for the wire. */
  toFacts(): ErrorFacts {
    return { reason: this.reason, detail: this.detail, hint: this.hint, details: this.details };
  }

  /** Rebuilds the error from its wire form. An unknown reason (a newer peer) becomes INTERNAL with the original name in `details.reason`. */
  static fromFacts(facts: {
    reason: string;
    detail?: string | null;
    hint?: string;
    details?: Readonly<Record<string, unknown>>;
  }): PalyraError {
    const reason: Reason = isReason(facts.reason) ? facts.reason : 'INTERNAL';
    return new PalyraError(reason, {
      ...(facts.detail === null || facts.detail === undefined ? {} : { detail: facts.detail }),
      ...(facts.hint === undefined || facts.hint === '' ? {} : { hint: facts.hint }),
      details: reason === facts.reason ? (facts.details ?? {}) : { ...facts.details, reason: facts.reason },
    });
  }

  /** The only conversion of foreign errors; called at the edges. A PalyraError, also one of another copy of the package, keeps its reason. */
  static from(error: unknown, fallback: Reason = 'INTERNAL'): PalyraError {
    if (error instanceof PalyraError) return error;
    if (isObject(error) && typeof error['reason'] === 'string' && isReason(error['reason'])) {
      return PalyraError.fromFacts({
        reason: error['reason'],
        detail: typeof error['detail'] === 'string' ? error['detail'] : null,
        ...(typeof error['hint'] === 'string' ? { hint: error['hint'] } : {}),
        ...(isObject(error['details']) ? { details: error['details'] } : {}),
      });
    }
    return new PalyraError(fallback, { cause: error });
  }
}

/** What can stand in a command as it is. */
const WORD = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** A command that can be copied, where the node is known. */
function named(hint: string, node: unknown): string {
  return typeof node === 'string' && WORD.test(node) ? hint.replaceAll('<node>', node) : hint;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
