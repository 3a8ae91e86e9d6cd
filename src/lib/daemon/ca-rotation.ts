/**
 * Replaces the daemon's CA while everything goes on.
 *
 *   begin ─► overlap: both are accepted, the new one signs, nodes are told and renew ─► retiring: the new one is shown, the old one is gone ─► done
 *              └─ until every node has opened a link with a certificate of the new one, and the time asked for is over; or it is forced
 *
 * How far it is stands in a file before anything follows from it (`identity/rotation.ts`); a daemon that was killed goes on there. One step at a time,
 * looked at every second. Why it is safe, and what it means to links and contexts: docs/decisions/0016-ca-rotation.md.
 */
import type { AuditTarget } from '../base/audit-chain.js';
import { toTimestamp, type Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { Random } from '../base/random.js';
import { humanFingerprint } from '../identity/codes.js';
import { beginRotation, writeRotation, type OnRotationStep, type RotationRecord } from '../identity/rotation.js';
import type { Holding, NodeRuntime } from '../runtime/runtime.js';
import type { Auditor } from './auditor.js';
import type { Authorities } from './authorities.js';
import type { Exposure } from './exposure.js';

/** A forced end waits so long for nodes that can be expected to answer. */
export const FORCE_WAIT_MS = 30_000;
/** A node that lost its link tries again within half of it. */
const BACK_WITHIN_MS = 60_000;
/** A daemon that has just started does not know yet who is there. */
const GATHER_MS = 10_000;
/** After a step that failed. */
const AGAIN_MS = 10_000;

export interface RotationView {
  readonly phase: 'none' | RotationRecord['phase'];
  readonly startedAt: string | null;
  readonly startedBy: string | null;
  /** The old CA stays at least until then; when it is forced, at most. */
  readonly keepUntil: string | null;
  readonly forced: boolean;
  readonly endedAt: string | null;
  /** As people compare them: the one that is shown, and the one that takes over. */
  readonly ca: string;
  readonly nextCa: string | null;
  readonly nodes: Pick<Holding, 'holding' | 'total'> & {
    readonly waiting: readonly { name: string; online: boolean }[];
  };
  /** Open invites that end with the old CA; when it is over: that did. */
  readonly invites: number;
  readonly leftBehind: readonly string[];
}

export interface CaRotationDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly auditor: Pick<Auditor, 'write'>;
  readonly runtime: Pick<NodeRuntime, 'authorities'>;
  readonly authorities: Authorities;
  readonly exposure: Pick<Exposure, 'refresh'>;
  /** A test crashes there. */
  readonly onStep?: OnRotationStep;
}

export class CaRotation {
  readonly #deps: CaRotationDeps;
  readonly #options: { readonly directory: string; readonly name: string };
  readonly #gatheredAt: number;
  #record: RotationRecord | null;
  #working: Promise<unknown> = Promise.resolve();
  #lookAt = -Infinity;

  /** `record`: as the identity was read. */
  constructor(
    deps: CaRotationDeps,
    options: { readonly directory: string; readonly name: string },
    record: RotationRecord | null,
  ) {
    this.#deps = deps;
    this.#options = options;
    this.#record = record;
    this.#gatheredAt = deps.clock.monotonic() + GATHER_MS;
  }

