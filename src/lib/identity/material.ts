/**
 * Identities on disk: the daemon's `ca.key ca.crt server.key server.crt`, the node's `device.key identity.json`. All 0600 in a 0700 directory.
 *
 * The authority is made once and replaced only by a rotation (`rotation.ts`): a missing or damaged part of it is an error, not a reason to make another,
 * because every paired machine trusts the old one. Everything below it is renewable and is renewed. A file is whole or absent at every moment, and files that belong together are
 * written in an order in which a crash leaves something this code repairs.
 */
import { X509Certificate, type KeyObject } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PalyraError } from '../base/errors.js';
import { ensurePrivateDirectory, readPrivateFile, writeFileAtomic } from '../base/files.js';
import type { Random } from '../base/random.js';
import { Authority, canonicalHosts, createAuthority, type ServerMaterial } from './authority.js';
import { readCertificate } from './certificate.js';
import { createDeviceKey, exportKey, importKey } from './device-key.js';
import { NEXT_KEY_FILE } from './device-keys.js';
import {
  readNextAuthority,
  readRotation,
  replaceAuthority,
  type OnRotationStep,
  type RotationRecord,
} from './rotation.js';

export type { RotationRecord } from './rotation.js';
export { type NodeIdentity, readNodeIdentity, writeNodeIdentity } from './node-identity.js';

export interface DaemonIdentity {
  /** The one that signs the server certificate. */
  readonly authority: Authority;
  /** The one that is to replace it, while both are accepted; it signs the certificates of nodes. */
  readonly next: Authority | null;
  /** The rotation that is under way, or the last one. */
  readonly rotation: RotationRecord | null;
  readonly server: ServerMaterial;
  /** True when the authority was made just now. */
  readonly created: boolean;
}

export interface DaemonIdentityOptions {
  /** Names and addresses of the server certificate. */
  readonly hosts: readonly string[];
  /** For people, in the subject of the authority. */
  readonly name: string;
  readonly now: number;
  readonly random: Random;
  /** A test crashes there. */
  readonly onRotationStep?: OnRotationStep | undefined;
}

/**
 * Reads the daemon's identity, makes what is missing and renews the server certificate when its hosts changed or less than a third of its life is left:
 * calling it again later renews. The caller holds the lock of the state directory.
 * Throws STATE_CORRUPT naming the file, STATE_NOT_OWNED, CONFIG_INVALID for hosts, AUTHORITY_NOT_VALID when the clock is outside the authority's life.
 */
export async function loadOrCreateDaemonIdentity(
  directory: string,
  options: DaemonIdentityOptions,
): Promise<DaemonIdentity> {
  await ensurePrivateDirectory(directory);
  const rotation = await readRotation(directory);
  await replaceAuthority(directory, rotation, options.onRotationStep);
  const { authority, created } = await loadOrCreateAuthority(directory, options);
  const next = rotation?.phase === 'overlap' ? await readNextAuthority(directory, rotation) : null;
  const server =
    (await readServer(directory, authority, options)) ?? (await writeServer(directory, authority.issueServer(options)));
  return { authority, next, rotation, server, created };
}

async function loadOrCreateAuthority(
  directory: string,
  options: DaemonIdentityOptions,
): Promise<{ authority: Authority; created: boolean }> {
  const keyFile = join(directory, 'ca.key');
  const certificateFile = join(directory, 'ca.crt');
  const keyPem = await readText(keyFile);
  const certificatePem = await readText(certificateFile);
  if (keyPem !== null && certificatePem !== null) {
    return { authority: naming(directory, () => new Authority({ keyPem, certificatePem })), created: false };
  }
  if (certificatePem !== null) throw missing(keyFile);
  if ((await readText(join(directory, 'server.crt'))) !== null) throw missing(certificateFile);
  // A key alone is what a crash between the two writes leaves. It has issued nothing, and keeping it keeps the pin.
  const material = naming(keyFile, () => createAuthority({ ...options, ...(keyPem === null ? {} : { keyPem }) }));
  await writeFileAtomic(keyFile, material.keyPem);
  await writeFileAtomic(certificateFile, material.certificatePem);
  return { authority: new Authority(material), created: true };
}

/** Null when it is missing, damaged, of another authority, for other hosts or old: it is simply made anew. */
async function readServer(
  directory: string,
  authority: Authority,
  { hosts, now }: DaemonIdentityOptions,
): Promise<ServerMaterial | null> {
  const keyPem = await readText(join(directory, 'server.key'));
  const certificatePem = await readText(join(directory, 'server.crt'));
  if (keyPem === null || certificatePem === null) return null;
  try {
    const facts = readCertificate(certificatePem);
    const certificate = new X509Certificate(certificatePem);
    const ca = new X509Certificate(authority.certificatePem);
    const wanted = canonicalHosts(hosts).toSorted().join();
    const usable =
      certificate.checkPrivateKey(importKey(keyPem)) &&
      certificate.verify(ca.publicKey) &&
      facts.notBefore <= now &&
      facts.notAfter - now >= (facts.notAfter - facts.notBefore) / 3 &&
      facts.hosts.toSorted().join() === wanted;
    return usable ? { keyPem, certificatePem } : null;
  } catch (error) {
    if (PalyraError.from(error).reason === 'CONFIG_INVALID') throw error;
    return null;
  }
}

/** Key first: a certificate that does not match its key is made anew at the next start. */
async function writeServer(directory: string, server: ServerMaterial): Promise<ServerMaterial> {
  await writeFileAtomic(join(directory, 'server.key'), server.keyPem);
  await writeFileAtomic(join(directory, 'server.crt'), server.certificatePem);
  return server;
}

/** The key of this machine, made at the first call; it never leaves the directory. Throws STATE_CORRUPT naming the file, STATE_NOT_OWNED. */
export async function readOrCreateDeviceKey(directory: string): Promise<KeyObject> {
  await ensurePrivateDirectory(directory);
  const known = await readDeviceKey(directory);
  if (known !== null) return known;
  const key = createDeviceKey();
  await writeFileAtomic(join(directory, 'device.key'), exportKey(key));
  return key;
}

/** Null when there is none; makes nothing. Throws as above. */
export async function readDeviceKey(directory: string): Promise<KeyObject | null> {
  const file = join(directory, 'device.key');
  const pem = await readText(file);
  return pem === null ? null : naming(file, () => importKey(pem));
}

/** Forgets a pairing: the identity, then the key, so that the next pairing is of a new key. Nothing to forget is fine. */
export async function removeNodeIdentity(directory: string): Promise<void> {
  await rm(join(directory, 'identity.json'), { force: true });
  await rm(join(directory, 'device.key'), { force: true });
  await rm(join(directory, NEXT_KEY_FILE), { force: true });
}

async function readText(file: string): Promise<string | null> {
  return (await readPrivateFile(file))?.toString('utf8') ?? null;
}

/** Adds the place to the detail of what fails: the ones who decode do not know where it came from. */
function naming<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const known = PalyraError.from(error);
    if (known.reason !== 'STATE_CORRUPT') throw error;
    throw new PalyraError('STATE_CORRUPT', {
      detail: `${place}: ${known.detail ?? 'it cannot be read'}`,
      cause: error,
    });
  }
}

function missing(file: string): PalyraError {
  return new PalyraError('STATE_CORRUPT', {
    detail: `${file} is missing and other files that need it are there`,
    hint: 'Restore the identity directory from a backup. Without it every machine has to be paired again',
  });
}
