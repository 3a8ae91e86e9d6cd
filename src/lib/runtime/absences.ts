/**
 * When nodes were away, and why. The daemon sees that a link ends; the reason is settled when the node is back, from what both know: whether the daemon ran,
 * whether it is the same process, and what the node says.
 *
 *   link ends ──► away since (reason as seen) ──► hello ──► away from, to (reason as known)
 *
 * Always true: a node has at most one absence without an end, its newest; at most `MAX_ABSENCES` are kept. What is written is written when a link opens or
 * ends, never for a heartbeat, and a disk that is full does not keep a node away: then it is known in memory only.
 */
import { AWAY_BEATS } from './presence.js';
import { downMsSince, type Downtime } from './downtime.js';
import type { RuntimeCore } from './core.js';
import type { OpenLink } from './links.js';
import type { Change } from './state.js';
import type { Now, Transaction } from './transaction.js';
import type { AbsenceReason, AbsenceRecord, AbsenceView, Away } from '../base/absences.js';
import { absenceWords } from '../base/absences.js';
import { toTimestamp } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { Hello } from '../base/link-messages.js';
import type { NodeRecord } from '../base/model.js';

/** A person looks at the last few; each takes a hundred bytes of the node's row. */
export const MAX_ABSENCES = 10;
/** A link that is lost again so soon was not really back: one absence, counted. */
const FLAP_MS = 10_000;
const CUTS: ReadonlySet<AbsenceReason> = new Set(['lost', 'silent', 'restarted']);
/** Of the node's own words. */
const MAX_SAID = 200;

/** What is known when a node is back. */
export interface Return {
  readonly away: Away | undefined;
  readonly sameProcess: boolean;
  readonly downtimes: readonly Downtime[];
  readonly wall: number;
}

/** Adds one that has no end yet. */
export function began(absences: readonly AbsenceRecord[], from: number, reason: AbsenceReason): AbsenceRecord[] {
  const last = absences.at(-1);
  if (last !== undefined && last.to === null) return [...absences];
  const again = last !== undefined && from - last.to! < FLAP_MS && from >= last.from;
  if (again && CUTS.has(last.reason) && CUTS.has(reason))
    return [...absences.slice(0, -1), { ...last, to: null, reason, times: last.times + 1 }];
  return [...absences, { from, to: null, reason, said: null, times: 1 }].slice(-MAX_ABSENCES);
}

/** Ends the one that has no end, with the reason as it is known now. */
export function ended(absences: readonly AbsenceRecord[], how: Return): AbsenceRecord[] {
  const last = absences.at(-1);
  if (last === undefined || last.to !== null) return [...absences];
  // The clock may have been set back since it began: then nobody knows when that was by this clock, but it was not later than now.
  const to = how.wall;
  const from = Math.min(last.from, to);
  const reason = reasonOf({ ...last, from }, to, how);
  const said = how.away === undefined || how.away.message === '' ? null : how.away.message.slice(0, MAX_SAID);
  const told = reason === 'paused' || reason === 'daemon-away' || reason === 'stopped' ? null : said;
  return [...absences.slice(0, -1), { ...last, from, to, reason, said: told }];
}

/** A silence that ended on the link it began on: the node says what it was a little later, in its next heartbeat or hello. */
function explained(absences: readonly AbsenceRecord[], how: Return, withinMs: number): readonly AbsenceRecord[] {
  const last = absences.at(-1);
  if (last === undefined || last.to === null || last.reason !== 'silent' || how.wall - last.to > withinMs)
    return absences;
  return ended([...absences.slice(0, -1), { ...last, to: null }], { ...how, wall: last.to });
}

