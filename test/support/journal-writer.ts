/**
 * Child process of the kill test: opens the store in argv, says how many lists it found ("R n"), then appends for ever, several at a time, with a
 * snapshot now and then, and says after each confirmation how far it is ("A n").
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../src/lib/base/clock.js';
import { silentLog } from '../../src/lib/base/log.js';
import { FileStateStore } from '../../src/lib/daemon/journal.js';
import { applyChanges } from '../../src/lib/runtime/state.js';

const store = new FileStateStore({ clock: systemClock, log: silentLog }, { directory: process.argv[2] as string });
const tables = await store.load();
let next = tables.tombstones.get('count')?.at ?? 0;
// Straight to the pipe: what was said is with the parent even if the kill comes in the next instant.
const say = (text: string) => writeSync(1, `${text}\n`);
say(`R ${next}`);

for (;;) {
  const burst: Promise<void>[] = [];
  for (let count = 0; count < 5; count++) {
    const number = ++next;
    const changes = [
      { op: 'put', table: 'tombstones', key: 'count', row: { id: 'x'.repeat(number % 400), at: number } },
      { op: 'put', table: 'tombstones', key: `k${number % 50}`, row: { id: 'k', at: number } },
    ] as const;
    applyChanges(tables, changes);
    burst.push(store.append(changes).then(() => void say(`A ${number}`)));
    if (number % 37 === 0) burst.push(store.snapshot(tables, systemClock.now()));
  }
  await Promise.all(burst);
}
