/**
 * One process per state directory. The kernel holds the lock and lets go of it when the process dies, however it dies: there is no stale lock, no
 * waiting and no manual step. A stopped process (SIGSTOP) keeps it.
 *
 *   Linux    a listening socket in the abstract namespace, named after device and inode of the directory
 *   Windows  a named pipe, likewise
 *   macOS    the file `lock`, opened with O_EXLOCK (open(2))
 *
 * The file `lock` also says who holds it, for the message to the loser. On Linux it is evidence too: a live process named there blocks although the
 * socket is free, which happens when two containers share a directory and a process table but not a network namespace.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { sleep, systemClock } from './clock.js';
import { PalyraError } from './errors.js';
import { readPrivateFile, writeFileAtomic } from './files.js';
import { isErrno, toStorageError } from './state-fs.js';

const LOCK_FILE_NAME = 'lock';
/** Of open(2) on macOS and the BSDs; Node does not name it. Together with O_NONBLOCK a held lock is EAGAIN at once. */
const O_EXLOCK = 0x20;
/** The winner writes its name right after it won; the loser looks again a few times before it says "unknown". */
const HOLDER_TRIES = 10;
const HOLDER_PAUSE_MS = 20;

interface Holder {
  readonly pid: number;
  /** Clock ticks since boot; tells a reused pid apart (proc(5), field 22). Null where there is no /proc. */
  readonly startTicks: string | null;
  readonly bootId: string | null;
}

/**
 * Takes the lock of an existing directory and returns the function that gives it back; giving it back twice is harmless.
 * Throws STATE_LOCKED with `details.pid` (null when unknown) within a quarter of a second and without changing anything.
 */
export async function acquireLock(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, LOCK_FILE_NAME);
  const release = hasKernelNames() ? await lockByName(directory, path) : await lockByFile(path);
  let released: Promise<void> | null = null;
  return () => (released ??= release());
}

function hasKernelNames(): boolean {
  return process.platform === 'linux' || process.platform === 'android' || process.platform === 'win32';
}

async function lockByName(directory: string, path: string): Promise<() => Promise<void>> {
  const { dev, ino } = await stat(directory, { bigint: true }).catch((error: unknown) => {
    throw toStorageError(error, directory);
  });
  const name = `palyra-state-${createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 32)}`;
  const server = await listen(process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : `\0${name}`);
  if (server === null) throw locked(directory, await liveHolder(path));
  try {
    const holder = await readHolder(path);
    if (holder !== null && holder.pid !== process.pid && (await isAlive(holder))) throw locked(directory, holder.pid);
    await writeFileAtomic(path, `${JSON.stringify(await thisProcess())}\n`);
  } catch (error) {
    await close(server);
    throw error;
  }
  return async () => {
    await rm(path, { force: true });
    await close(server);
  };
}

/** A listener that nobody is meant to talk to, or null when the name is held. It does not keep the process alive. */
function listen(path: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error) => {
      if (isErrno(error, 'EADDRINUSE')) resolve(null);
      else reject(toStorageError(error, 'the lock'));
    });
    server.listen({ path, exclusive: true }, () => resolve(server.unref()));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/** The file stays when the lock is given back: removing it would let two processes lock two files of one name. */
async function lockByFile(path: string): Promise<() => Promise<void>> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK | O_EXLOCK;
  const handle = await open(path, flags, 0o600).catch(async (error: unknown) => {
    if (isErrno(error, 'EAGAIN') || isErrno(error, 'EWOULDBLOCK')) throw locked(path, await liveHolder(path));
    throw toStorageError(error, path);
  });
  await handle.truncate(0);
  await handle.write(`${JSON.stringify(await thisProcess())}\n`);
  return () => handle.close();
}

function locked(directory: string, pid: number | null): PalyraError {
  const holder = pid === null ? 'another process' : `process ${pid}`;
  return new PalyraError('STATE_LOCKED', { detail: `${holder} uses ${directory}`, details: { pid } });
}

/** The pid in the lock file once it is that of a live process, or null. */
async function liveHolder(path: string): Promise<number | null> {
  for (let tries = 0; tries < HOLDER_TRIES; tries++) {
    const holder = await readHolder(path);
    if (holder !== null && (await isAlive(holder))) return holder.pid;
    await sleep(systemClock, HOLDER_PAUSE_MS);
  }
  return null;
}

/** Null for what is missing, unreadable or not ours: it only informs. A symbolic link or a foreign file is refused with STATE_NOT_OWNED. */
async function readHolder(path: string): Promise<Holder | null> {
  const bytes = await readPrivateFile(path);
  if (bytes === null) return null;
  try {
    const holder = JSON.parse(bytes.toString()) as Partial<Holder>;
    if (!Number.isSafeInteger(holder.pid)) return null;
    return { pid: holder.pid as number, startTicks: holder.startTicks ?? null, bootId: holder.bootId ?? null };
  } catch {
    return null;
  }
}

async function thisProcess(): Promise<Holder> {
  return { pid: process.pid, startTicks: await startTicksOf(process.pid), bootId: await currentBootId() };
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.bootId !== (await currentBootId())) return false;
  if (holder.startTicks !== null) return holder.startTicks === (await startTicksOf(holder.pid));
  try {
    process.kill(holder.pid, 0);
    return true;
  } catch (error) {
    return isErrno(error, 'EPERM');
  }
}

/**
 * Field 22 of /proc/PID/stat. The name in field 2 may hold spaces and parentheses, so it counts from the last one. Null for a process that is gone, and
 * for one that ended but was not waited for yet (state Z): in a container without an init that can last for ever.
 */
async function startTicksOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
  return /^[ZX]/.test(fields[0] ?? '') ? null : (fields[19] ?? null);
}

async function currentBootId(): Promise<string | null> {
  const text = await readFile('/proc/sys/kernel/random/boot_id', 'latin1').catch(() => null);
  return text?.trim() ?? null;
}