function reasonOf({ from, reason }: AbsenceRecord, to: number, how: Return): AbsenceReason {
  if (reason === 'stopped' || reason === 'revoked') return reason;
  const { pausedMs = 0, clockMs = 0, reason: told = '' } = how.away ?? {};
  const lengthMs = to - from;
  const explains = (ms: number) => ms > 0 && ms * 2 >= lengthMs;
  // A machine that was suspended shows as a clock that went on further than its uptime, by about as long as it was away.
  if (explains(pausedMs) || (explains(clockMs) && clockMs <= 2 * lengthMs)) return 'paused';
  if (reason === 'daemon-away' || explains(downMsSince(how.downtimes, from, to))) return 'daemon-away';
  if (reason === 'incompatible') return reason;
  if (told === 'CLOCK_SKEW') return 'clock';
  if (told.startsWith('CERTIFICATE_')) return 'certificate';
  if (told === 'NODE_CONFLICT' || told === 'NODE_ALREADY_RUNNING') return 'conflict';
  return how.sameProcess ? reason : 'restarted';
}

export class Absences {
  readonly #core: RuntimeCore;

  constructor(core: RuntimeCore) {
    this.#core = core;
  }

  /** The daemon starts: who was connected when it was last alive is away since then. Part of the start's own transaction. */
  atStart(tx: Transaction, aliveAt: number | undefined): void {
    for (const node of this.#core.tables.nodes.values()) {
      if (node.trust !== 'paired' || node.connectedAt === null || node.disconnectedAt !== null) continue;
      const from = Math.max(aliveAt ?? 0, node.connectedAt);
      tx.set('nodes', node.id, {
        absences: began(node.absences ?? [], from, 'daemon-away'),
        lastSeenAt: Math.max(node.lastSeenAt ?? 0, from),
        disconnectedAt: from,
        disconnectReason: 'daemon-stopped',
      });
    }
  }

