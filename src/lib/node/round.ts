/**
 * One round over the daemon's addresses, and the stay at the one that answers. A stay may be several sessions: when the certificate was renewed, a session
 * with the new one takes over from the one before, and the daemon always has a link to this node.
 *
 *   old session ──────────────────────── mute ── ended
 *                new session: register ── hello ── welcome: it is the one
 *
 * From the hello on the old session neither hears nor says anything, as if it had been cut then: what the hello tells is true, and nothing runs twice.
 */
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { fullJitterDelayMs, type Random } from '../base/random.js';
import type { DaemonAddresses } from './addresses.js';
import type { AwayDiary } from './away.js';
import { watchForBetterLink } from './better-link.js';
import type { NodeTimings } from './config.js';
import type { LinkFactory } from './link/chosen-link.js';
import type { Registered, Registration } from './link/link.js';
import { runSession, type SessionDeps, type SessionEnd, type StopSignals } from './session.js';
import type { StatusBoard } from './status.js';
import type { TransportChooser } from './transport-chooser.js';

/** A take-over that failed is tried again with full jitter, its ceiling doubles from a second to half a minute; until then the old link goes on. */
const TAKE_OVER_AGAIN = { baseMs: 1_000, capMs: 30_000, floorMs: 50 } as const;

export interface RoundDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly session: SessionDeps;
  readonly addresses: DaemonAddresses;
  readonly registration: () => Registration;
  readonly onFactsChanged: (listener: () => void) => () => void;
  readonly board: StatusBoard;
  readonly chooser: TransportChooser;
  readonly factories: readonly LinkFactory[];
  readonly away: AwayDiary;
  readonly credit: number;
  readonly timings: NodeTimings;
  /** Told when a new certificate is there; returns what ends that. */
  readonly onRenewed: (listener: () => void) => () => void;
  /** Told which CAs to trust from now on. */
  readonly onTrust?: (certificates: readonly string[]) => void;
  /** Told of every link that is up. */
  readonly onOnline: (registered: Registered) => void;
}

interface Turn {
  readonly ended: Promise<SessionEnd>;
  readonly mute: AbortController;
  readonly change: AbortController;
  successor: Turn | null;
}

/** Every endpoint, those that answer first, until one was online or says something that the others would say too. */
export async function runRound(
  deps: RoundDeps,
  options: StopSignals & { readonly endpoints: readonly string[] },
): Promise<SessionEnd> {
  let end: SessionEnd = { onlineMs: null, verdict: 'retry', error: null };
  for (const endpoint of await deps.addresses.inOrder(options.endpoints, options.over)) {
    if (options.over.aborted) break;
    if (!options.stop.aborted) deps.board.connecting(endpoint);
    end = await stay(deps, endpoint, options);
    if (end.onlineMs !== null || end.verdict !== 'retry') break;
  }
  return end;
}

async function stay(deps: RoundDeps, endpoint: string, signals: StopSignals): Promise<SessionEnd> {
  let turn = begin(deps, endpoint, signals, null);
  let onlineMs: number | null = null;
  for (;;) {
    const end = await turn.ended;
    if (end.onlineMs !== null) onlineMs = (onlineMs ?? 0) + end.onlineMs;
    if (turn.successor === null) return { ...end, onlineMs };
    turn = turn.successor;
  }
}

function begin(deps: RoundDeps, endpoint: string, { stop, over }: StopSignals, before: Turn | null): Turn {
  const { clock, random, log, board, chooser, factories, registration, onFactsChanged, credit, timings } = deps;
  let failedTakeOvers = 0;
  let cancelTakeOver = () => {};
  const ends: (() => void)[] = [() => cancelTakeOver()];
  const mute = new AbortController();
  const change = new AbortController();
  const sameWay = factories.find(({ transport }) => transport === chooser.view().used);
  const connect = before === null || sameWay === undefined ? deps.session.connect : sameWay.connect;
  let isOnline = false;
  // The certificate that this turn connects with was replaced before its link was up.
  let isOutdated = false;
  const online = (registered: Registered) => {
    isOnline = true;
    before?.change.abort();
    const { used: transport, why } = chooser.view();
    log.info('online', { endpoint, transport, why, daemon: registered.daemonName, name: registered.name });
    board.online(registered);
    deps.addresses.worked(endpoint);
    deps.onOnline(registered);
    ends.push(
      watchForBetterLink(
        { clock, log, chooser, factories },
        { endpoint, registration, timeoutMs: timings.connectTimeoutMs, onBetter: () => change.abort() },
      ),
      clock.schedule(timings.stableAfterMs, () => board.settled()),
    );
    if (isOutdated) takeOver();
  };
  const takeOver = () => {
    if (turn.successor !== null || stop.aborted) return;
    cancelTakeOver();
    const successor = (turn.successor = begin(deps, endpoint, { stop, over: stop }, turn));
    void successor.ended.then(({ error }) => {
      // It ended before it could say hello: this one goes on. After that there is no way back.
      if (mute.signal.aborted) change.abort();
      else if (turn.successor === successor) {
        turn.successor = null;
        const delayMs = fullJitterDelayMs(failedTakeOvers++, random, TAKE_OVER_AGAIN);
        log.warn('the link with the new certificate did not come up', { err: error, nextTryInMs: delayMs });
        cancelTakeOver = clock.schedule(delayMs, takeOver);
      }
    });
  };
  ends.push(
    deps.onRenewed(() => {
      isOutdated = true;
      if (isOnline) takeOver();
    }),
  );
  const ended = runSession(
    { ...deps.session, connect },
    {
      endpoint,
      registration,
      onFactsChanged,
      credit,
      timings,
      stop,
      over,
      change: change.signal,
      mute: mute.signal,
      onHello: () => before?.mute.abort(),
      onOnline: online,
      news: deps.away,
      onTrust: (certificates) => deps.onTrust?.(certificates),
      onRoundTrip: (rttMs) => board.roundTrip(rttMs),
    },
  ).then((end) => {
    for (const stopIt of ends) stopIt();
    return end;
  });
  const turn: Turn = { ended, mute, change, successor: null };
  return turn;
}
