/** Real processes on real files: `kill -9` at any moment loses nothing that was confirmed, and the next start needs no help. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/lib/base/clock.js';
import { silentLog } from '../../src/lib/base/log.js';
import { FileStateStore } from '../../src/lib/daemon/journal.js';
import { bundled } from '../support/bundled.js';

const WRITER = fileURLToPath(new URL('../support/journal-writer.ts', import.meta.url));
const LOOPS = 20;

describe('the journal under kill -9', () => {
  it(`loses no confirmed record in ${LOOPS} kills`, async function () {
    this.timeout(120_000);
    const directory = await mkdtemp(join(tmpdir(), 'palyra-kill-'));
    const writer = bundled(WRITER);
    try {
      let confirmed = 0;
      /** At the last start, with what was written before the kill and never confirmed. */
      let lastFound = 0;
      for (let loop = 0; loop < LOOPS; loop++) {
        const child = spawn(process.execPath, [writer, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
        const exited = once(child, 'exit');
        let found: number | null = null;
        let timer: NodeJS.Timeout | undefined;
        for await (const line of createInterface({ input: child.stdout })) {
          const [kind, text] = line.split(' ');
          const number = Number(text);
          if (kind === 'R') {
            found = lastFound = number;
            assert.ok(found >= confirmed, `loop ${loop}: found ${found}, but ${confirmed} was confirmed`);
            // Spread over the first moments, in which loading, appending and snapshots all happen.
            timer = setTimeout(() => child.kill('SIGKILL'), (loop * 13) % 120);
          } else if (kind === 'A') {
            assert.equal(number, Math.max(confirmed, found ?? 0) + 1, 'confirmed in order');
            confirmed = number;
          }
        }
        clearTimeout(timer);
        const [code, signal] = (await exited) as [number | null, string | null];
        assert.deepEqual([code, signal], [null, 'SIGKILL'], `loop ${loop}: the writer ended by itself`);
        assert.notEqual(found, null);
      }
      const store = new FileStateStore({ clock: systemClock, log: silentLog }, { directory });
      const tables = await store.load();
      const count = tables.tombstones.get('count')?.at ?? 0;
      const atMost = Math.max(confirmed, lastFound) + 5;
      assert.ok(count >= confirmed && count <= atMost, `${count} found, ${confirmed} confirmed, ${atMost} at most`);
      // Each of the other rows was written together with the count: none is ahead of it, none is behind by more than a round.
      for (const [key, { at }] of tables.tombstones)
        if (key !== 'count') assert.ok(at <= count && at > count - 50, key);
      assert.ok(confirmed > LOOPS * 5, `only ${confirmed} records`);
      await store.close();
      assert.deepEqual(
        (await readdir(directory)).filter((name) => name.endsWith('.tmp')),
        [],
      );
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
