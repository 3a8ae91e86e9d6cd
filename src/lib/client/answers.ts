/** From the bytes of an answer to what it says: a daemon of our contract that speaks JSON, or a reason. Follows nothing that an answer points to. */
import { PalyraError } from '../base/errors.js';
import { fromProblem } from '../wire/http/problem.js';
import { CONTRACT } from '../wire/http/routes.js';
import type { TransportAnswer } from './transport.js';

export interface DecodeOptions {
  /** A daemon behind a URL says its contract with every answer; whoever listens at the local socket is trusted to be one. */
  readonly contractRequired: boolean;
}

/** The body of a good answer. Throws the daemon's own reason, CONTRACT_MISMATCH, ANSWER_INVALID. */
export function decodeJson(answer: TransportAnswer, options: DecodeOptions): object {
  assertAnswered(answer, options);
  const body = parseJson(answer.text);
  if (typeof body !== 'object' || body === null) {
    const what = isPage(answer) ? 'a web page' : 'something that is not JSON';
    throw new PalyraError('ANSWER_INVALID', { detail: `it answered with ${what}` });
  }
  return body;
}

/** For every status but success; and for a success of a daemon that we do not understand. */
export function assertAnswered(answer: TransportAnswer, { contractRequired }: DecodeOptions): void {
  const { status, contract } = answer;
  if (contract !== null && contract !== `${CONTRACT}`) {
    throw new PalyraError('CONTRACT_MISMATCH', {
      detail: `the daemon speaks ${/^\d{1,6}$/.test(contract) ? contract : 'another one'}, this client ${CONTRACT}`,
    });
  }
  if (status >= 300 && status < 400) {
    throw new PalyraError('ANSWER_INVALID', {
      detail: `it answered with a redirect (HTTP status ${status}), which is never followed`,
    });
  }
  if (status >= 400) {
    const body = parseJson(answer.text);
    if (hasReason(body)) throw fromProblem(body, status);
    const what = isPage(answer) ? 'a web page' : 'no reason';
    throw new PalyraError('ANSWER_INVALID', { detail: `it answered with HTTP status ${status} and ${what}` });
  }
  if (contract === null && contractRequired) {
    throw new PalyraError('ANSWER_INVALID', {
      detail: isPage(answer) ? 'it answered with a web page' : 'its answer does not say which API it speaks',
    });
  }
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function hasReason(body: unknown): boolean {
  return typeof (body as { reason?: unknown } | null | undefined)?.reason === 'string';
}

function isPage(answer: TransportAnswer): boolean {
  return answer.contentType.startsWith('text/html') || /^\s*<(!doctype|html)/i.test(answer.text.slice(0, 200));
}
