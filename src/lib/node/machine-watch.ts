/**
 * Notices that the machine woke up, that its clock was set, or that its network changed: then what waits for its time is worth trying at once.
 *
 * A suspended machine shows as time that passed without us: between two looks the wall clock went on further than the timer, or the timer itself came late.
 */
import { networkInterfaces } from 'node:os';
import type { Clock } from '../base/clock.js';

export type MachineChange = 'woke up' | 'network changed';

/** For how long it did not run, and by how much more its clock went on; 0 for what is within the tolerance. */
export interface MachineGap {
  readonly pausedMs: number;
  readonly clockMs: number;
}

const LOOK_EVERY_MS = 1_000;
/** Timers come late by that much on a busy machine, and clocks are corrected in small steps. */
const TOLERANCE_MS = 5_000;

export interface MachineWatchDeps {
  readonly clock: Clock;
  /** Default: those of the operating system. */
  readonly interfaces?: typeof networkInterfaces;
}

/** Returns what ends it. */
export function watchMachine(
  { clock, interfaces = networkInterfaces }: MachineWatchDeps,
  onChange: (what: MachineChange, gap: MachineGap) => void,
): () => void {
  let wall = clock.now();
  let mono = clock.monotonic();
  let network = addressesOf(interfaces);
  const look = () => {
    cancel = clock.schedule(LOOK_EVERY_MS, look);
    const passed = { wall: clock.now() - wall, mono: clock.monotonic() - mono };
    wall += passed.wall;
    mono += passed.mono;
    const before = network;
    network = addressesOf(interfaces);
    const lateMs = passed.mono - LOOK_EVERY_MS;
    const aheadMs = passed.wall - passed.mono;
    const gap = {
      pausedMs: lateMs > TOLERANCE_MS ? lateMs : 0,
      clockMs: Math.abs(aheadMs) > TOLERANCE_MS ? aheadMs : 0,
    };
    if (gap.pausedMs !== 0 || gap.clockMs !== 0) onChange('woke up', gap);
    else if (network !== before) onChange('network changed', gap);
  };
  let cancel = clock.schedule(LOOK_EVERY_MS, look);
  return () => cancel();
}

/** Link-local addresses come and go by themselves. */
function addressesOf(interfaces: typeof networkInterfaces): string {
  try {
    return Object.values(interfaces())
      .flat()
      .filter((entry) => entry !== undefined && !entry.internal && !/^fe80/i.test(entry.address))
      .map((entry) => entry!.address)
      .toSorted()
      .join();
  } catch {
    // Some sandboxes do not say; then only time is watched.
    return '';
  }
}
