/**
 * A process of `npm run bench:tui`: the real terminal UI on the terminal it is given, fed by a client that makes up a fleet and its events. Arguments: seconds,
 * nodes, events a second, file for the figures. Making the events costs a small part of what is measured: about one object for each.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../src/lib/base/clock.js';
import type { NodeView } from '../../src/lib/base/model.js';
import { ProcessTerminal } from '../../src/lib/cli/terminal.js';
import type { ControlPlaneClient, WatchItem, WatchOptions } from '../../src/lib/client/control-plane-client.js';
import { runTui } from '../../src/lib/tui/tui.js';
import { DAEMON, EVA, many, snapshot } from '../support/tui-states.js';

const [seconds = 60, nodes = 500, rate = 200] = process.argv.slice(2, 5).map(Number);
const file = process.argv[5]!;
const fleet = many(nodes);
const SLICE_MS = 25;
const STATES = ['queued', 'running', 'succeeded'] as const;
let made = 0;

function event(): WatchItem {
  const seq = ++made;
  const base: NodeView = fleet[seq % fleet.length]!;
  const stamp = { id: `1-${seq}`, seq, at: new Date().toISOString() };
  if (seq % 2 === 0) {
    const online = Math.floor(seq / fleet.length) % 2 === 0;
    const node = {
      ...base,
      presence: online ? 'online' : 'offline',
      presenceReason: online ? null : 'lost',
      lastSeenAt: stamp.at,
    };
    return { type: 'node', ...stamp, change: 'presence', node, by: null } as unknown as WatchItem;
  }
  const run = Math.floor(seq / 6);
  const state = STATES[Math.floor(seq / 2) % 3]!;
  return {
    ...{ type: 'dispatch', ...stamp, change: 'state', dispatch: `dsp_${run}`, node: base.name, nodeId: base.id, state },
    ...{ capability: 'echo', totalMs: state === 'succeeded' ? 12 : null, by: 'eva' },
  };
}

async function* watchEvents({ signal }: WatchOptions = {}): AsyncGenerator<WatchItem, void, undefined> {
  yield snapshot(fleet);
  const begun = performance.now();
  for (let sent = 0; signal?.aborted !== true;) {
    for (; sent < ((performance.now() - begun) / 1000) * rate; sent++) yield event();
    await pause(SLICE_MS);
  }
}

const client = {
  watchEvents,
  getSession: async () => ({ ...EVA, daemon: DAEMON }),
  listApprovals: async () => [],
  listDispatches: async () => ({ dispatches: [], nextCursor: null }),
} as unknown as ControlPlaneClient;

const ended = new AbortController();
const samples: { second: number; cpuMs: number; rssMb: number; heapMb: number }[] = [];
const started = performance.now();
const sample = () => {
  const { user, system } = process.cpuUsage();
  // A full collection shows what is kept; without it the figures would be those of the collector's mood.
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  const second = Math.round((performance.now() - started) / 1000);
  samples.push({ second, cpuMs: (user + system) / 1000, rssMb: rss / 2 ** 20, heapMb: heapUsed / 2 ** 20 });
};
const timer = setInterval(sample, 5000);
setTimeout(() => ended.abort(), seconds * 1000);
const options = { daemon: DAEMON, who: EVA, readOnly: true, colour: true, qr: { possible: true, trueColour: false } };
const deps = { client, terminal: new ProcessTerminal(), clock: systemClock, newKey: () => 'bench' };
const { frames } = await runTui(deps, options, ended.signal);
clearInterval(timer);
sample();
writeFileSync(file, JSON.stringify({ frames, events: made, samples }));
process.exit(0);
