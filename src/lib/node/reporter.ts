/**
 * Says what happens to dispatches over whatever link is up. Without a link it says nothing: what is known is in the outbox, and the next Welcome asks for it.
 * Every message carries the epoch of the link it goes over. An outcome is said again until the outbox forgets it.
 */
import type { Clock } from '../base/clock.js';
import type { RejectCause, UpMessage } from '../base/link-messages.js';
import type { Outbox } from './outbox.js';
import type { OutboxEntry } from './outbox-table.js';

type Fenced = Extract<UpMessage, { readonly epoch: number }>;
type Unfenced = Fenced extends infer M ? (M extends Fenced ? Omit<M, 'epoch'> : never) : never;

interface Attempt {
  readonly id: string;
  readonly attempt: number;
}

const MAX_REJECTION_LENGTH = 1_000;

export class Reporter {
  readonly #clock: Clock;
  readonly #outbox: Outbox;
  /** When each outcome was last sent, monotonic milliseconds. */
  readonly #sentAt = new Map<string, number>();
  #link: { readonly epoch: number; readonly send: (message: UpMessage) => void } | null = null;

  constructor(clock: Clock, outbox: Outbox) {
    this.#clock = clock;
    this.#outbox = outbox;
  }

  get attached(): boolean {
    return this.#link !== null;
  }

  attach(epoch: number, send: (message: UpMessage) => void): void {
    this.#link = { epoch, send };
  }

  detach(): void {
    this.#link = null;
  }

  send(message: Unfenced): void {
    if (this.#link !== null) this.#link.send({ ...message, epoch: this.#link.epoch });
  }

  /** What the outbox says of it: its outcome, or how far it is. */
  report({ id, attempt, outcome, phase }: OutboxEntry): void {
    if (outcome !== null) {
      this.#sentAt.set(id, this.#clock.monotonic());
      this.send({ ...outcome, id, attempt });
    } else if (phase === 'started') this.send({ kind: 'started', id, attempt });
    else this.send({ kind: 'received', id, attempt });
  }

  reject({ id, attempt }: Attempt, cause: RejectCause, message: string): void {
    this.send({ kind: 'rejected', id, attempt, cause, message: message.slice(0, MAX_REJECTION_LENGTH) });
  }

  cancelled({ id, attempt }: Attempt, started: boolean): void {
    this.send({ kind: 'cancelled', id, attempt, started });
  }

  /** Sends the outcomes again that have waited that long to be confirmed: the daemon may have been unable to write. */
  resend(afterMs: number): void {
    const before = this.#clock.monotonic() - afterMs;
    for (const [id, sentAt] of this.#sentAt) {
      const entry = this.#outbox.get(id);
      if (entry === undefined) this.#sentAt.delete(id);
      else if (sentAt <= before) this.report(entry);
    }
  }
}
