/**
 * What starts, stops: in reverse, once. A composition root collects the parts it made here and closes them together.
 * A part that fails to stop does not keep the others from stopping; all failures are reported at the end.
 */
export type Stop = () => void | Promise<void>;

export class Lifecycle {
  readonly #stops: { readonly name: string; readonly stop: Stop }[] = [];
  #closing: Promise<void> | null = null;

  /** Registers what undoes a start. After `close` began it is stopped at once. */
  add(name: string, stop: Stop): void {
    if (this.#closing !== null) {
      void Promise.resolve().then(stop);
      return;
    }
    this.#stops.push({ name, stop });
  }

  /** Stops everything in reverse order. Safe to call more than once: later calls wait for the first. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const { name, stop } of this.#stops.reverse()) {
      try {
        await stop();
      } catch (error) {
        failures.push(new Error(`stopping ${name} failed`, { cause: error }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything could be stopped');
  }
}

/** What `close` rejected with, part by part: what was being done, and why it failed. */
export function stopFailures(error: unknown): readonly { readonly what: string; readonly cause: unknown }[] {
  if (!(error instanceof AggregateError)) return [{ what: 'not everything could be stopped', cause: error }];
  return (error.errors as readonly Error[]).map(({ message, cause }) => ({ what: message, cause }));
}

/** A promise with its handles outside, for waits that another part ends. */
export class Deferred<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  reject!: (error: unknown) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/**
 * Resolves when everything that this turn of the event loop brought has been handled: what many messages ask for can then be done once for all of them.
 * No delay: with nothing else to do it is the next thing that happens, behind what was written to sockets meanwhile.
 */
export function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
