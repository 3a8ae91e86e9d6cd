/**
 * Which transport a node's link uses, and why. It decides and remembers; it opens nothing and sets no timer.
 *
 *   usable ──failed while another was welcomed, or cut again and again──► held back ──time over──► usable, on probation
 *      ▲                                                                    (longer each time)          │
 *      └───────────────────────────── served for long ──────────────────────────────────────────────────┘
 *
 * A transport that does not work is held back only when another one does: while the daemon is away all of them fail, and that says nothing about them.
 */
import { toTimestamp, type Clock } from '../base/clock.js';
import { PalyraError, type Reason } from '../base/errors.js';
import type { LinkTransport, TransportMode } from '../base/transports.js';
import type { Random } from '../base/random.js';
import { isUnreachable } from '../base/unreachable.js';

/**
 * Best first. The stream: when a process dies, TCP says so at once (over UDP only silence does, after seconds), and Node keeps its HTTP/2 and TLS patched.
 * QUIC where streams are cut or TCP does not pass; it does not stall behind a lost packet. Polling needs a call for each message.
 */
const PREFERENCE: readonly LinkTransport[] = ['grpc', 'quic', 'poll'];

/** What a better transport is ahead of the next one, when both are tried side by side. */
export const HEAD_START_MS = 300;
/**
 * When those before it have not even failed by then, what is held back (or polls) is tried beside them, if it goes another way than they do: a network that
 * swallows datagrams says nothing, and the time of the whole try must not be spent on waiting for that. Several round trips of any path.
 */
export const LAST_RESORT_MS = 2_000;
/** A winner that needed longer for itself began in a network that was dark for everybody: who lost then is looked at again soon, and nothing is held against it. */
export const DARK_MS = 1_000;
const LOOK_AGAIN_MS = 5_000;
/** A link that ended sooner was cut; one that stood that long served. */
const SHORT_MS = 10_000;
const LONG_MS = 60_000;
/** So many cuts, and the transport is held back; one is enough on probation. */
const CUTS = 3;
const CUT_WINDOW_MS = 60_000;
const HOLD_BASE_MS = 60_000;
const HOLD_CAP_MS = 3_600_000;

const NAMES: Readonly<Record<LinkTransport, string>> = { quic: 'QUIC', grpc: 'the stream', poll: 'polling' };

export interface TransportView {
  readonly mode: TransportMode;
  /** Null while no link is up. */
  readonly used: LinkTransport | null;
  /** For people, like "the stream was cut 3 times within 10 s". */
  readonly why: string;
  readonly failures: readonly {
    readonly transport: LinkTransport;
    readonly at: string;
    readonly reason: Reason;
    readonly message: string;
    /** Null when it may be used again. */
    readonly heldUntil: string | null;
  }[];
}

export interface Candidate {
  readonly transport: LinkTransport;
  /** When it starts beside the others; null: only when those before it do not work. */
  readonly startAfterMs: number | null;
}

interface Memory {
  /** When it was cut and for how long it had stood; monotonic milliseconds. */
  cuts: { readonly at: number; readonly onlineMs: number }[];
  holds: number;
  /** Monotonic milliseconds; null when it is not held back. */
  heldUntil: number | null;
  why: string;
  failure: { readonly at: number; readonly error: PalyraError } | null;
}

export interface ChooserDeps {
  readonly clock: Clock;
  readonly random: Random;
}

export class TransportChooser {
  readonly #deps: ChooserDeps;
  readonly #mode: TransportMode;
  readonly #transports: readonly LinkTransport[];
  readonly #memory: ReadonlyMap<LinkTransport, Memory>;
  /** Since the last plan. */
  readonly #failed = new Set<LinkTransport>();
  /** Of the last plan. */
  #lastResort: LinkTransport | null = null;
  #used: LinkTransport | null = null;
  #out: { readonly transport: LinkTransport; readonly why: string } | null = null;

