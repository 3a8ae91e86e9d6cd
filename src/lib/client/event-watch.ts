/**
 * Watches the daemon's events for as long as the caller wants. A connection that ends or falls silent is opened again, for ever, with full jitter, and goes on
 * where it was; when the daemon can no longer say what happened in between (it was started anew, or too much happened) a `resync` with the present nodes
 * takes the place of what was lost. So: no event twice, none left out silently, and no end without a reason.
 */
import { sleep, systemClock, type Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { fullJitterDelayMs, systemRandom, type Random } from '../base/random.js';
import type { Ping, PublicEvent, Reset, Resync, Snapshot } from '../wire/http/event-schemas.js';
import { EVENT_STREAM, parsePosition, PING_EVERY_MS, readMessages } from '../wire/http/event-stream.js';
import { fromProblem } from '../wire/http/problem.js';
import { toPath } from '../wire/http/routes.js';
import type { Transport } from './transport.js';

export type WatchItem = Snapshot | Resync | Ping | PublicEvent;

export interface WatchOptions {
  /** A position: everything after it, as far as the daemon still has it, else a `resync`. Absent: from now, beginning with a `snapshot`. */
  readonly from?: string;
  /** Ends the iteration, without an error. */
  readonly signal?: AbortSignal;
  /** Throws the last error when there was no connection for so long. Absent: never. Milliseconds. */
  readonly giveUpMs?: number;
  /** Told when the connection is lost, with why, and with null when it is back. */
  readonly onConnection?: (lost: PalyraError | null) => void;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Three pings missing: the connection is dead, whatever the network says. */
const SILENT_MS = 3 * PING_EVERY_MS;
const CONNECT_MS = 10_000;
/** A daemon that is started anew is away for about a second. */
const BACK_OFF = { baseMs: 250, capMs: 10_000 };
/** Trying again does not help. */
const PERMANENT: ReadonlySet<string> = new Set([
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'REQUEST_INVALID',
  'ROUTE_NOT_FOUND',
  'SESSION_ENDED',
  'TOKEN_REFUSED',
  'SCOPE_MISSING',
  'CONTRACT_MISMATCH',
  'DAEMON_IDENTITY_CHANGED',
]);

/** What fails before the first message is thrown, and so is what cannot become better; everything else is tried again. */
export async function* watchEvents(
  transport: Transport,
  options: WatchOptions,
): AsyncGenerator<WatchItem, void, undefined> {
  const { signal, giveUpMs = Infinity, clock = systemClock, random = systemRandom } = options;
  if (options.from !== undefined) parsePosition(options.from);
  const reader = new FeedReader(transport, options.from ?? null, signal);
  let lostAt = -1;
  for (let attempt = 0; ; attempt++) {
    let lost: PalyraError;
    try {
      for await (const item of reader.read()) {
        if (lostAt >= 0) options.onConnection?.(null);
        [lostAt, attempt] = [-1, 0];
        if (item !== null) yield item;
      }
      lost = new PalyraError('DAEMON_UNREACHABLE', { detail: 'the daemon ended the stream' });
    } catch (error) {
      lost = PalyraError.from(error);
      if (signal?.aborted === true) return;
      if (!reader.hasBegun || PERMANENT.has(lost.reason)) throw lost;
    }
    if (signal?.aborted === true) return;
    if (lostAt < 0) {
      lostAt = clock.monotonic();
      options.onConnection?.(lost);
    }
    if (clock.monotonic() - lostAt >= giveUpMs) throw lost;
    await sleep(clock, fullJitterDelayMs(attempt, random, BACK_OFF), signal).catch(() => undefined);
  }
}

/** One connection after the other, and the position between them. */
class FeedReader {
  hasBegun = false;
  readonly #transport: Transport;
  readonly #signal: AbortSignal | undefined;
  #position: string | null;

  constructor(transport: Transport, position: string | null, signal: AbortSignal | undefined) {
    this.#transport = transport;
    this.#position = position;
    this.#signal = signal;
  }

  /** Items of one connection; null for a message that says nothing to the caller. */
  async *read(): AsyncGenerator<WatchItem | null> {
    const answer = await this.#transport.stream({
      path: toPath('events.stream'),
      headers: {
        accept: EVENT_STREAM,
        ...(this.#position === null ? {} : { 'last-event-id': this.#position }),
      },
      connectMs: CONNECT_MS,
      silentMs: SILENT_MS,
      ...(this.#signal === undefined ? {} : { signal: this.#signal }),
    });
    try {
      if (answer.status !== 200) throw await problemOf(answer);
      let reset: Reset | null = null;
      for await (const { event, data } of readMessages(answer.body)) {
        this.hasBegun = true;
        if (event === 'reset') {
          reset = JSON.parse(data) as Reset;
          yield null;
          continue;
        }
        const item = JSON.parse(data) as WatchItem;
        if ('id' in item) this.#position = item.id;
        if (item.type !== 'snapshot') yield item;
        else if (reset === null) yield item;
        else yield { ...item, type: 'resync', reason: reset.reason };
        reset = null;
      }
    } finally {
      await answer.close();
    }
  }
}

async function problemOf(answer: { status: number; body: AsyncIterable<Uint8Array> }): Promise<PalyraError> {
  const parts: Uint8Array[] = [];
  for await (const part of answer.body) parts.push(part);
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch {
    body = undefined;
  }
  return fromProblem(body, answer.status);
}
