/**
 * The report that goes with a question: one JSON document of what doctor found, how services are set up and the ends of the logs. Everything in it goes
 * through the redaction of the logs once more, names and addresses stay: they are what a question is about. No key, identity or journal is read for it.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { PalyraError } from '../../base/errors.js';
import { logGenerations } from '../log-file.js';
import { redact, redactText } from '../redaction.js';

export interface BundleParts {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly checks: readonly unknown[];
  /** Files as they are: units, wrappers. */
  readonly files: readonly string[];
  /** Log files by the name of their service. */
  readonly logs: Readonly<Record<string, string>>;
}

const TAIL_LINES = 500;
const MAX_FILE_CHARACTERS = 64 * 1024;

/** The bytes of the report, compressed when the name ends in `.gz`. */
export async function createBundle(path: string, { facts, checks, files, logs }: BundleParts): Promise<Buffer> {
  const texts: Record<string, string> = {};
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => null);
    if (text !== null) texts[file] = redactText(text).slice(0, MAX_FILE_CHARACTERS);
  }
  const tails: Record<string, unknown[]> = {};
  for (const [name, file] of Object.entries(logs)) tails[name] = await logEnd(file);
  const report = {
    format: 'palyra.doctor.bundle/v1',
    facts: redact(facts),
    checks: redact(checks),
    files: texts,
    logs: tails,
  };
  const bytes = Buffer.from(`${JSON.stringify(report, null, 2)}\n`);
  return path.endsWith('.gz') ? gzipSync(bytes) : bytes;
}

/** Private, and never in the place of another file. Throws USAGE_INVALID. */
export async function writeBundle(path: string, bytes: Buffer): Promise<void> {
  try {
    await writeFile(path, bytes, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST';
    throw new PalyraError('USAGE_INVALID', {
      detail: exists ? `${path} exists already` : `${path} cannot be written`,
      cause: error,
    });
  }
}

/** The whole text is redacted before it is cut into lines: a secret of several lines must not come apart. */
async function logEnd(path: string): Promise<unknown[]> {
  let text = '';
  for (const file of logGenerations(path)) text += await readFile(file, 'utf8').catch(() => '');
  return redactText(text)
    .split('\n')
    .filter((line) => line !== '')
    .slice(-TAIL_LINES)
    .map((line) => redact(recordOf(line)));
}

function recordOf(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return line;
  }
}
