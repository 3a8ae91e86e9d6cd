/**
 * Drives the connections of one endpoint: once per turn of the event loop, however many datagrams the turn brought, and once after the code that writes.
 *
 * Three things make the difference between this and a flush per packet:
 *   - Everything that arrived in a turn is answered together; everything that was written in one go, its continuations included, leaves together.
 *   - An acknowledgement with nothing beside it waits for company: up to 8 packets, or 4 ms while little arrives (the peer is told 25 ms), or one idle
 *     turn while much arrives, because a window update that waits would stall a bulk transfer.
 *   - A timer is never cancelled because its time moved back: it fires, sees that there is more time, and is set again.
 *
 * Every connection has at most one timer, held acknowledgements share one. After `stop` there is none.
 */
import type { Clock } from '../base/clock.js';
import type { DatagramSink, QuicConnection } from './connection.js';

const MAX_HELD_PACKETS = 8;
const HOLD_MS = 4;
/**
 * So many datagrams are acted on at once, in the middle of a turn: the sender's window is moved while it still has some. The library doubles its windows,
 * which begin at 32 KB, only when it moves them twice within two round trips; one move a turn would leave them there.
 */
const MAX_PACKETS_UNANSWERED = 8;
/** Above this many stream bytes since the last flush it is a bulk transfer. */
const BULK_BYTES = 4096;
/** Rounds of one turn in which connections wake each other; more wait for the next turn, so that sockets are read in between. */
const MAX_ROUNDS = 4;

interface Slot {
  queued: boolean;
  /** When an acknowledgement began to wait, or null. */
  heldSince: number | null;
  /** Packets at the last look, to see whether a turn brought none. */
  packetsSeen: number;
  timerAt: number;
  cancelTimer: (() => void) | null;
}

export class EndpointLoop {
  readonly #clock: Clock;
  readonly #sink: DatagramSink;
  readonly #onGone: (connection: QuicConnection) => void;
  readonly #slots = new Map<QuicConnection, Slot>();
  #dirty: QuicConnection[] = [];
  #held = new Set<QuicConnection>();
  #cancelHold: (() => void) | null = null;
  #immediate: NodeJS.Immediate | null = null;
  #ticking = false;
  #turning = false;
  #stopped = false;

  constructor(
    deps: { readonly clock: Clock },
    options: { readonly sink: DatagramSink; readonly onGone: (connection: QuicConnection) => void },
  ) {
    this.#clock = deps.clock;
    this.#sink = options.sink;
    this.#onGone = options.onGone;
  }

