/**
 * What was sent by number and is not acknowledged yet, so that it can be sent again: the sender's half of a link that survives its connections.
 *
 *   1 … acknowledged │ acknowledged+1 … last      (only the right part is kept)
 *
 * It decides; it sends nothing. How much may be kept is its owner's business, who sees `bytes` and `length`.
 */
interface Kept<T> {
  readonly item: T;
  readonly bytes: number;
}

export class SendWindow<T> {
  #kept: Kept<T>[] = [];
  #acknowledged = 0;
  #bytes = 0;

  /** Numbers what is sent next, from 1. */
  push(item: T, bytes: number): number {
    this.#kept.push({ item, bytes });
    this.#bytes += bytes;
    return this.last;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** The number of the newest; 0 before the first. */
  get last(): number {
    return this.#acknowledged + this.#kept.length;
  }

  get length(): number {
    return this.#kept.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Undefined when it is acknowledged or was never sent. */
  at(seq: number): { readonly item: T; readonly bytes: number } | undefined {
    return this.#kept[seq - this.#acknowledged - 1];
  }

  /** Everything up to `seq` has arrived. False, and nothing done, when that was never sent. */
  acknowledge(seq: number): boolean {
    if (seq > this.last) return false;
    if (seq <= this.#acknowledged) return true;
    const gone = this.#kept.splice(0, seq - this.#acknowledged);
    for (const { bytes } of gone) this.#bytes -= bytes;
    this.#acknowledged = seq;
    return true;
  }

  /** Keeps nothing any more; the numbers go on. */
  clear(): void {
    this.acknowledge(this.last);
  }
}
