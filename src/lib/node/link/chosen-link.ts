/**
 * One link made of several candidates: the first that works carries it. To the session it is one try like any other.
 *
 *   register: side by side, the better one ahead; the first that is answered wins; where all of them are silent, the last resort too
 *   open:     the winner; without a welcome within `WELCOME_MS` the next one says the same hello, in its place
 *
 * A refusal of the daemon is the answer, whatever it came over: only what the network did is tried again over something else. Nothing can be lost by that:
 * before the welcome no dispatch travels, and a daemon lets the newer of two sessions take over.
 */
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import { Deferred } from '../../base/lifecycle.js';
import type { Hello, UpMessage } from '../../base/link-messages.js';
import type { LinkTransport } from '../../base/transports.js';
import { isUnreachable } from '../../base/unreachable.js';
import { wayOf, type TransportChooser } from '../transport-chooser.js';
import { quicRefused, type LeftOut } from './left-out.js';
import type { LinkConnector, LinkHandlers, LinkStream, NodeLink, Registered, Registration } from './link.js';

export interface LinkFactory {
  readonly transport: LinkTransport;
  readonly connect: LinkConnector;
}

/** Shorter than what a session grants for a welcome, so that the next one has time too. */
export const WELCOME_MS = 3_000;

interface Candidate {
  readonly transport: LinkTransport;
  readonly startAfterMs: number | null;
  readonly link: NodeLink;
  state: 'waiting' | 'trying' | 'registered' | 'failed';
  /** What registering took, milliseconds; 0 while that is not known. */
  tookMs: number;
}

export interface ChosenLinkDeps {
  readonly clock: Clock;
  readonly chooser: TransportChooser;
  /** What cannot be used to get to an address. */
  readonly leaveOut?: (endpoint: string) => LeftOut | null;
}

export function chosenLinks(deps: ChosenLinkDeps, factories: readonly LinkFactory[]): LinkConnector {
  return (endpoint) => {
    const out = deps.leaveOut?.(endpoint) ?? null;
    const plan = deps.chooser.plan(out);
    if (plan.length === 0) throw quicRefused(endpoint, out?.why ?? '');
    const candidates = plan.map(({ transport, startAfterMs }): Candidate => {
      const factory = factories.find((each) => each.transport === transport);
      if (factory === undefined) throw new PalyraError('INTERNAL', { detail: `no factory for ${transport}` });
      return { transport, startAfterMs, link: factory.connect(endpoint), state: 'waiting', tookMs: 0 };
    });
    return new ChosenLink(endpoint, candidates, deps);
  };
}

class ChosenLink implements NodeLink {
  readonly endpoint: string;
  readonly #candidates: readonly Candidate[];
  readonly #deps: ChosenLinkDeps;
  #cancelWelcome: () => void = () => undefined;
  #current: { readonly candidate: Candidate; stream: LinkStream | null } | null = null;
  #tried = new Set<LinkTransport>();
  #destroyed = false;

  constructor(endpoint: string, candidates: readonly Candidate[], deps: ChosenLinkDeps) {
    this.endpoint = endpoint;
    this.#candidates = candidates;
    this.#deps = deps;
  }