  /** Takes up what a killed daemon left. Before anybody is let in. */
  async resume(): Promise<void> {
    if (this.#record === null) return;
    if (this.#record.untold !== null) await this.#tellOnce();
    if (this.#record.phase === 'retiring') await this.#alone(() => this.#retire(this.#record!));
    else this.#announce();
  }

  /**
   * Begins a replacement, or forces the one that is under way to its end. False: there was nothing to change. Durable when it resolves.
   * Throws AUTHORITY_NOT_VALID or a storage reason.
   */
  begin(by: string, options: { readonly force: boolean; readonly keepMs: number }): Promise<boolean> {
    return this.#alone(async () => {
      const { force } = options;
      const now = this.#deps.clock.now();
      const keepMs = force ? FORCE_WAIT_MS : options.keepMs;
      if (this.#record?.phase === 'overlap') {
        if (!force || this.#record.forced) return false;
        await this.#write({ ...this.#record, forced: true, keepUntil: now + keepMs, untold: 'ca.forced' });
        await this.#tellOnce();
        return true;
      }
      const { authorities, random, onStep } = this.#deps;
      const old = authorities.shown;
      const { directory, name } = this.#options;
      this.#record = await beginRotation(directory, { old, name, now, random, by, keepMs, forced: force }, onStep);
      await this.#deps.exposure.refresh();
      this.#announce();
      await this.#tellOnce();
      return true;
    });
  }

  /** Goes on when it is time to. Called by the ticker; never rejects. */
  async look(): Promise<void> {
    const { clock, log } = this.#deps;
    if (!this.isUnderWay || clock.monotonic() < this.#lookAt) return;
    try {
      await this.#alone(async () => {
        const record = this.#record;
        if (record?.phase === 'retiring' || (record?.phase === 'overlap' && this.#isTime(record)))
          await this.#retire(record);
      });
    } catch (err) {
      this.#lookAt = clock.monotonic() + AGAIN_MS;
      log.warn('the CA could not be replaced yet', { err });
    }
  }

  get isUnderWay(): boolean {
    return this.#record !== null && this.#record.phase !== 'done';
  }

  view(): RotationView {
    const { authorities } = this.#deps;
    const record = this.#record;
    const { holding, total, waiting, openInvites } = this.#holding();
    return {
      phase: record?.phase ?? 'none',
      startedAt: toTimestamp(record?.startedAt ?? null),
      startedBy: record?.startedBy ?? null,
      keepUntil: toTimestamp(record?.keepUntil ?? null),
      forced: record?.forced ?? false,
      endedAt: toTimestamp(record?.endedAt ?? null),
      ca: humanFingerprint(authorities.shown.spki),
      nextCa: authorities.next === null ? null : humanFingerprint(authorities.next.spki),
      nodes: { holding, total, waiting: waiting.map(({ name, online }) => ({ name, online })) },
      invites: record?.phase === 'done' ? record.endedInvites : record === null ? 0 : openInvites,
      leftBehind: record?.leftBehind ?? [],
    };
  }

  #isTime(record: RotationRecord): boolean {
    const { clock } = this.#deps;
    const { waiting } = this.#holding();
    const isOver = clock.now() >= record.keepUntil;
    if (!record.forced) return waiting.length === 0 && isOver;
    const isGathering = clock.monotonic() < this.#gatheredAt;
    const mayCome = ({ online, expected, lastSeenAt }: (typeof waiting)[number]) =>
      online || (expected && (isGathering || clock.now() - (lastSeenAt ?? 0) < BACK_WITHIN_MS));
    return isOver || !waiting.some(mayCome);
  }

  /** Every step may be done again. */
  async #retire(record: RotationRecord): Promise<void> {
    const { runtime, exposure, clock, log, onStep } = this.#deps;
    const { to } = record;
    let retiring = record;
    if (record.phase === 'overlap') {
      const leftBehind = runtime.authorities.leftBehind(to);
      await this.#write({ ...record, phase: 'retiring', leftBehind, untold: 'ca.retiring' });
      onStep?.('retiring');
      retiring = await this.#tellOnce();
    }
    // Puts the new one in the place of the old one on disk, and shows it.
    await exposure.refresh();
    const { endedInvites } = await runtime.authorities.retireOthers(to);
    const { leftBehind } = retiring;
    await this.#tell('ca.retired', { to, leftBehind: leftBehind.join(', '), endedInvites });
    await this.#write({ ...retiring, phase: 'done', endedAt: clock.now(), endedInvites });
    onStep?.('done');
    this.#announce();
    log.info('the CA was replaced', { leftBehind, endedInvites });
  }

  #holding(): Holding {
    const { runtime, authorities } = this.#deps;
    return runtime.authorities.holding(this.#record?.to ?? authorities.signer.spkiSha256);
  }

  /** What the record says is not told yet. A crash before this has the next start tell it; one in the middle has it told twice, which the log can bear. */
  async #tellOnce(): Promise<RotationRecord> {
    const record = this.#record!;
    const { untold, from, to, forced, leftBehind } = record;
    if (untold === null) return record;
    const more: AuditTarget =
      untold === 'ca.forced'
        ? { waiting: this.#names() }
        : { from, forced: String(forced), leftBehind: leftBehind.join(', ') };
    await this.#tell(untold, { to, ...more });
    await this.#write({ ...record, untold: null });
    return this.#record!;
  }

  #names(): string {
    return this.#holding()
      .waiting.map(({ name }) => name)
      .join(', ');
  }

  #announce(): void {
    this.#deps.runtime.authorities.announce(this.#deps.authorities.trustBundle);
  }

  async #write(record: RotationRecord): Promise<void> {
    await writeRotation(this.#options.directory, record);
    this.#record = record;
  }

  #tell(action: string, target: AuditTarget): Promise<void> {
    return this.#deps.auditor.write({
      action,
      target,
      actor: { kind: 'daemon', name: 'rotation', credential: 'none' },
      origin: { listener: 'internal', address: 'local' },
      outcome: 'ok',
      requestId: null,
    });
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#working.then(work);
    this.#working = done.catch(() => undefined);
    return done;
  }
}
