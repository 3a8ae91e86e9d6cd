/**
 * One node's session over QUIC as a link of the runtime: it survives the streams and connections that carry it.
 *
 *   opening ──welcome──► open ◄──► without streams (for `RESUME_MS`) ──► ended (remembered for a while: the last word may have to be said again)
 *                         └── node finishes or leaves, bad message, too much unacknowledged, close
 *
 * Invariants: message n is taken once, after n-1, in both directions; `closed` is told to the runtime's session once, and only when the node's side ended
 * it; what has not been acknowledged is kept, at most `HARD_OUTBOUND_BYTES` and `MAX_UNACKNOWLEDGED`.
 */
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { DownMessage } from '../../base/link-messages.js';
import type { JsonValue } from '../../base/model.js';
import type { LinkSession, LinkSink } from '../../runtime/runtime.js';
import type { MessageChannel } from '../../wire/quic/channel.js';
import { downMessage, upMessage } from '../../wire/quic/link-json.js';
import { ackAnswer, empty, writeAnswer, writeError } from '../../wire/quic/methods.js';
import { encodeMessage } from '../../wire/quic/parts.js';
import { SequencedReceiver, SequencedSender } from '../../wire/quic/sequenced.js';
import { closeError, HARD_OUTBOUND_BYTES, MAX_UNACKNOWLEDGED, type CloseReason } from '../link-carrier.js';

/** Without both streams the session ends after this long; a node gives up sooner, and a new session loses nothing. */
export const RESUME_MS = 10_000;
/** A stream that another one of the session has replaced, or whose session is over. */
export const STREAM_REPLACED = 0x110;

export interface QuicSessionDeps {
  readonly clock: Clock;
  /** Opens the session with the runtime, which answers through the sink. */
  open(session: QuicSession): Promise<LinkSession>;
  onEnded(): void;
}

export class QuicSession implements LinkSink {
  readonly transport = 'quic';
  uncarriedSince: number | null = null;
  readonly #deps: QuicSessionDeps;
  readonly #sender = new SequencedSender();
  readonly #receiver: SequencedReceiver;
  readonly #opened: Promise<void>;
  #session: LinkSession | null = null;
  #events: MessageChannel | null = null;
  #publish: MessageChannel | null = null;
  /** The connection of the newest stream down. */
  #carrier: object | null = null;
  #saidStopping = false;
  #ended = false;
  #cancelResume: (() => void) | null = null;