  async register(registration: Registration, signal: AbortSignal): Promise<Registered> {
    signal.throwIfAborted();
    // Again, because what the machine offers has changed: over the link that stands.
    if (this.#current !== null) return this.#current.candidate.link.register(registration, signal);
    const { clock, chooser } = this.#deps;
    const won = new Deferred<Registered>();
    const race = new AbortController();
    const onAbort = () => won.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const stops: (() => void)[] = [];
    let first: PalyraError | null = null;
    const start = (candidate: Candidate) => {
      if (candidate.state !== 'waiting' || race.signal.aborted) return;
      candidate.state = 'trying';
      this.#tried.add(candidate.transport);
      const startedAt = clock.monotonic();
      candidate.link.register(registration, race.signal).then(
        (registered) => {
          if (race.signal.aborted) return;
          candidate.state = 'registered';
          candidate.tookMs = clock.monotonic() - startedAt;
          won.resolve(registered);
        },
        (cause: unknown) => {
          // It lost, and may still be needed.
          if (race.signal.aborted) return;
          const error = PalyraError.from(cause);
          candidate.state = 'failed';
          first ??= error;
          chooser.failed(candidate.transport, error);
          const next = isOfTheNetwork(error) ? this.#nextToRegister() : undefined;
          if (!isOfTheNetwork(error)) won.reject(error);
          else if (next !== undefined) start(next);
          else if (!this.#candidates.some(({ state }) => state === 'trying')) won.reject(first);
        },
      );
    };
    try {
      for (const candidate of this.#candidates) {
        if (candidate.startAfterMs === 0) start(candidate);
        else if (candidate.startAfterMs !== null) {
          stops.push(clock.schedule(candidate.startAfterMs, () => start(candidate)));
        }
      }
      return await won.promise;
    } finally {
      for (const stop of stops) stop();
      signal.removeEventListener('abort', onAbort);
      race.abort(new PalyraError('CANCELLED'));
    }
  }

  open(hello: Hello, handlers: LinkHandlers): LinkStream {
    const winner = this.#candidates.find(({ state }) => state === 'registered') ?? this.#candidates[0]!;
    this.#openOn(winner, hello, handlers);
    const stream = () => this.#current?.stream;
    return {
      send: (message: UpMessage) => stream()?.send(message),
      get congested() {
        return stream()?.congested ?? false;
      },
      finish: () => stream()?.finish(),
    };
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#cancelWelcome();
    for (const { link } of this.#candidates) link.destroy();
  }

  #openOn(candidate: Candidate, hello: Hello, handlers: LinkHandlers): void {
    const { chooser, clock } = this.#deps;
    const current = { candidate, stream: null as LinkStream | null };
    this.#current = current;
    this.#tried.add(candidate.transport);
    let welcomed = false;
    const isCurrent = () => this.#current === current && !this.#destroyed;
    const next = this.#nextToOpen(candidate);
    const replace = (error: PalyraError) => {
      this.#cancelWelcome();
      chooser.failed(candidate.transport, error);
      candidate.state = 'failed';
      candidate.link.destroy();
      this.#openOn(next!, hello, handlers);
    };
    current.stream = candidate.link.open(hello, {
      message: (message) => {
        if (!isCurrent()) return;
        if (message.kind === 'welcome' && !welcomed) {
          welcomed = true;
          this.#cancelWelcome();
          for (const other of this.#candidates) if (other !== candidate) other.link.destroy();
          chooser.welcomed(candidate.transport, [...this.#tried], candidate.tookMs);
        }
        handlers.message(message);
      },
      ended: (error) => {
        if (!isCurrent()) return;
        this.#cancelWelcome();
        const cut = error ?? new PalyraError('DAEMON_UNREACHABLE', { detail: `${this.endpoint}: the link was closed` });
        if (!welcomed && next !== undefined && isOfTheNetwork(cut)) replace(cut);
        else handlers.ended(error);
      },
    });
    if (next === undefined) return;
    const silent = new PalyraError('DAEMON_UNREACHABLE', { detail: `${this.endpoint}: no welcome came in time` });
    this.#cancelWelcome = clock.schedule(WELCOME_MS, () => replace(silent));
  }

  /** Over a way that has not failed yet: the stream and polling register by the same call. */
  #nextToRegister(): Candidate | undefined {
    const failed = this.#candidates.filter(({ state }) => state === 'failed').map(({ transport }) => wayOf(transport));
    return this.#candidates.find(({ state, transport }) => state === 'waiting' && !failed.includes(wayOf(transport)));
  }

  #nextToOpen(candidate: Candidate): Candidate | undefined {
    return this.#candidates.find((each) => each !== candidate && each.state !== 'failed');
  }
}

function isOfTheNetwork({ reason }: PalyraError): boolean {
  return isUnreachable({ reason }) || reason === 'QUIC_UNAVAILABLE' || reason === 'CANCELLED';
}
