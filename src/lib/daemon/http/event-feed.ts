/**
 * `GET /v1/events`: what happens, as server-sent events, to any number of readers up to a limit.
 *
 * An event is turned into text once and held until everything it shows is durable; then every reader gets it. A reader begins with a snapshot of the nodes,
 * or, with a `Last-Event-ID` of this start of the daemon that is still kept, with exactly the events after it. When those are not to be had it gets a `reset`
 * and then the snapshot. Nobody is waited for: a reader that leaves more than 1 MiB unread is cut off and resumes where it was.
 */
import type { Clock } from '../../base/clock.js';
import { toTimestamp } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { EventLog, StampedEvent } from '../../runtime/events.js';
import type { Fleet } from '../../runtime/fleet.js';
import type { Reset } from '../../wire/http/event-schemas.js';
import {
  EVENT_STREAM,
  formatMessage,
  formatPosition,
  parsePosition,
  PING_EVERY_MS,
} from '../../wire/http/event-stream.js';
import { toPublicEvent, type ViewOf } from './public-event.js';

/** Readers at once; each costs the memory below at most, beside its snapshot. */
export const MAX_STREAMS = 64;
/** Bytes a reader may leave unread. */
export const MAX_UNREAD_BYTES = 1024 * 1024;

export interface EventFeedDeps {
  readonly runtime: {
    readonly events: EventLog;
    readonly bootEpoch: number;
    readonly fleet: Pick<Fleet, 'views' | 'view'>;
    durable(): Promise<void>;
  };
  readonly clock: Clock;
  readonly log: Log;
}

export interface FeedRequest {
  readonly lastEventId: string | undefined;
  /** Aborts when the reader is gone or the daemon stops. */
  readonly signal: AbortSignal;
  /** Drops the reader's connection. */
  cut(): void;
}

interface Reader {
  /** The last event it has got. */
  seq: number;
  send(text: Uint8Array): void;
  end(): void;
  cut(): void;
}

export class EventFeed {
  readonly #deps: EventFeedDeps;
  readonly #readers = new Set<Reader>();
  readonly #viewOf: ViewOf;
  readonly #encoder = new TextEncoder();
  #held: { readonly seq: number; readonly text: string }[] = [];
  #releasing = false;
  #unsubscribe: (() => void) | null = null;
  #cancelPing: () => void = () => undefined;

  constructor(deps: EventFeedDeps) {
    this.#deps = deps;
    this.#viewOf = (nodeId) => deps.runtime.fleet.view(nodeId);
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** Throws RATE_LIMITED when there are enough readers and REQUEST_INVALID for a position that is none. */
  async open(request: FeedRequest): Promise<Response> {
    if (this.#readers.size >= MAX_STREAMS) {
      throw new PalyraError('RATE_LIMITED', { detail: `${MAX_STREAMS} streams of events are open` });
    }
    const { events } = this.#deps.runtime;
    const begin = this.#encoder.encode(this.#beginning(request.lastEventId));
    const { reader, body } = this.#reader(request, begin, events.seq);
    this.#add(reader);
    request.signal.addEventListener('abort', () => this.#remove(reader), { once: true });
    try {
      // What the beginning shows may still be on its way to the disk.
      await this.#deps.runtime.durable();
    } catch (error) {
      this.#remove(reader);
      throw error;
    }
    return new Response(body, { headers: { 'content-type': EVENT_STREAM, 'x-accel-buffering': 'no' } });
  }

  /** What a new reader gets at once. */
  #beginning(lastEventId: string | undefined): string {
    if (lastEventId === undefined) return this.#snapshot();
    const { events, bootEpoch } = this.#deps.runtime;
    const { boot, seq } = parsePosition(lastEventId);
    if (boot !== bootEpoch) return this.#reset('restarted');
    const missed = events.since(seq)?.map((event) => this.#toText(event));
    return missed === undefined || missed.includes(null) ? this.#reset('gap') : missed.join('') || this.#ping();
  }

  #reset(reason: Reset['reason']): string {
    return formatMessage('reset', { reason } satisfies Reset) + this.#snapshot();
  }

  #snapshot(): string {
    const { events, bootEpoch, fleet } = this.#deps.runtime;
    const id = formatPosition({ boot: bootEpoch, seq: events.seq });
    const at = toTimestamp(this.#deps.clock.now());
    return formatMessage('snapshot', { type: 'snapshot', id, seq: events.seq, at, nodes: fleet.views() }, id);
  }

  #toText(event: StampedEvent): string | null {
    const fields = toPublicEvent(event, this.#deps.runtime.bootEpoch, this.#viewOf);
    return fields === null ? null : formatMessage(fields.type, fields, fields.id);
  }

  #ping(): string {
    return formatMessage('ping', { type: 'ping', at: toTimestamp(this.#deps.clock.now()) });
  }

  #reader(request: FeedRequest, begin: Uint8Array, seq: number): { reader: Reader; body: ReadableStream<Uint8Array> } {
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    let isOver = false;
    const allowed = MAX_UNREAD_BYTES + begin.byteLength;
    const body = new ReadableStream<Uint8Array>(
      {
        start: (its) => {
          controller = its;
          controller.enqueue(begin);
        },
        cancel: () => {
          isOver = true;
          this.#remove(reader);
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: allowed }),
    );
    const reader: Reader = {
      seq,
      send: (text) => {
        controller.enqueue(text);
        if ((controller.desiredSize ?? 0) >= 0) return;
        this.#deps.log.warn('a reader of events does not keep up: its connection is closed', { unread: allowed });
        this.#remove(reader);
        reader.cut();
      },
      end: () => {
        if (!isOver) controller.close();
        isOver = true;
      },
      cut: () => request.cut(),
    };
    return { reader, body };
  }

  #add(reader: Reader): void {
    this.#readers.add(reader);
    if (this.#readers.size > 1) return;
    this.#unsubscribe = this.#deps.runtime.events.subscribe((event) => this.#hold(event));
    this.#armPing();
  }

  #remove(reader: Reader): void {
    if (!this.#readers.delete(reader)) return;
    reader.end();
    if (this.#readers.size > 0) return;
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#cancelPing();
    this.#held = [];
  }

  /** The view is taken now and shown when what is decided by now is durable. */
  #hold(event: StampedEvent): void {
    const text = this.#toText(event);
    if (text === null) return;
    this.#held.push({ seq: event.seq, text });
    if (!this.#releasing) void this.#release();
  }

  async #release(): Promise<void> {
    this.#releasing = true;
    try {
      while (this.#held.length > 0) {
        const batch = this.#held;
        this.#held = [];
        await this.#deps.runtime.durable();
        for (const { seq, text } of batch) {
          const bytes = this.#encoder.encode(text);
          for (const reader of [...this.#readers]) {
            if (seq <= reader.seq) continue;
            reader.seq = seq;
            reader.send(bytes);
          }
        }
      }
    } catch (error) {
      // What was to be shown may not stand. Readers come back and are told what does.
      this.#deps.log.warn('events could not be shown', { err: error });
      this.close();
    } finally {
      this.#releasing = false;
    }
  }

  #armPing(): void {
    this.#cancelPing = this.#deps.clock.schedule(PING_EVERY_MS, () => {
      this.#armPing();
      const bytes = this.#encoder.encode(this.#ping());
      for (const reader of [...this.#readers]) reader.send(bytes);
    });
  }

  /** Ends every stream. */
  close(): void {
    for (const reader of [...this.#readers]) this.#remove(reader);
  }
}
