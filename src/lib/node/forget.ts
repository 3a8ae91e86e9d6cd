/**
 * Makes a machine forget its pairing. The identity goes first: from then on this machine is not paired, whatever happens next. A node that runs holds the
 * lock of the directory, so nothing is taken away under it.
 */
import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ensurePrivateDirectory } from '../base/files.js';
import { isErrno } from '../base/state-fs.js';
import { systemFs } from '../base/system-fs.js';
import { lockNode } from './node-lock.js';
import { NodePolicy, POLICY_FILE } from './policy.js';

/** What belongs to one pairing, in the order in which it goes: `identity.json` first, results that nobody will ask for any more last. */
const PAIRING_FILES = ['identity.json', 'revoked.json', 'join.json', 'device.key.next'];
const OUTBOX_PREFIX = 'outbox.';
const KEY_FILE = 'device.key';

/**
 * Removes the pairing and what was kept for that daemon; with `key` the private key too, so that the next pairing is of another identity. What a person
 * configured here stays. False when there was nothing. Throws NODE_ALREADY_RUNNING, STATE_NOT_OWNED.
 */
export async function forgetPairing(stateDirectory: string, options: { readonly key: boolean }): Promise<boolean> {
  return withLock(stateDirectory, async (names) => {
    const doomed = [
      ...PAIRING_FILES.filter((name) => names.includes(name)),
      ...(options.key && names.includes(KEY_FILE) ? [KEY_FILE] : []),
      ...names.filter((name) => name.startsWith(OUTBOX_PREFIX)),
    ];
    for (const name of doomed) await rm(join(stateDirectory, name), { force: true });
    await systemFs.syncDirectory(stateDirectory);
    return doomed.length > 0;
  });
}

/** Removes everything of the node, its directory included. False when there was nothing. Throws NODE_ALREADY_RUNNING, STATE_NOT_OWNED. */
export async function forgetEverything(stateDirectory: string): Promise<boolean> {
  if (!(await exists(stateDirectory))) return false;
  await forgetPairing(stateDirectory, { key: true });
  await withLock(stateDirectory, async (names) => {
    for (const name of names) await rm(join(stateDirectory, name), { recursive: true, force: true });
  });
  // The lock gave its own file back; what appeared since is of somebody who pairs anew, and stays.
  await rmdir(stateDirectory).catch(() => undefined);
  return true;
}

/**
 * Prepares the machine to be copied: everything goes but what was set here, so that what is copied holds no identity, whatever a version before or after this one
 * has put there, nor what happened on this machine. Paths. Throws NODE_ALREADY_RUNNING, STATE_NOT_OWNED, STATE_CORRUPT.
 */
export async function sealNode(
  stateDirectory: string,
): Promise<{ readonly removed: string[]; readonly kept: string[] }> {
  if (!(await exists(stateDirectory))) return { removed: [], kept: [] };
  return withLock(stateDirectory, async (names) => {
    // Read first: one that cannot be kept stops this before anything is gone.
    const policy = names.includes(POLICY_FILE) ? await NodePolicy.open(stateDirectory) : null;
    const place = (name: string) => {
      const at = PAIRING_FILES.indexOf(name);
      return at === -1 ? PAIRING_FILES.length : at;
    };
    const doomed = names.filter((name) => name !== POLICY_FILE).toSorted((a, b) => place(a) - place(b));
    for (const name of doomed) await rm(join(stateDirectory, name), { recursive: true, force: true });
    await systemFs.syncDirectory(stateDirectory);
    await policy?.forgetHistory();
    const path = (name: string) => join(stateDirectory, name);
    return { removed: doomed.map(path), kept: policy === null ? [] : [path(POLICY_FILE)] };
  });
}

async function withLock<T>(directory: string, work: (names: string[]) => Promise<T>): Promise<T> {
  await ensurePrivateDirectory(directory);
  const unlock = await lockNode(directory);
  try {
    const names = (await readdir(directory)).filter((name) => name !== 'lock');
    return await work(names);
  } finally {
    await unlock();
  }
}

async function exists(directory: string): Promise<boolean> {
  try {
    await readdir(directory);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}