  /** Throws QUIC_UNAVAILABLE or CONFIG_INVALID when the one that was asked for is not there. */
  constructor(
    deps: ChooserDeps,
    options: { readonly mode: TransportMode; readonly available: readonly LinkTransport[] },
  ) {
    this.#deps = deps;
    this.#mode = options.mode;
    this.#transports = transportsFor(options.mode, options.available);
    this.#memory = new Map(
      this.#transports.map((each) => [each, { cuts: [], holds: 0, heldUntil: null, why: '', failure: null }]),
    );
  }

  /** What to try now, in this order; `out` cannot be used on the way that is taken now. */
  plan(out: { readonly transport: LinkTransport; readonly why: string } | null = null): Candidate[] {
    this.#used = null;
    this.#out = out;
    this.#failed.clear();
    const held = (each: LinkTransport) => this.#isHeld(each);
    const possible = this.#transports.filter((each) => each !== out?.transport);
    const order = [...possible.filter((each) => !held(each)), ...possible.filter(held)];
    this.#lastResort = null;
    return order.map((transport, index) => {
      if (index === 0) return { transport, startAfterMs: 0 };
      if (transport !== 'poll' && !held(transport)) return { transport, startAfterMs: index * HEAD_START_MS };
      // Polling goes where the stream goes: beside it, it would find out nothing.
      const sameWay = order.slice(0, index).some((each) => wayOf(each) === wayOf(transport));
      if (sameWay) return { transport, startAfterMs: null };
      this.#lastResort = transport;
      return { transport, startAfterMs: LAST_RESORT_MS };
    });
  }

  /** It did not come as far as a welcome. */
  failed(transport: LinkTransport, error: PalyraError): void {
    this.#failed.add(transport);
    this.#of(transport).failure = { at: this.#deps.clock.now(), error };
  }

  /** Its link is up; `beaten` are those that were tried and are not, `tookMs` how long the winner itself took to register. */
  welcomed(transport: LinkTransport, beaten: readonly LinkTransport[], tookMs = 0): void {
    this.#used = transport;
    const wasDark = tookMs > DARK_MS;
    const slower = this.#lastResort === transport && !wasDark ? 'did not answer' : 'was slower';
    for (const each of beaten) {
      if (this.#isHeld(each) || !this.#isBetter(each, transport)) continue;
      const { failure } = this.#of(each);
      const problem =
        failure === null || !this.#failed.has(each)
          ? slower
          : `did not work: ${failure.error.detail ?? failure.error.message}`;
      if (wasDark && !this.#failed.has(each)) this.#lookAgain(each, `${NAMES[each]} ${problem}`);
      else this.#hold(each, `${NAMES[each]} ${problem}`);
    }
  }

  /** The link that was up has ended. True: another transport is next, and there is no need to wait. */
  ended(onlineMs: number, error: PalyraError | null): boolean {
    const transport = this.#used;
    this.#used = null;
    if (transport === null) return false;
    const memory = this.#of(transport);
    if (onlineMs >= LONG_MS) {
      memory.holds = 0;
      memory.cuts = [];
    }
    if (onlineMs >= SHORT_MS || error === null || !isUnreachable(error)) return false;
    const now = this.#deps.clock.monotonic();
    memory.cuts = [...memory.cuts.filter(({ at }) => now - at < CUT_WINDOW_MS), { at: now, onlineMs }];
    memory.failure = { at: this.#deps.clock.now(), error };
    const enough = memory.holds > 0 ? 1 : CUTS;
    if (memory.cuts.length < enough || !this.#hasOther(transport)) return false;
    this.#hold(transport, cutWords(transport, memory.cuts, now));
    memory.cuts = [];
    return true;
  }

  /** When a better transport than the one in use may be tried again; monotonic milliseconds, null for never. */
  retryBetterAt(): number | null {
    const times = this.#better().map((each) => this.#of(each).heldUntil ?? 0);
    return times.length === 0 ? null : Math.min(...times);
  }

  /** The best one that is due, or null. */
  dueBetter(): LinkTransport | null {
    return this.#better().find((each) => !this.#isHeld(each)) ?? null;
  }

  /** It was tried beside the link in use, and does not work yet. */
  stillFailing(transport: LinkTransport, error: PalyraError): void {
    this.failed(transport, error);
    this.#hold(transport, `${NAMES[transport]} did not work: ${error.detail ?? error.message}`);
  }

  view(): TransportView {
    return { mode: this.#mode, used: this.#used, why: this.#why(), failures: this.#failures() };
  }

  #why(): string {
    if (this.#mode !== 'auto') return 'it was asked for';
    if (this.#used === null) return 'no link is up';
    const reasons = this.#better()
      .map((each) => this.#of(each).why)
      .filter((why) => why !== '');
    if (reasons.length === 0) reasons.push('it is the best that works');
    if (this.#out !== null && this.#transports.includes(this.#out.transport)) reasons.push(this.#out.why);
    return reasons.join('; ');
  }

  #failures(): TransportView['failures'] {
    const { clock } = this.#deps;
    return this.#transports.flatMap((transport) => {
      const { failure, heldUntil } = this.#of(transport);
      if (failure === null) return [];
      const { reason, message } = failure.error;
      const until = this.#isHeld(transport) ? clock.now() + heldUntil! - clock.monotonic() : null;
      const at = toTimestamp(failure.at)!;
      return [{ transport, at, reason, message, heldUntil: toTimestamp(until === null ? null : Math.round(until)) }];
    });
  }

  #hold(transport: LinkTransport, why: string): void {
    const { clock, random } = this.#deps;
    const memory = this.#of(transport);
    const ms = Math.min(HOLD_CAP_MS, HOLD_BASE_MS * 2 ** memory.holds);
    memory.holds = Math.min(memory.holds + 1, 16);
    // A fleet behind one router does not come back in one moment.
    memory.heldUntil = clock.monotonic() + ms * (0.75 + random.fraction() / 2);
    memory.why = why;
  }

  #lookAgain(transport: LinkTransport, why: string): void {
    const { clock, random } = this.#deps;
    const heldUntil = clock.monotonic() + LOOK_AGAIN_MS * (0.75 + random.fraction() / 2);
    Object.assign(this.#of(transport), { heldUntil, why });
  }

  #isHeld(transport: LinkTransport): boolean {
    const { heldUntil } = this.#of(transport);
    return heldUntil !== null && heldUntil > this.#deps.clock.monotonic();
  }

  #hasOther(transport: LinkTransport): boolean {
    return this.#transports.some((each) => each !== transport && !this.#isHeld(each));
  }

  #better(): LinkTransport[] {
    const used = this.#used;
    return used === null
      ? []
      : this.#transports.filter((each) => each !== this.#out?.transport && this.#isBetter(each, used));
  }

  #isBetter(transport: LinkTransport, than: LinkTransport): boolean {
    return this.#transports.indexOf(transport) < this.#transports.indexOf(than);
  }

  #of(transport: LinkTransport): Memory {
    return this.#memory.get(transport)!;
  }
}

/** Best first. Throws like the constructor. */
export function transportsFor(mode: TransportMode, available: readonly LinkTransport[]): readonly LinkTransport[] {
  if (mode === 'auto') return PREFERENCE.filter((each) => available.includes(each));
  if (available.includes(mode)) return [mode];
  if (mode === 'quic') throw new PalyraError('QUIC_UNAVAILABLE', { detail: 'this version of palyra has no QUIC link' });
  throw new PalyraError('CONFIG_INVALID', { detail: `the transport ${mode} is not there` });
}

/** Over what it goes: where one of a way is dead, so are the others. */
export function wayOf(transport: LinkTransport): 'udp' | 'tcp' {
  return transport === 'quic' ? 'udp' : 'tcp';
}

function cutWords(transport: LinkTransport, cuts: Memory['cuts'], now: number): string {
  const [first] = cuts;
  const seconds = Math.max(1, Math.ceil((now - first!.at + first!.onlineMs) / 1000));
  const times = cuts.length === 1 ? 'again' : `${cuts.length} times`;
  return `${NAMES[transport]} was cut ${times} within ${seconds} s`;
}
