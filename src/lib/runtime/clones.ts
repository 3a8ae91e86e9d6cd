/**
 * Two machines with one identity: a copied disk. Which of two sessions of a device is a restart and which is a copy, from what both can be seen to do.
 *
 *   - A process that was replaced by another and says hello again lives beside it: a process that ended never says hello again.
 *   - A newcomer with another journal is held while the older session is heard from, and is a copy once the older one was heard from after it came.
 *
 * Held is not judged: the newcomer tries again, and is let in when the older session falls silent or ends. Hence a machine that restarts, with its journal
 * or without, is never shown as two (test/property/clones.property.test.ts).
 */
import type { OpenLink } from './links.js';
import type { Now } from './transaction.js';

/** Another session of the device, held back. Times are monotonic milliseconds. */
export interface Rival {
  readonly bootId: string;
  readonly address: string;
  readonly firstAt: number;
  lastAt: number;
  /** It came back after it had been replaced. */
  returned: boolean;
}

/** What was sent before the older process died may arrive this much later. */
const LATE_BYTES_MS = 2_000;
/** A copy that has not tried for so long is gone; it tries every minute. */
const FORGET_MS = 180_000;
/** Replaced processes that are remembered for each device. */
const MAX_REPLACED = 8;

export interface Newcomer {
  readonly bootId: string;
  readonly storeId: string;
  readonly address: string;
}

export class Clones {
  readonly #replaced = new Map<string, string[]>();

  /** True: the newcomer must be refused for now. Otherwise it takes the place of the open link, which is remembered. */
  holds(current: OpenLink | null, newcomer: Newcomer, now: Now): boolean {
    if (current === null || current.bootId === newcomer.bootId) return false;
    const returned = this.#replaced.get(current.nodeId)?.includes(newcomer.bootId) === true;
    const heard = !current.saidGoodbye && now.mono - current.lastHeardAt <= 2 * current.heartbeatMs;
    if (heard && (returned || current.storeId !== newcomer.storeId)) {
      const known = current.rival?.bootId === newcomer.bootId ? current.rival : null;
      const { bootId, address } = newcomer;
      current.rival = known ?? { bootId, address, firstAt: now.mono, lastAt: now.mono, returned };
      current.rival.lastAt = now.mono;
      current.rival.returned ||= returned;
      return true;
    }
    const replaced = this.#replaced.get(current.nodeId) ?? [];
    this.#replaced.set(current.nodeId, [...replaced, current.bootId].slice(-MAX_REPLACED));
    return false;
  }
}

/** Whether two machines are seen to use the identity of this link. */
export function isContested(
  link: { readonly lastHeardAt: number; readonly rival?: Rival | null },
  mono: number,
): boolean {
  const rival = link.rival ?? null;
  if (rival === null || mono - rival.lastAt > FORGET_MS) return false;
  return rival.returned || link.lastHeardAt > rival.firstAt + LATE_BYTES_MS;
}