  /** There is something to do for this connection in this turn. */
  wake(connection: QuicConnection): void {
    if (this.#stopped) return;
    const slot = this.#slot(connection);
    if (slot.queued) return;
    slot.queued = true;
    this.#dirty.push(connection);
    this.#schedule();
  }

  /** A datagram was handed to the connection. */
  arrived(connection: QuicConnection): void {
    this.wake(connection);
    if (connection.packetsSinceFlush < MAX_PACKETS_UNANSWERED) return;
    const slot = this.#slots.get(connection);
    const now = this.#clock.monotonic();
    connection.process(now);
    if (slot !== undefined) this.#flush(connection, slot, now);
  }

  /** Something was written. It leaves when the code that runs now and the promises that it settled are through, which may well write more. */
  wakeForWrite(connection: QuicConnection): void {
    this.wake(connection);
    if (this.#ticking || this.#turning || this.#stopped) return;
    this.#ticking = true;
    process.nextTick(this.#tick);
  }

  /** Processes and flushes at once: for what must be out before the socket closes. */
  flushNow(connection: QuicConnection): void {
    const now = this.#clock.monotonic();
    connection.process(now);
    while (connection.flush(this.#sink, now)) {
      // Until everything is out.
    }
  }

  /** The connection needs no more turns. */
  remove(connection: QuicConnection): void {
    this.#slots.get(connection)?.cancelTimer?.();
    this.#slots.delete(connection);
    this.#held.delete(connection);
  }

  stop(): void {
    this.#stopped = true;
    for (const slot of this.#slots.values()) slot.cancelTimer?.();
    this.#slots.clear();
    this.#held.clear();
    this.#dirty = [];
    this.#cancelHold?.();
    this.#cancelHold = null;
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#immediate = null;
  }

  #schedule(): void {
    this.#immediate ??= setImmediate(this.#turn);
  }

  readonly #tick = (): void => {
    this.#ticking = false;
    if (this.#immediate === null) return; // its turn came first
    clearImmediate(this.#immediate);
    this.#turn();
  };

  readonly #turn = (): void => {
    this.#immediate = null;
    this.#turning = true;
    const later: QuicConnection[] = [];
    for (let round = 0; round < MAX_ROUNDS && this.#dirty.length > 0; round++) {
      const batch = this.#dirty;
      this.#dirty = [];
      const now = this.#clock.monotonic();
      for (const connection of batch) {
        const slot = this.#slots.get(connection);
        if (slot === undefined) continue;
        slot.queued = false;
        connection.process(now);
        if (!this.#mayWait(connection, slot, now, later)) this.#flush(connection, slot, now);
      }
    }
    for (const connection of later) this.wake(connection);
    this.#turning = false;
    if (this.#dirty.length > 0 && !this.#stopped) this.#schedule();
  };

  #mayWait(connection: QuicConnection, slot: Slot, now: number, later: QuicConnection[]): boolean {
    const packets = connection.packetsSinceFlush;
    if (!connection.onlyAcknowledges || packets >= MAX_HELD_PACKETS) return false;
    if (connection.bytesSinceFlush < BULK_BYTES) {
      slot.heldSince ??= now;
      this.#held.add(connection);
      this.#cancelHold ??= this.#clock.schedule(HOLD_MS, this.#release);
      return true;
    }
    if (packets === slot.packetsSeen) return false;
    slot.packetsSeen = packets;
    later.push(connection);
    return true;
  }

  /** Flushes whose acknowledgement has waited long enough. */
  readonly #release = (): void => {
    this.#cancelHold = null;
    const now = this.#clock.monotonic();
    let first = Infinity;
    for (const connection of this.#held) {
      const slot = this.#slots.get(connection);
      if (slot === undefined || slot.heldSince === null) this.#held.delete(connection);
      else if (slot.heldSince <= now - HOLD_MS + 0.5) this.#flush(connection, slot, now);
      else first = Math.min(first, slot.heldSince);
    }
    if (first < Infinity && !this.#stopped) {
      this.#cancelHold = this.#clock.schedule(Math.max(1, first + HOLD_MS - now), this.#release);
    }
  };

  #flush(connection: QuicConnection, slot: Slot, now: number): void {
    if (slot.heldSince !== null) {
      slot.heldSince = null;
      this.#held.delete(connection);
    }
    slot.packetsSeen = 0;
    if (connection.flush(this.#sink, now)) this.wake(connection);
    if (connection.isGone) {
      this.remove(connection);
      this.#onGone(connection);
      return;
    }
    this.#arm(connection, slot, now);
  }

  #arm(connection: QuicConnection, slot: Slot, now: number): void {
    const { deadline } = connection;
    if (deadline >= slot.timerAt - 1 || this.#stopped) return;
    slot.cancelTimer?.();
    slot.timerAt = deadline;
    slot.cancelTimer = this.#clock.schedule(Math.max(1, Math.ceil(deadline - now)), () => {
      slot.timerAt = Infinity;
      slot.cancelTimer = null;
      this.#expire(connection, slot);
    });
  }

  #expire(connection: QuicConnection, slot: Slot): void {
    const now = this.#clock.monotonic();
    if (now < connection.deadline) {
      this.#arm(connection, slot, now);
      return;
    }
    connection.expire(now);
    connection.process(now);
    this.#flush(connection, slot, now);
  }

  #slot(connection: QuicConnection): Slot {
    let slot = this.#slots.get(connection);
    if (slot === undefined) {
      slot = { queued: false, heldSince: null, packetsSeen: 0, timerAt: Infinity, cancelTimer: null };
      this.#slots.set(connection, slot);
    }
    return slot;
  }
}
