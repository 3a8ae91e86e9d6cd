/**
 * The replacement of the daemon's CA on disk. One record says how far it is, and is the last thing written of each step; whatever a crash leaves is finished
 * by calling the same functions again.
 *
 *   ca-next.key, ca-next.crt ─► [overlap] ─► [retiring] ─► ca.key, ca.crt replaced ─► ca-next.* removed ─► [done]
 *
 * Before `overlap` nothing has happened: what lies there is written over. From `retiring` on it only goes forward. The old key is gone from the directory
 * when `ca.key` has been replaced; the disk below may keep its blocks for longer.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PalyraError } from '../base/errors.js';
import { readPrivateFile, writeFileAtomic } from '../base/files.js';
import { parseBoundedJson } from '../base/json.js';
import type { Random } from '../base/random.js';
import { Authority, createAuthority, type AuthorityMaterial } from './authority.js';
import { readCertificate } from './certificate.js';

export interface RotationRecord {
  readonly phase: 'overlap' | 'retiring' | 'done';
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly startedBy: string;
  /** The old one stays at least until then. */
  readonly keepUntil: number;
  /** SHA-256 of the SubjectPublicKeyInfo of the old and of the new authority, lower-case hex. */
  readonly from: string;
  readonly to: string;
  /** It does not wait, or did not, for the nodes that had only the old one. */
  readonly forced: boolean;
  readonly endedAt: number | null;
  /** Names of nodes that have to be paired again. */
  readonly leftBehind: readonly string[];
  /** Invites that ended with the old one. */
  readonly endedInvites: number;
  /** What is still to be told in the audit log: the action. */
  readonly untold: string | null;
}

/** After each of these a crash is harmless; a test crashes there. */
export type RotationStep =
  'key-written' | 'certificate-written' | 'overlap' | 'retiring' | 'key-replaced' | 'certificate-replaced' | 'done';
export type OnRotationStep = (step: RotationStep) => void;

const RECORD_FILE = 'rotation.json';
const NEXT_KEY_FILE = 'ca-next.key';
const NEXT_CERTIFICATE_FILE = 'ca-next.crt';
const FORMAT = 1;

/** Null when there never was one. Throws STATE_CORRUPT or STATE_VERSION_UNSUPPORTED naming the file, STATE_NOT_OWNED. */
export async function readRotation(directory: string): Promise<RotationRecord | null> {
  const file = join(directory, RECORD_FILE);
  const bytes = await readPrivateFile(file);
  if (bytes === null) return null;
  const corrupt = (cause?: unknown) =>
    new PalyraError('STATE_CORRUPT', { detail: `${file} does not say how far the replacement of the CA is`, cause });
  let value: Partial<RotationRecord> & { format?: unknown };
  try {
    value = parseBoundedJson(bytes.toString('utf8')) as typeof value;
  } catch (cause) {
    throw corrupt(cause);
  }
  const { format, phase, startedAt, startedBy, keepUntil, from, to, forced, endedAt, leftBehind, endedInvites } = value;
  const { untold = null } = value;
  if (typeof format === 'number' && format > FORMAT)
    throw new PalyraError('STATE_VERSION_UNSUPPORTED', { detail: `${file} has the format ${format}` });
  const isWhole =
    (phase === 'overlap' || phase === 'retiring' || phase === 'done') &&
    typeof startedAt === 'number' &&
    typeof startedBy === 'string' &&
    typeof keepUntil === 'number' &&
    typeof from === 'string' &&
    typeof to === 'string' &&
    typeof forced === 'boolean' &&
    (endedAt === null || typeof endedAt === 'number') &&
    Array.isArray(leftBehind) &&
    typeof endedInvites === 'number' &&
    (untold === null || typeof untold === 'string');
  if (!isWhole) throw corrupt();
  return { phase, startedAt, startedBy, keepUntil, from, to, forced, endedAt, leftBehind, endedInvites, untold };
}

