/** What this machine proves itself with to a daemon: one private file a context, 0600 in a directory that only its owner can enter. */
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PalyraError } from '../base/errors.js';
import { ensurePrivateDirectory, readPrivateFile, writeFileAtomic } from '../base/files.js';
import type { SerializedCookies } from '../client/cookies.js';

export type StoredCredential =
  | { readonly kind: 'session'; readonly cookies: SerializedCookies }
  | { readonly kind: 'token'; readonly token: string };

export function credentialPath(directory: string, context: string): string {
  return join(directory, `${context}.json`);
}

/** Null when there is none. Throws CONFIG_INVALID, STATE_NOT_OWNED. */
export async function readCredential(directory: string, context: string): Promise<StoredCredential | null> {
  const path = credentialPath(directory, context);
  const bytes = await readPrivateFile(path);
  if (bytes === null) return null;
  try {
    const value = JSON.parse(bytes.toString('utf8')) as Partial<Record<string, unknown>> | null;
    if (value?.['kind'] === 'token' && typeof value['token'] === 'string') return value as unknown as StoredCredential;
    if (value?.['kind'] === 'session' && typeof value['cookies'] === 'object' && value['cookies'] !== null)
      return value as unknown as StoredCredential;
  } catch {
    // Said below, without its content.
  }
  throw new PalyraError('CONFIG_INVALID', {
    detail: `${path} is not a credential`,
    hint: `Log in again: palyra login --name ${context}`,
  });
}

export async function writeCredential(
  directory: string,
  context: string,
  credential: StoredCredential,
): Promise<string> {
  await ensurePrivateDirectory(directory);
  const path = credentialPath(directory, context);
  await writeFileAtomic(path, `${JSON.stringify(credential)}\n`);
  return path;
}

/** Whether there was one. */
export async function removeCredential(directory: string, context: string): Promise<boolean> {
  const path = credentialPath(directory, context);
  const existed = (await readPrivateFile(path)) !== null;
  await rm(path, { force: true });
  return existed;
}

export async function renameCredential(directory: string, from: string, to: string): Promise<void> {
  await rename(credentialPath(directory, from), credentialPath(directory, to)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}
