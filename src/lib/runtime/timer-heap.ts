/**
 * A binary min-heap of (time, id) for deadlines. Entries are never removed when they lose their meaning: whoever pops one asks whether it still holds.
 * Push and pop are O(log n); nothing is scanned, so upkeep does not grow with what is merely open.
 */
export interface TimerEntry {
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly id: string;
}

export class TimerHeap {
  readonly #entries: TimerEntry[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** The earliest entry's time, or null. */
  next(): number | null {
    return this.#entries[0]?.at ?? null;
  }

  push(at: number, id: string): void {
    const entries = this.#entries;
    let index = entries.push({ at, id }) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (entries[parent]!.at <= entries[index]!.at) break;
      [entries[parent], entries[index]] = [entries[index]!, entries[parent]!];
      index = parent;
    }
  }

  /** Removes and returns the earliest entry if its time has come. */
  popDue(now: number): TimerEntry | null {
    const entries = this.#entries;
    const first = entries[0];
    if (first === undefined || first.at > now) return null;
    const last = entries.pop()!;
    if (entries.length === 0) return first;
    entries[0] = last;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      let least = index;
      if (left < entries.length && entries[left]!.at < entries[least]!.at) least = left;
      if (right < entries.length && entries[right]!.at < entries[least]!.at) least = right;
      if (least === index) return first;
      [entries[least], entries[index]] = [entries[index]!, entries[least]!];
      index = least;
    }
  }

  clear(): void {
    this.#entries.length = 0;
  }
}
