/**
 * The node's end of a session over QUIC: one stream brings messages, another takes events, both numbered, both made anew when they are lost.
 *
 *   attaching ──both streams answered──► attached ──a stream or the connection is lost──► attaching (again and again for `OUTAGE_MS`) ──► ended
 *                                                   (after silence: for `AFTER_SILENCE_MS`)
 *
 * The hello is said until the first message has come; after that the session is only ever resumed. `ended` is told once, and nothing after it.
 */
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { Hello, UpMessage } from '../../base/link-messages.js';
import type { JsonValue } from '../../base/model.js';
import { fullJitterDelayMs, type Random } from '../../base/random.js';
import type { QuicConnection } from '../../quic/connection.js';
import type { MessageChannel } from '../../wire/quic/channel.js';
import { downMessage, upMessage } from '../../wire/quic/link-json.js';
import { ackAnswer, readAnswer, readAnswerOf, type QuicRequest } from '../../wire/quic/methods.js';
import { SequencedReceiver, SequencedSender } from '../../wire/quic/sequenced.js';
import type { LinkHandlers, LinkStream } from './link.js';
import { askQuic, toQuicLinkError } from './quic-dial.js';

/** How long the daemon may be out of reach before the link has ended. Longer would only hide the outage: a new link loses nothing. */
export const OUTAGE_MS = 5_000;
/** The same when the connection was given up because nothing came any more: the outage is older than that already, and another transport may work. */
export const AFTER_SILENCE_MS = 2_000;
const RETRY = { baseMs: 100, capMs: 1_000, floorMs: 20 };
const CONGESTED_BYTES = 1024 * 1024;
/** A stream of a session that is over, or that has another one in its place. */
const STREAM_DONE = 0x121;

export interface QuicSessionDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly endpoint: string;
  /** The connection that is up, or a new one. Rejects with a reason that a link may end with. */
  dial(): Promise<QuicConnection>;
}

export class QuicLinkSession implements LinkStream {
  readonly #deps: QuicSessionDeps;
  readonly #handlers: LinkHandlers;
  readonly #sessionId: string;
  readonly #sender = new SequencedSender();
  readonly #receiver: SequencedReceiver;
  #hello: Hello | null = null;
  #events: MessageChannel | null = null;
  #publish: MessageChannel | null = null;
  #ended = false;
  #failingSince: number | null = null;
  /** Of the current outage. */
  #outageMs = OUTAGE_MS;
  #failures = 0;
  #cancelRetry: (() => void) | null = null;
  #cancelOutage: (() => void) | null = null;
  /** Of the current pair of streams: what comes late from an earlier one is not listened to. */
  #attempt = 0;

  constructor(deps: QuicSessionDeps, handlers: LinkHandlers) {
    this.#deps = deps;
    this.#handlers = handlers;
    this.#sessionId = deps.random.bytes(16).toString('base64url');
    this.#receiver = new SequencedReceiver((ms, run) => deps.clock.schedule(ms, run));
  }

  begin(hello: Hello): void {
    this.#hello = hello;
    void this.#attach();
  }

  get congested(): boolean {
    return this.#sender.bytes > CONGESTED_BYTES;
  }

