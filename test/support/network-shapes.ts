/**
 * The five shapes in which a network between two machines fails. What is struck stays bad until it is healed; flapping ends by itself.
 * `npm run chaos` tries all of them at every step; `npm test` a few.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { NetShim } from './net-shim.js';

export const CHAOS = process.env['PALYRA_CHAOS'] === '1';
export const ROUNDS = Number(process.env['PALYRA_CHAOS_ROUNDS'] ?? 1);
const FLAP_MS = 100;
const FLAPPING_FOR_MS = 2_000;

export interface Shape {
  readonly name: string;
  /** Resolves when the network is as bad as it gets. */
  readonly strike: (shim: NetShim) => Promise<void> | void;
  readonly heal: (shim: NetShim) => void;
}

const light = (shim: NetShim) => shim.light();

export const SHAPES: readonly Shape[] = [
  { name: 'both ways dark', strike: (shim) => shim.dark('up', 'down'), heal: light },
  { name: 'dark towards the daemon', strike: (shim) => shim.dark('up'), heal: light },
  { name: 'dark towards the node', strike: (shim) => shim.dark('down'), heal: light },
  {
    name: 'half open',
    // Also a connection that is made now comes to nothing and is not told: whatever stands between them has forgotten it.
    strike: (shim) => {
      shim.halfOpen();
      shim.dark('up', 'down');
    },
    heal: (shim) => {
      shim.halfOpen();
      shim.light();
    },
  },
  {
    name: 'on and off five times a second',
    strike: async (shim) => {
      for (const until = performance.now() + FLAPPING_FOR_MS; performance.now() < until;) {
        shim.cut();
        shim.dark('up', 'down');
        await pause(FLAP_MS);
        shim.light();
        await pause(FLAP_MS);
      }
    },
    heal: light,
  },
];