  /** A link opens; `before` is the one it takes the place of. Call it before the row tells of the new link. */
  opened(node: NodeRecord, hello: Hello, before: OpenLink | null, now: Now): void {
    const sameProcess = node.bootId === hello.bootId;
    const how = { away: hello.away, sameProcess, downtimes: this.#core.downtimes(), wall: now.wall };
    let absences: readonly AbsenceRecord[] = node.absences ?? [];
    if (before !== null && sameProcess) absences = explained(absences, how, explainedWithinMs(before));
    if (before !== null && (now.mono - before.lastHeardAt > 2 * before.heartbeatMs || !sameProcess)) {
      const from = now.wall - (now.mono - before.lastHeardAt);
      absences = began(absences, from, before.saidGoodbye ? 'stopped' : 'silent');
    }
    absences = ended(absences, how);
    const known = sameProcess && node.connectedAt !== null && node.disconnectedAt === null;
    if (known && absences.length === (node.absences?.length ?? 0) && absences.at(-1) === node.absences?.at(-1)) return;
    this.#remember(node.id, {
      absences,
      bootId: hello.bootId,
      connectedAt: now.wall,
      disconnectedAt: null,
      disconnectReason: null,
    });
  }

  /** Something comes over a link. After a silence in which the node was taken for away, that is written down. */
  heard(link: OpenLink, now: Now): void {
    const silentMs = now.mono - link.lastHeardAt;
    const node = this.#core.tables.nodes.get(link.nodeId);
    if (silentMs <= AWAY_BEATS * link.heartbeatMs || node === undefined) return;
    const silent = began(node.absences ?? [], now.wall - silentMs, 'silent');
    const how = { away: undefined, sameProcess: true, downtimes: this.#core.downtimes(), wall: now.wall };
    this.#remember(node.id, { absences: ended(silent, how) });
  }

  /** On the link that a silence ended on, the node says what that was. */
  told(link: OpenLink, away: Away, now: Now): void {
    const { nodeId } = link;
    const before = this.#core.tables.nodes.get(nodeId)?.absences ?? [];
    const how = { away, sameProcess: true, downtimes: this.#core.downtimes(), wall: now.wall };
    const absences = explained(before, how, explainedWithinMs(link));
    if (absences !== before) this.#remember(nodeId, { absences });
  }

  /** A link ended, and no other took its place. */
  closed(link: OpenLink, reason: 'stopped' | 'lost' | 'revoked', now: Now): void {
    const { nodeId, lastHeardAt, heartbeatMs } = link;
    const node = this.#core.tables.nodes.get(nodeId);
    if (node === undefined) return;
    const silentMs = now.mono - lastHeardAt;
    const seen = reason === 'lost' && silentMs > 2 * heartbeatMs ? 'silent' : reason;
    const from = reason === 'lost' ? now.wall - silentMs : now.wall;
    this.#remember(nodeId, {
      absences: began(node.absences ?? [], from, seen),
      lastSeenAt: node.lastSeenAt,
      disconnectedAt: now.wall,
      disconnectReason: reason === 'revoked' ? 'lost' : reason,
    });
  }

  /** It asks to connect and cannot be let in. */
  refused(nodeId: string, error: unknown): void {
    if (!(error instanceof PalyraError) || error.reason !== 'PROTOCOL_UNSUPPORTED') return;
    const node = this.#core.tables.nodes.get(nodeId);
    if (node === undefined || this.#core.links.get(nodeId) !== null) return;
    const last = node.absences?.at(-1);
    const open = last !== undefined && last.to === null;
    if (open && last.reason === 'incompatible') return;
    const absences: AbsenceRecord[] = open
      ? [...node.absences!.slice(0, -1), { ...last, reason: 'incompatible' }]
      : began(node.absences ?? [], node.disconnectedAt ?? this.#core.now().wall, 'incompatible');
    this.#remember(nodeId, { absences });
  }

  /** Newest first. A node that is silent on an open link is away too, and one whose certificate ended meanwhile has one more thing to do. */
  view(node: NodeRecord): AbsenceView[] {
    const now = this.#core.now();
    const link = this.#core.links.get(node.id);
    let absences: readonly AbsenceRecord[] = node.absences ?? [];
    if (link !== null && now.mono - link.lastHeardAt > AWAY_BEATS * link.heartbeatMs)
      absences = began(absences, now.wall - (now.mono - link.lastHeardAt), 'silent');
    return absences.map((absence) => toView(node, absence, now.wall)).reverse();
  }

  /** In the tables at once, on disk when the disk takes it. */
  #remember(nodeId: string, row: Partial<NodeRecord>): void {
    const { deps, tables, fatalListeners } = this.#core;
    const tx = this.#core.begin();
    tx.setVolatile('nodes', nodeId, row);
    if (!deps.store.status().accepting) return;
    const changes: Change[] = [{ op: 'set', table: 'nodes', key: nodeId, row }];
    // What is written tells that the daemon is alive, for free.
    if (tables.daemon.has('daemon'))
      changes.push({ op: 'set', table: 'daemon', key: 'daemon', row: { aliveAt: tx.now.wall } });
    deps.store.append(changes).catch((error: unknown) => {
      deps.log.warn('when a node came or went could not be stored', { node: nodeId, err: error });
      const failure = PalyraError.from(error, 'STORAGE_FAILED');
      if (failure.reason === 'STORAGE_FAILED') fatalListeners.forEach((listener) => listener(failure));
    });
  }
}

/** What a silence was is noticed within a second, and told with the next heartbeat. Milliseconds from its end. */
function explainedWithinMs({ heartbeatMs }: OpenLink): number {
  return FLAP_MS + 2 * heartbeatMs;
}

function toView(node: NodeRecord, absence: AbsenceRecord, wall: number): AbsenceView {
  const { from, to, reason, times } = absence;
  const certificateEnd = node.certificates.at(-1)?.notAfter ?? Infinity;
  const since =
    to === null && certificateEnd <= wall
      ? '; its certificate has expired meanwhile and is renewed when it is back'
      : '';
  return { from: toTimestamp(from)!, to: toTimestamp(to), reason, message: absenceWords(absence) + since, times };
}