  send(message: UpMessage): void {
    if (this.#ended) return;
    try {
      this.#sender.push(upMessage.write(message));
    } catch (error) {
      this.#end(PalyraError.from(error));
    }
  }

  finish(): void {
    this.#sender.finish();
  }

  /** Without another word to the handlers. */
  stop(): void {
    this.#ended = true;
    this.#attempt += 1;
    this.#cancelRetry?.();
    this.#cancelOutage?.();
    this.#receiver.stop();
    this.#drop();
  }

  async #attach(): Promise<void> {
    const attempt = ++this.#attempt;
    const isCurrent = () => attempt === this.#attempt && !this.#ended;
    const failed = (error: unknown) => {
      if (isCurrent()) this.#failed(error);
    };
    try {
      const connection = await this.#deps.dial();
      if (!isCurrent()) return;
      const events = await askQuic(connection, this.#request());
      if (!isCurrent()) {
        events.abort(STREAM_DONE);
        return;
      }
      this.#events = events;
      let streaming = false;
      events.read({
        message: (value) => {
          if (!isCurrent()) return;
          try {
            if (streaming) this.#receive(value);
            else {
              streaming = true;
              this.#streaming(value);
              this.#receiver.attach(events);
              this.#startPublish(connection, isCurrent).catch(failed);
            }
          } catch (error) {
            this.#end(PalyraError.from(error));
          }
        },
        end: () => failed(closedByDaemon(this.#deps.endpoint)),
        failed,
      });
    } catch (error) {
      failed(error);
    }
  }

  #request(): QuicRequest {
    const resumeFrom = this.#receiver.have;
    return {
      method: 'node.stream_events',
      sessionId: this.#sessionId,
      resumeFrom,
      hello: resumeFrom === 0 ? this.#hello : null,
    };
  }

  /** The first answer. Throws what ends the link. */
  #streaming(value: JsonValue): void {
    const { kind } = readAnswer(value);
    // The daemon does not know this session any more, e.g. because it was started again: a new link says hello with what is known now.
    if (kind === 'reset') throw new PalyraError('LINK_SESSION_UNKNOWN');
    if (kind !== 'stream') throw new PalyraError('MESSAGE_INVALID', { detail: 'the answer is of another kind' });
  }

  async #startPublish(connection: QuicConnection, isCurrent: () => boolean): Promise<void> {
    const publish = await askQuic(connection, { method: 'node.publish', sessionId: this.#sessionId });
    if (!isCurrent()) {
      publish.abort(STREAM_DONE);
      return;
    }
    this.#publish = publish;
    let answered = false;
    publish.read({
      message: (value) => {
        if (!isCurrent()) return;
        try {
          if (answered) this.#sender.acknowledged(value);
          else {
            answered = true;
            this.#attached(publish, readAnswerOf('publishing', ackAnswer, ['ack'], value).ack);
          }
        } catch (error) {
          this.#end(PalyraError.from(error));
        }
      },
      // The daemon ends it when the session is over; the other stream says why.
      end: () => undefined,
      failed: (error) => {
        // Told to stop because the session is over, or because the connection is: the other stream knows.
        if (isCurrent() && error.reason !== 'QUIC_STREAM_CLOSED') this.#failed(error);
      },
    });
  }

  #attached(publish: MessageChannel, ack: number): void {
    if (!this.#sender.canGoOnAfter(ack)) throw new PalyraError('LINK_SESSION_UNKNOWN');
    this.#failingSince = null;
    this.#failures = 0;
    this.#cancelOutage?.();
    this.#cancelOutage = null;
    this.#sender.attach(publish, ack);
  }

  #receive(value: JsonValue): void {
    if (isLastWord(value)) {
      readAnswer(value);
      this.#end(null);
      return;
    }
    const message = this.#receiver.take(value);
    if (message !== null) this.#handlers.message(downMessage.read('the message', message));
  }

  #failed(cause: unknown): void {
    const { clock, random, endpoint } = this.#deps;
    const error = toQuicLinkError(cause, endpoint);
    this.#attempt += 1;
    this.#drop();
    if (this.#failingSince === null) {
      this.#failingSince = clock.monotonic();
      this.#outageMs = isOfSilence(cause) ? AFTER_SILENCE_MS : OUTAGE_MS;
    }
    const passing = error.reason === 'DAEMON_UNREACHABLE' || error.reason === 'CANCELLED';
    const leftMs = this.#outageMs - (clock.monotonic() - this.#failingSince);
    if (!passing || leftMs <= 0) {
      this.#end(error);
      return;
    }
    // A dial into nowhere would last longer than that.
    this.#cancelOutage ??= clock.schedule(leftMs, () => this.#end(error));
    this.#cancelRetry = clock.schedule(fullJitterDelayMs(this.#failures++, random, RETRY), () => {
      this.#cancelRetry = null;
      void this.#attach();
    });
  }

  #drop(): void {
    this.#sender.detach(this.#publish);
    this.#events?.abort(STREAM_DONE);
    this.#publish?.abort(STREAM_DONE);
    this.#events = null;
    this.#publish = null;
  }

  #end(error: PalyraError | null): void {
    if (this.#ended) return;
    this.stop();
    this.#handlers.ended(error);
  }
}

/** An answer in the middle of messages is the last: `end`, or `error`. */
function isLastWord(value: JsonValue): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'kind');
}

function isOfSilence(cause: unknown): boolean {
  return PalyraError.from(cause).details['by'] === 'timeout';
}

function closedByDaemon(endpoint: string): PalyraError {
  return new PalyraError('DAEMON_UNREACHABLE', { detail: `${endpoint}: the stream was closed` });
}
