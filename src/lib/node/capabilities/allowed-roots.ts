/**
 * Paths below folders that the person at this machine allowed. A path counts by where it really is: both sides are resolved through every symbolic link before
 * they are compared, and what is opened afterwards is checked to be the same thing.
 */
import { constants } from 'node:fs';
import { open, realpath, stat, type FileHandle } from 'node:fs/promises';
import { isAbsolute, join, normalize, sep } from 'node:path';

import { PalyraError } from '../../base/errors.js';
import type { JsonValue } from '../../base/model.js';
import { CapabilityDenial, CapabilityFailure } from './capability.js';
import type { ConsentRules } from './consent.js';

export const PATH_SCHEMA = { type: 'string', minLength: 1, maxLength: 4_096, description: 'Absolute' };

/** A pattern is the folder. Whether a path is below it is decided when it is opened, not by its text. */
export const rootsConsent: ConsentRules = {
  verb: 'Read',
  scope: 'this folder',
  check: (input) => void absolute((input as { path?: unknown } | null)?.path),
  subject: (input) => {
    const path = absolute((input as { path?: unknown }).path);
    return { text: path, emphasis: null, notes: [], pattern: path };
  },
  toPattern: (text) => absolute(text.endsWith(`${sep}*`) && text.length > 2 ? text.slice(0, -2) : text),
  matches: () => false,
};

/** The real path, below one of the roots. Throws CapabilityDenial `NOT_ALLOWED_HERE` or CapabilityFailure `PATH_NOT_FOUND`; what is not allowed is not told apart. */
export async function resolveAllowed(path: string, roots: readonly string[], capability: string): Promise<string> {
  const real = await realpath(absolute(path)).catch(() => null);
  for (const root of roots) {
    const base = await realpath(root).catch(() => null);
    if (base === null) continue;
    if (real !== null && isBelow(real, base)) return real;
    // Only below an allowed folder may it be told whether something is there.
    if (real === null && isBelow(normalize(path), base))
      throw new CapabilityFailure('PATH_NOT_FOUND', `${path} is not there`);
  }
  throw new CapabilityDenial(
    'NOT_ALLOWED_HERE',
    `${path} is not below a folder that was allowed on this machine: palyra node capabilities allow ${capability} <folder>`,
  );
}

/** Opens what `resolveAllowed` found. Throws `PATH_CHANGED` when something else is there by now. */
export async function openSame(real: string): Promise<FileHandle> {
  const handle = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw new CapabilityFailure(
        'PATH_NOT_READABLE',
        `${real}: ${(error as NodeJS.ErrnoException).code ?? 'unreadable'}`,
      );
    },
  );
  try {
    const [opened, named, again] = await Promise.all([handle.stat(), stat(real), realpath(real)]);
    if (again !== real || opened.ino !== named.ino || opened.dev !== named.dev) {
      throw new CapabilityFailure('PATH_CHANGED', `${real} was replaced while it was opened`);
    }
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

export function isBelow(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : `${root}${sep}`);
}

function absolute(path: unknown): string {
  if (typeof path !== 'string' || !isAbsolute(path) || path.includes('\0')) {
    throw new PalyraError('INPUT_INVALID', { detail: 'path: it must be absolute' });
  }
  const normal = normalize(join(path, '.'));
  return normal.length > 1 && normal.endsWith(sep) ? normal.slice(0, -1) : normal;
}

export function pathIn(input: JsonValue): string {
  return (input as { path: string }).path;
}
