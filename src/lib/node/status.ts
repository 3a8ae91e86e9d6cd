/** What a running node says about itself: to the terminal it runs in, and through `control.ts` to `palyra node status`. Memory only. */
import { toTimestamp, type Clock } from '../base/clock.js';
import type { PalyraError, Reason } from '../base/errors.js';
import type { RenewalView } from './renewal-schedule.js';
import type { TransportView } from './transport-chooser.js';

export type HostState = 'connecting' | 'online' | 'offline' | 'stopping' | 'conflict';

/** One JSON document; times are RFC 3339. */
export interface HostStatus {
  readonly pid: number;
  readonly version: string;
  readonly deviceId: string;
  readonly name: string;
  readonly state: HostState;
  /** Since when it is in this state. */
  readonly since: string;
  readonly daemon: { readonly name: string; readonly endpoint: string | null };
  readonly transport: TransportView;
  /** From the last heartbeat on this link to the beat that answers it: the same measure over every transport, the daemon's part included. */
  readonly rttMs: number | null;
  /** Answers of the daemon to heartbeats, since this process began. */
  readonly beats: number;
  /** Rounds over the endpoints since the last good link. */
  readonly attempts: number;
  readonly nextTryAt: string | null;
  /** Why it is not online, or why it last was not. */
  readonly lastError: { readonly reason: Reason; readonly message: string } | null;
  readonly certificate: RenewalView;
  /** How far the clock here is from the daemon's, in words; null when that does not matter. */
  readonly clock: string | null;
  readonly capabilities: readonly string[];
  /** Of plugins, off until somebody switches them on here. */
  readonly waiting: readonly string[];
  readonly plugins: PluginsView;
  /** Dispatches at work now. */
  readonly running: number;
}

export interface PluginsView {
  /** That offer something here. */
  readonly loaded: number;
  readonly failed: readonly { readonly name: string; readonly message: string }[];
}

export interface StatusFacts {
  readonly pid: number;
  readonly version: string;
  readonly deviceId: string;
  readonly name: string;
  readonly daemonName: string;
  /** Those that are on now. */
  readonly capabilities: () => readonly string[];
  readonly waiting: () => readonly string[];
  readonly plugins: PluginsView;
}

export class StatusBoard {
  readonly #clock: Clock;
  readonly #running: () => number;
  readonly #transport: () => TransportView;
  readonly #certificate: () => RenewalView;
  readonly #changed: (status: HostStatus) => void;
  #facts: StatusFacts;
  #state: HostState = 'connecting';
  #since: number;
  #endpoint: string | null = null;
  #rttMs: number | null = null;
  #beats = 0;
  #attempts = 0;
  #nextTryAt: number | null = null;
  #lastError: PalyraError | null = null;
  #clockWords: string | null = null;

  /** `changed` is told every change of state, not each round trip. */
  constructor(
    deps: {
      readonly clock: Clock;
      readonly running: () => number;
      readonly transport: () => TransportView;
      readonly certificate: () => RenewalView;
      readonly changed: (status: HostStatus) => void;
    },
    facts: StatusFacts,
  ) {
    this.#clock = deps.clock;
    this.#running = deps.running;
    this.#transport = deps.transport;
    this.#certificate = deps.certificate;
    this.#changed = deps.changed;
    this.#facts = facts;
    this.#since = deps.clock.now();
  }

  view(): HostStatus {
    const { pid, version, deviceId, name, daemonName, capabilities, waiting, plugins } = this.#facts;
    const error = this.#lastError;
    return {
      pid,
      version,
      deviceId,
      name,
      state: this.#state,
      since: toTimestamp(this.#since)!,
      daemon: { name: daemonName, endpoint: this.#endpoint },
      transport: this.#transport(),
      rttMs: this.#rttMs,
      beats: this.#beats,
      attempts: this.#attempts,
      nextTryAt: toTimestamp(this.#nextTryAt),
      lastError: error === null ? null : { reason: error.reason, message: error.message },
      certificate: this.#certificate(),
      clock: this.#clockWords,
      capabilities: capabilities(),
      waiting: waiting(),
      plugins,
      running: this.#running(),
    };
  }

  connecting(endpoint: string): void {
    this.#endpoint = endpoint;
    this.#nextTryAt = null;
    this.#rttMs = null;
    this.#enter('connecting');
  }

  online(names: { readonly name: string; readonly daemonName: string }): void {
    this.#facts = { ...this.#facts, ...names };
    this.#lastError = null;
    this.#enter('online');
  }

  /** What the daemon's time says about the clock here: "7 minutes ahead of". */
  clockIs(words: string | null): void {
    this.#clockWords = words;
  }

  roundTrip(rttMs: number): void {
    this.#beats += 1;
    this.#rttMs = Math.round(rttMs * 10) / 10;
  }

  waiting(state: 'offline' | 'conflict', o: { attempts: number; delayMs: number; error: PalyraError | null }): void {
    this.#attempts = o.attempts;
    this.#nextTryAt = this.#clock.now() + o.delayMs;
    this.#lastError = o.error;
    this.#rttMs = null;
    this.#enter(state);
  }

  stopping(): void {
    this.#nextTryAt = null;
    this.#enter('stopping');
  }

  /** A link that stood for a while: what went wrong before it is over. */
  settled(): void {
    this.#attempts = 0;
  }

  #enter(state: HostState): void {
    if (state !== this.#state) this.#since = this.#clock.now();
    this.#state = state;
    this.#changed(this.view());
  }
}