  constructor(deps: QuicSessionDeps) {
    this.#deps = deps;
    this.#receiver = new SequencedReceiver((ms, run) => deps.clock.schedule(ms, run));
    this.#watch();
    this.#opened = this.#open();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Keeps a message until the node has it. */
  send(message: DownMessage): void {
    if (this.#ended) return;
    try {
      this.#sender.push(downMessage.write(message));
    } catch (error) {
      this.#fail(PalyraError.from(error));
      return;
    }
    if (this.#sender.bytes > HARD_OUTBOUND_BYTES || this.#sender.length > MAX_UNACKNOWLEDGED)
      this.#fail(new PalyraError('RATE_LIMITED', { detail: 'the node does not take what it is sent' }));
  }

  /** The runtime is done with this link; the session is not told again. */
  close(reason: CloseReason): void {
    this.end(closeError(reason));
  }

  /** Ends it; the node is told after what was sent. */
  end(error: PalyraError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelResume?.();
    this.#receiver.stop();
    this.#sender.finish(error === null ? writeAnswer('end', empty, {}) : writeError(error));
    this.#publish?.deafen(STREAM_REPLACED);
    this.#publish?.end();
    this.#publish = null;
    this.#deps.onEnded();
  }

  drop(): void {
    this.#lost();
    this.#sender.clear();
  }

  /** Whether everything after `seq` can still be sent. */
  canResume(seq: number): boolean {
    return this.#sender.canGoOnAfter(seq);
  }

  /** This stream carries the messages down from now on, after `seq`. */
  stream(channel: MessageChannel, seq: number, carrier: object): void {
    this.#events?.abort(STREAM_REPLACED);
    this.#events = channel;
    this.#carrier = carrier;
    this.#watch();
    const gone = () => {
      if (this.#events !== channel) return;
      this.#events = null;
      this.#sender.detach(channel);
      this.#watch();
    };
    channel.read({
      message: (value) => this.#guard(() => this.#sender.acknowledged(value)),
      // The node has nothing more to acknowledge, or has lost the connection.
      end: () => undefined,
      failed: (error) => {
        if (isBadMessage(error)) this.#fail(error);
        gone();
      },
    });
    this.#say(channel, writeAnswer('stream', ackAnswer, { ack: seq }));
    this.#sender.attach(channel, seq);
  }

  /** This stream brings the messages up from now on. */
  async publish(channel: MessageChannel): Promise<void> {
    if (!this.#ended) {
      this.#publish?.abort(STREAM_REPLACED);
      this.#publish = channel;
      this.#watch();
    }
    // A node need not wait for the answer: what came with the request waits here, the rest in the window of the stream.
    const early: JsonValue[] = [];
    let ready = false;
    let finished = false;
    channel.read({
      message: (value) => (ready ? this.#guard(() => this.#take(value)) : void early.push(value)),
      end: () => (ready ? this.#lost() : void (finished = true)),
      failed: (error) => {
        if (this.#publish !== channel) return;
        this.#publish = null;
        if (isBadMessage(error)) this.#fail(error);
        this.#watch();
      },
    });
    channel.pause();
    await this.#opened;
    if (this.#ended || this.#publish !== channel) {
      channel.deafen(STREAM_REPLACED);
      channel.end();
      return;
    }
    this.#say(channel, writeAnswer('publishing', ackAnswer, { ack: this.#receiver.have }));
    this.#receiver.attach(channel);
    ready = true;
    for (const value of early) this.#guard(() => this.#take(value));
    if (finished) this.#lost();
    else channel.resume();
  }

  /** The node has closed a connection of its own will: if that carried this session, it does not come back. */
  left(carrier: object): void {
    if (this.#carrier === carrier) this.#lost();
  }

  async #open(): Promise<void> {
    try {
      const session = await this.#deps.open(this);
      if (this.#ended) session.closed('lost');
      else this.#session = session;
    } catch (error) {
      this.end(PalyraError.from(error));
    }
  }

  #take(value: JsonValue): void {
    const message = this.#receiver.take(value);
    if (message === null || this.#ended) return;
    const known = upMessage.read('the message', message);
    if (known.kind === 'hello') throw new PalyraError('MESSAGE_INVALID', { detail: 'a session says hello once' });
    if (known.kind === 'stopping') this.#saidStopping = true;
    this.#session?.receive(known);
  }

  /** Answers of a stream go before anything else on it. */
  #say(channel: MessageChannel, value: JsonValue): void {
    try {
      channel.write(encodeMessage(value));
    } catch {
      // It is over, which its reader is told.
    }
  }

  #guard(take: () => void): void {
    try {
      take();
    } catch (error) {
      this.#fail(PalyraError.from(error));
    }
  }

  /** Both streams are needed; without one of them time runs. */
  #watch(): void {
    if (this.#ended) return;
    if (this.#events !== null && this.#publish !== null) {
      this.#cancelResume?.();
      this.#cancelResume = null;
      this.uncarriedSince = null;
      return;
    }
    this.uncarriedSince ??= this.#deps.clock.monotonic();
    this.#cancelResume ??= this.#deps.clock.schedule(RESUME_MS, () => this.drop());
  }

  /** The node's side ended it. */
  #lost(error: PalyraError | null = null): void {
    if (this.#ended) return;
    this.#session?.closed(this.#saidStopping ? 'stopped' : 'lost');
    this.end(error);
  }

  #fail(error: PalyraError): void {
    this.#lost(error);
  }
}

function isBadMessage({ reason }: PalyraError): boolean {
  return reason === 'MESSAGE_INVALID' || reason === 'MESSAGE_TOO_LARGE';
}