/** Durable when it resolves. */
export async function writeRotation(directory: string, record: RotationRecord): Promise<void> {
  await writeFileAtomic(join(directory, RECORD_FILE), `${JSON.stringify({ format: FORMAT, ...record }, null, 2)}\n`);
}

/** Makes the new authority and begins the overlap. The caller has made sure that none is under way. */
export async function beginRotation(
  directory: string,
  options: {
    readonly old: Authority;
    readonly name: string;
    readonly now: number;
    readonly random: Random;
    readonly by: string;
    readonly keepMs: number;
    readonly forced: boolean;
  },
  onStep?: OnRotationStep,
): Promise<RotationRecord> {
  const { old, now, by, keepMs, forced } = options;
  const material = createAuthority({ ...options, name: nextName(old, options.name) });
  await writeFileAtomic(join(directory, NEXT_KEY_FILE), material.keyPem);
  onStep?.('key-written');
  await writeFileAtomic(join(directory, NEXT_CERTIFICATE_FILE), material.certificatePem);
  onStep?.('certificate-written');
  const record: RotationRecord = {
    phase: 'overlap',
    startedAt: now,
    startedBy: by,
    keepUntil: now + keepMs,
    from: old.spkiSha256,
    to: new Authority(material).spkiSha256,
    forced,
    endedAt: null,
    leftBehind: [],
    endedInvites: 0,
    untold: 'ca.overlap',
  };
  await writeRotation(directory, record);
  onStep?.('overlap');
  return record;
}

/** The authority that is to take over. Throws STATE_CORRUPT when it is not the one of the record. */
export async function readNextAuthority(directory: string, { to }: RotationRecord): Promise<Authority> {
  const material = await readNext(directory);
  const next = material === null ? null : new Authority(material);
  if (next?.spkiSha256 === to) return next;
  throw new PalyraError('STATE_CORRUPT', {
    detail: `${join(directory, NEXT_CERTIFICATE_FILE)} is missing or is not the CA that ${RECORD_FILE} names`,
    hint: 'Restore the identity directory from a backup',
  });
}

/** Puts the new authority in the place of the old one, when the record says that this has begun; does what is left of it. */
export async function replaceAuthority(
  directory: string,
  record: RotationRecord | null,
  onStep?: OnRotationStep,
): Promise<void> {
  if (record?.phase !== 'retiring') return;
  const material = await readNext(directory);
  if (material === null) {
    // Removed already, so both were in place.
    const shown = await readText(join(directory, 'ca.crt'));
    if (shown === null || readCertificate(shown).spkiFingerprint !== record.to)
      await readNextAuthority(directory, record);
  } else {
    await readNextAuthority(directory, record);
    await writeFileAtomic(join(directory, 'ca.key'), material.keyPem);
    onStep?.('key-replaced');
    await writeFileAtomic(join(directory, 'ca.crt'), material.certificatePem);
    onStep?.('certificate-replaced');
  }
  await rm(join(directory, NEXT_CERTIFICATE_FILE), { force: true });
  await rm(join(directory, NEXT_KEY_FILE), { force: true });
}

/** Another name than the old one's: an issuer is looked for by its name. */
function nextName(old: Authority, name: string): string {
  const subject = readCertificate(old.certificatePem).commonName;
  for (let number = 2; ; number++) {
    const next = `${name.slice(0, 40)} ${number}`;
    if (!subject.endsWith(` ${next.replace(/[^A-Za-z0-9 ._-]/g, '-')}`)) return next;
  }
}

async function readNext(directory: string): Promise<AuthorityMaterial | null> {
  const keyPem = await readText(join(directory, NEXT_KEY_FILE));
  const certificatePem = await readText(join(directory, NEXT_CERTIFICATE_FILE));
  return keyPem === null || certificatePem === null ? null : { keyPem, certificatePem };
}

async function readText(file: string): Promise<string | null> {
  return (await readPrivateFile(file))?.toString('utf8') ?? null;
}
