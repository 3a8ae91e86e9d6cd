/**
 * Numbered messages over streams that come and go: each is sent until it is acknowledged and taken once. Both ends of a link use both halves.
 *
 *   sender     1 … acknowledged │ … given to the stream │ … waiting for the stream
 *   receiver   1 … have │ next
 */
import { invalid } from '../../base/fields.js';
import type { JsonValue } from '../../base/model.js';
import { SendWindow } from '../../base/send-window.js';
import type { MessageChannel } from './channel.js';
import { encodeMessage } from './parts.js';
import { object, readObject, whole } from './shape.js';

const seqShape = whole(1, Number.MAX_SAFE_INTEGER);
const ackShape = object({ ack: whole(0, Number.MAX_SAFE_INTEGER) });

export class SequencedSender {
  readonly #window = new SendWindow<Buffer>();
  #channel: MessageChannel | null = null;
  #next = 1;
  #blocked = false;
  #last: { readonly value: JsonValue | undefined } | null = null;
  #lastSent = false;

  get bytes(): number {
    return this.#window.bytes;
  }

  get length(): number {
    return this.#window.length;
  }

  /** Throws MESSAGE_TOO_LARGE, with nothing sent. */
  push(message: JsonValue): void {
    if (this.#last !== null) return;
    const encoded = encodeMessage({ seq: this.#window.last + 1, message });
    this.#window.push(encoded, encoded.length);
    this.#pump();
  }

  /** What follows the last message: these words, or nothing but the end of the stream. */
  finish(value?: JsonValue): void {
    if (this.#last !== null) return;
    this.#last = { value };
    this.#pump();
  }

  /** Whether everything after `seq` is still here. */
  canGoOnAfter(seq: number): boolean {
    return seq >= this.#window.acknowledged && seq <= this.#window.last;
  }

  /** Sends over this stream from now on, beginning after `seq`, which has arrived. Check `canGoOnAfter` first. */
  attach(channel: MessageChannel, seq: number): void {
    this.#window.acknowledge(seq);
    this.#channel = channel;
    this.#next = seq + 1;
    this.#blocked = false;
    this.#lastSent = false;
    this.#pump();
  }

  /** The stream is gone, if it is the one. */
  detach(channel: MessageChannel | null): void {
    if (this.#channel === channel) this.#channel = null;
  }

  /** Reads `{"ack": n}`. Throws MESSAGE_INVALID, also for what was never sent. */
  acknowledged(value: JsonValue): void {
    const { ack } = ackShape.read('the acknowledgement', value);
    if (ack >= this.#next || !this.#window.acknowledge(ack)) throw invalid('ack', 'is of the future');
  }

  /** Keeps nothing any more. */
  clear(): void {
    this.#window.clear();
    this.#next = this.#window.last + 1;
  }

  #pump(): void {
    const channel = this.#channel;
    if (channel === null || this.#blocked) return;
    for (let kept = this.#window.at(this.#next); kept !== undefined; kept = this.#window.at(this.#next)) {
      this.#next += 1;
      if (this.#write(channel, kept.item)) continue;
      if (this.#channel === channel) this.#wait(channel);
      return;
    }
    if (this.#last === null || this.#lastSent) return;
    this.#lastSent = true;
    channel.end(this.#last.value);
  }

  #write(channel: MessageChannel, encoded: Buffer): boolean {
    try {
      return channel.write(encoded);
    } catch {
      // The stream is over, which its reader learns too; everything is still in the window.
      this.detach(channel);
      return false;
    }
  }

  #wait(channel: MessageChannel): void {
    this.#blocked = true;
    channel.drained().then(
      () => {
        if (this.#channel !== channel) return;
        this.#blocked = false;
        this.#pump();
      },
      () => this.detach(channel),
    );
  }
}

/** Acknowledges at the latest after this long, or so many messages. */
export const ACK_AFTER_MS = 50;
const ACK_AFTER_MESSAGES = 32;

export class SequencedReceiver {
  readonly #schedule: (ms: number, run: () => void) => () => void;
  #channel: MessageChannel | null = null;
  #have = 0;
  #said = 0;
  #cancel: (() => void) | null = null;

  constructor(schedule: (ms: number, run: () => void) => () => void) {
    this.#schedule = schedule;
  }

  /** Everything up to this number is here. */
  get have(): number {
    return this.#have;
  }

  attach(channel: MessageChannel): void {
    this.#channel = channel;
    this.#said = this.#have;
  }

  /** Reads `{"seq": n, "message": …}`: the message when it is the next, null when it has come before. Throws MESSAGE_INVALID for a hole. */
  take(value: JsonValue): JsonValue | null {
    const { seq: given, message, ...rest } = readObject('the message', value);
    if (given === undefined || message === undefined || Object.keys(rest).length > 0)
      throw invalid('the message', 'is not a number and what it is the number of');
    const seq = seqShape.read('seq', given);
    if (seq > this.#have + 1) throw invalid('seq', 'leaves out a message');
    if (seq <= this.#have) return null;
    this.#have = seq;
    this.#acknowledge();
    return message;
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#channel = null;
  }

  #acknowledge(): void {
    if (this.#have - this.#said >= ACK_AFTER_MESSAGES) this.#say();
    else this.#cancel ??= this.#schedule(ACK_AFTER_MS, () => this.#say());
  }

  #say(): void {
    this.#cancel?.();
    this.#cancel = null;
    if (this.#channel === null || this.#said === this.#have) return;
    this.#said = this.#have;
    try {
      this.#channel.write(encodeMessage({ ack: this.#have }));
    } catch {
      // The next stream says it.
    }
  }
}
