import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../src/lib/base/log.js';
import type { StateFile, StateFs } from '../../src/lib/base/state-fs.js';
import { systemFs } from '../../src/lib/base/system-fs.js';
import { FileStateStore } from '../../src/lib/daemon/journal.js';
import { FaultFs } from '../support/fault-fs.js';
import { HandClock } from '../support/hand-clock.js';
import { MemoryStateStore } from '../support/memory-state-store.js';
import { testStateStore } from './state-store.js';

testStateStore('files', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'palyra-store-'));
  const clock = new HandClock();
  let fault: string | null = null;
  // Real files; only the refusals are made, because a disk cannot be filled on demand.
  const refusing = (file: StateFile): StateFile => ({
    append: async (data) => {
      if (fault !== null) throw Object.assign(new Error(fault), { code: fault });
      return file.append(data);
    },
    size: () => file.size(),
    read: (position, length) => file.read(position, length),
    truncate: (length) => file.truncate(length),
    sync: () => file.sync(),
    close: () => file.close(),
  });
  const fs: StateFs = {
    ...systemFs,
    open: async (path) => {
      const file = await systemFs.open(path);
      return file === null ? null : refusing(file);
    },
    create: async (path) => refusing(await systemFs.create(path)),
  };
  return {
    open: () => new FileStateStore({ clock, log: silentLog, fs }, { directory }),
    setDiskFull: (full) => {
      fault = full ? 'ENOSPC' : null;
    },
    pause: () => clock.advance(1_000),
    breakDisk: () => {
      fault = 'EIO';
    },
    dispose: () => rm(directory, { recursive: true }),
  };
});

testStateStore('files on a disk that fills and fails', async () => {
  const fs = new FaultFs();
  const clock = new HandClock();
  return {
    open: () => new FileStateStore({ clock, log: silentLog, fs }, { directory: '/state' }),
    setDiskFull: (full) => {
      // Room for the beginning of a write only, so that something must be cut back.
      const used = Object.values(fs.files()).reduce((sum, bytes) => sum + bytes.length, 0);
      fs.capacity = full ? used + 10 : Infinity;
    },
    pause: () => clock.advance(1_000),
    breakDisk: () => {
      fs.faults = [{ call: fs.calls + 2, fault: 'EIO' }];
    },
    dispose: async () => undefined,
  };
});

testStateStore('memory', async () => {
  let current = new MemoryStateStore();
  let first = true;
  return {
    open: () => {
      if (!first) current = current.restart();
      first = false;
      return current;
    },
    setDiskFull: (full) => {
      current.diskFull = full;
    },
    pause: () => undefined,
    breakDisk: () => {
      current.broken = true;
    },
    dispose: async () => undefined,
  };
});
