/**
 * Remembers that the daemon refused this machine's certificate for good. The identity stays where it is, for people to look at; this mark lets the machine
 * join again with a new invite, which an intact pairing would not.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { Reason } from '../base/errors.js';
import { readPrivateFile, writeFileAtomic } from '../base/files.js';

const FILE = 'revoked.json';

export async function markRevoked(
  directory: string,
  certificateFingerprint: string,
  reason: Reason,
  at: number,
): Promise<void> {
  const mark = { format: 1, certificateFingerprint, reason, at: new Date(at).toISOString() };
  await writeFileAtomic(join(directory, FILE), `${JSON.stringify(mark)}\n`);
}

/** The daemon accepts this machine again: trust was given back. Nothing to clear is fine. */
export async function clearRevoked(directory: string): Promise<void> {
  await rm(join(directory, FILE), { force: true });
}

/** Whether this very certificate was refused; a mark for an earlier one means nothing. An unreadable mark counts as none. */
export async function isMarkedRevoked(directory: string, certificateFingerprint: string): Promise<boolean> {
  const bytes = await readPrivateFile(join(directory, FILE));
  if (bytes === null) return false;
  try {
    const mark = JSON.parse(bytes.toString('utf8')) as { certificateFingerprint?: unknown } | null;
    return mark?.certificateFingerprint === certificateFingerprint;
  } catch {
    return false;
  }
}
