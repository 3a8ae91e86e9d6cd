/**
 * Answers to requests with an `Idempotency-Key` that outlive the daemon. The mark that something was done is in the transaction that did it, so a request that
 * comes again after a crash is never done twice; its answer is written before it is given.
 *
 * Answers hold secrets (the code of an invite, the secret of a token) and requests do (a password). None of them is kept in a form that whoever reads the
 * state can use: an answer is sealed with AES-256-GCM, and what compares requests is a MAC, both under a key made by scrypt from the Idempotency-Key, which
 * is kept nowhere. A key that could be guessed protects nothing, so under one of fewer than 20 characters only the mark is kept, and the request that comes
 * again after a restart is told that it was done.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, scrypt, timingSafeEqual } from 'node:crypto';
import { PalyraError } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { Random } from '../../base/random.js';
import type { Repeats } from '../../runtime/repeats.js';
import type { RepeatRecord } from '../../runtime/state.js';
import type { KeptAnswer } from './idempotency.js';

/** A UUID has 36, 120 random bits in base 64 have 20. */
export const MIN_SEALING_KEY = 20;
/** Sealed and in base 64; a larger answer is not kept over a restart. */
const MAX_BOX = 64 * 1024;
/** 16 MiB and some 25 ms, on a thread of the pool. Source: RFC 7914. */
const SCRYPT = { N: 2 ** 14, r: 8, p: 1 } as const;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

interface Keys {
  readonly seal: Buffer;
  readonly mac: Buffer;
}

export interface KeptAnswersDeps {
  readonly repeats: Pick<Repeats, 'find' | 'around' | 'keep'>;
  readonly random: Pick<Random, 'bytes'>;
  readonly log: Log;
}

export class KeptAnswers {
  readonly #deps: KeptAnswersDeps;

  constructor(deps: KeptAnswersDeps) {
    this.#deps = deps;
  }

  /**
   * The answer to `request`, made by `run` unless a daemon before this one gave it. Throws IDEMPOTENCY_CONFLICT for a key that stands for another request,
   * IDEMPOTENCY_ANSWER_GONE when it was done and its answer was not kept, and what `run` throws.
   */
  async answer(caller: string, key: string, request: string, run: () => Promise<KeptAnswer>): Promise<KeptAnswer> {
    const { repeats, random, log } = this.#deps;
    const id = createHash('sha256').update(`${caller}\0${key}`).digest('hex');
    const known = repeats.find(id);
    if (known !== null) return this.#again(known, caller, key, request);
    const salt = random.bytes(SALT_BYTES);
    const keys = key.length < MIN_SEALING_KEY ? null : await deriveKeys(caller, key, salt);
    const check = keys === null ? null : macOf(keys, request).toString('base64');
    const row = { id, salt: salt.toString('base64'), check, box: null };
    const { result, marked } = await repeats.around(row, run);
    if (marked && keys !== null) {
      const box = this.#seal(keys, id, result);
      // It is done either way: a disk that is full now keeps nobody from the answer.
      if (box.length <= MAX_BOX) {
        await repeats.keep(id, box).catch((error: unknown) => log.warn('an answer could not be kept', { err: error }));
      }
    }
    return result;
  }

  async #again(row: RepeatRecord, caller: string, key: string, request: string): Promise<KeptAnswer> {
    const { id, salt, check, box } = row;
    const gone = () => new PalyraError('IDEMPOTENCY_ANSWER_GONE', { details: { key } });
    if (check === null) throw gone();
    const keys = await deriveKeys(caller, key, Buffer.from(salt, 'base64'));
    if (!timingSafeEqual(macOf(keys, request), Buffer.from(check, 'base64'))) {
      throw new PalyraError('IDEMPOTENCY_CONFLICT', { details: { key } });
    }
    if (box === null) throw gone();
    return open(keys, id, box);
  }

  #seal(keys: Keys, id: string, answer: KeptAnswer): string {
    const nonce = this.#deps.random.bytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', keys.seal, nonce).setAAD(Buffer.from(id));
    const text = Buffer.concat([cipher.update(JSON.stringify(answer)), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64');
  }
}

function open(keys: Keys, id: string, box: string): KeptAnswer {
  const bytes = Buffer.from(box, 'base64');
  const text = bytes.subarray(NONCE_BYTES + TAG_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', keys.seal, bytes.subarray(0, NONCE_BYTES))
    .setAAD(Buffer.from(id))
    .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  return JSON.parse(Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8')) as KeptAnswer;
}

function macOf({ mac }: Keys, request: string): Buffer {
  return createHmac('sha256', mac).update(request).digest();
}

function deriveKeys(caller: string, key: string, salt: Buffer): Promise<Keys> {
  return new Promise((resolve, reject) => {
    scrypt(`${caller}\0${key}`, salt, 64, SCRYPT, (error, bytes) => {
      if (error === null) resolve({ seal: bytes.subarray(0, 32), mac: bytes.subarray(32) });
      else reject(error);
    });
  });
}
