/**
 * Errors over HTTP: `application/problem+json` (RFC 9457) there and back. Decoding what was encoded gives the same error.
 */
import { PalyraError } from '../../base/errors.js';

export interface Problem {
  /** `urn:palyra:error:REASON`. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly reason: string;
  readonly hint: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export function toProblem(error: PalyraError): Problem {
  return {
    type: `urn:palyra:error:${error.reason}`,
    title: error.title,
    status: error.httpStatus,
    ...(error.detail === null ? {} : { detail: error.detail }),
    reason: error.reason,
    hint: error.hint,
    details: error.details,
  };
}

/** Reads a problem document. Anything else becomes INTERNAL that names the status. */
export function fromProblem(body: unknown, status: number): PalyraError {
  if (typeof body === 'object' && body !== null) {
    const problem = body as Partial<Problem>;
    if (typeof problem.reason === 'string') {
      return PalyraError.fromFacts({
        reason: problem.reason,
        detail: problem.detail ?? null,
        ...(problem.hint === undefined ? {} : { hint: problem.hint }),
        details: problem.details ?? {},
      });
    }
  }
  return new PalyraError('INTERNAL', { detail: `the daemon answered with HTTP status ${status} and no reason` });
}
