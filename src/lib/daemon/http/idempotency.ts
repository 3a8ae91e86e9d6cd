/**
 * `Idempotency-Key`: the same request of the same caller, sent again under one key, gets the answer it got the first time, status included; one that arrives
 * while the first is still at work waits for it. Another request under the key is refused. Source of the header: draft-ietf-httpapi-idempotency-key-header.
 *
 * In memory: a key is forgotten after a day, when there are more than 10,000 or more than 32 MiB of answers (oldest first), and when the daemon stops. Behind
 * it stands what is durable: `kept-answers.ts`, and for a dispatch a key of its own (`idempotencyKey`), to which the header is mapped.
 *
 * A refusal is an answer too and comes again; one that says "try again" (5xx, 429, 499) is not kept: it would make trying again useless.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { KeptAnswers } from './kept-answers.js';

export const MAX_KEYS = 10_000;
const MAX_BYTES = 32 * 1024 * 1024;
const TTL_MS = 86_400_000;

export interface KeptAnswer {
  readonly status: number;
  readonly body: object;
  readonly headers: Readonly<Record<string, string>>;
}

interface Kept {
  readonly request: string;
  readonly at: number;
  bytes: number;
  answer: Promise<KeptAnswer>;
}

/** Where answers outlive the daemon. */
export type DurableAnswers = Pick<KeptAnswers, 'answer'>;

export class IdempotencyKeys {
  readonly #clock: Clock;
  readonly #durable: DurableAnswers | null;
  /** By caller and key, oldest first. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  constructor(clock: Clock, durable: DurableAnswers | null = null) {
    this.#clock = clock;
    this.#durable = durable;
  }

  get size(): number {
    return this.#kept.size;
  }

  /**
   * The answer to `request` (a text that two equal requests share), made by `run` unless it is known. Throws IDEMPOTENCY_CONFLICT for a key that stands for
   * another request, and what `run` throws.
   */
  async answer(caller: string, key: string, request: string, run: () => Promise<KeptAnswer>): Promise<KeptAnswer> {
    this.#forget();
    const name = `${caller}\0${key}`;
    const hash = createHash('sha256').update(request).digest('hex');
    const known = this.#kept.get(name);
    if (known !== undefined) {
      if (known.request === hash) return known.answer;
      throw new PalyraError('IDEMPOTENCY_CONFLICT', { details: { key } });
    }
    const first = this.#durable?.answer(caller, key, request, run) ?? run();
    const kept: Kept = { request: hash, at: this.#clock.monotonic(), bytes: 0, answer: first };
    this.#kept.set(name, kept);
    try {
      const answer = await kept.answer;
      if (isFinal(answer.status)) this.#weigh(name, kept, answer);
      else this.#drop(name, kept);
      return answer;
    } catch (error) {
      if (!isFinal(PalyraError.from(error).httpStatus)) this.#drop(name, kept);
      throw error;
    }
  }

  #weigh(name: string, kept: Kept, { body }: KeptAnswer): void {
    if (this.#kept.get(name) !== kept) return;
    kept.bytes = Buffer.byteLength(JSON.stringify(body));
    this.#bytes += kept.bytes;
    this.#forget();
  }

  #forget(): void {
    const before = this.#clock.monotonic() - TTL_MS;
    for (const [name, kept] of this.#kept) {
      if (kept.at > before && this.#kept.size < MAX_KEYS && this.#bytes <= MAX_BYTES) return;
      this.#drop(name, kept);
    }
  }

  #drop(name: string, kept: Kept): void {
    if (this.#kept.get(name) !== kept) return;
    this.#kept.delete(name);
    this.#bytes -= kept.bytes;
  }
}

function isFinal(status: number): boolean {
  return status < 500 && status !== 429 && status !== 499;
}

/** The header, or null. Throws REQUEST_INVALID for one that cannot be a key. */
export function readIdempotencyKey(header: string | undefined): string | null {
  if (header === undefined) return null;
  const key = header.replace(/^"(.*)"$/, '$1');
  if (!/^[\x21-\x7e]{1,128}$/.test(key)) {
    throw new PalyraError('REQUEST_INVALID', { detail: 'Idempotency-Key: 1 to 128 visible characters' });
  }
  return key;
}
