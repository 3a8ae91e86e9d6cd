/**
 * The key of a node and the one that may replace it. A new key is written before anybody hears of it, and takes the place of the old one only when the
 * identity has a certificate for it: whichever of the two the certificate on disk is for, it is there.
 *
 *   device.key.next written ─► certificate asked ─► identity.json replaced ─► device.key replaced ─► device.key.next removed
 */
import { rm } from 'node:fs/promises';
import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { PalyraError } from '../base/errors.js';
import { readPrivateFile, writeFileAtomic } from '../base/files.js';
import { readCertificate } from './certificate.js';
import { createDeviceKey, exportKey, importKey, spkiOf } from './device-key.js';

const KEY_FILE = 'device.key';
export const NEXT_KEY_FILE = 'device.key.next';

/** The key the certificate is for; ends a change of keys that a crash cut. Throws STATE_CORRUPT when neither key is. */
export async function readKeyFor(directory: string, certificatePem: string): Promise<KeyObject> {
  const { spki } = readCertificate(certificatePem);
  const key = await readKey(directory, KEY_FILE);
  if (key !== null && spkiOf(key).equals(spki)) return key;
  const next = await readKey(directory, NEXT_KEY_FILE);
  if (next === null || !spkiOf(next).equals(spki)) {
    throw new PalyraError('STATE_CORRUPT', {
      detail: `${join(directory, KEY_FILE)} is missing or is not the key of the certificate in identity.json`,
    });
  }
  await adoptNextKey(directory, next);
  return next;
}

/** The key to change to, made at the first call and kept until it is adopted: a change that was cut is taken up with the same one. */
export async function readOrCreateNextKey(directory: string): Promise<KeyObject> {
  const kept = await readKey(directory, NEXT_KEY_FILE);
  if (kept !== null) return kept;
  const key = createDeviceKey();
  await writeFileAtomic(join(directory, NEXT_KEY_FILE), exportKey(key));
  return key;
}

/** Null when no change of keys is under way. */
export function readNextKey(directory: string): Promise<KeyObject | null> {
  return readKey(directory, NEXT_KEY_FILE);
}

export async function adoptNextKey(directory: string, key: KeyObject): Promise<void> {
  await writeFileAtomic(join(directory, KEY_FILE), exportKey(key));
  await rm(join(directory, NEXT_KEY_FILE), { force: true });
}

async function readKey(directory: string, name: string): Promise<KeyObject | null> {
  const pem = (await readPrivateFile(join(directory, name)))?.toString('utf8') ?? null;
  return pem === null ? null : importKey(pem);
}
