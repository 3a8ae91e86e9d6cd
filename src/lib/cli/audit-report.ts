/** The audit log for people, and copies of it as files: written once, checked line by line without a daemon. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { ChainVerifier } from '../base/audit-chain.js';
import type { ChainHead, ChainReport } from '../base/audit-chain.js';
import { PalyraError } from '../base/errors.js';
import type { RouteAnswer } from '../wire/http/schemas.js';
import type { Column } from './table.js';

type Entry = RouteAnswer<'audit.list'>['entries'][number];

/** An entry has far less; what has more is not a line of ours, and is not read into memory to find out. */
const MAX_LINE_BYTES = 1024 * 1024;

export function auditColumns(): Column<Entry>[] {
  return [
    { header: 'ENTRY', value: ({ seq }) => String(seq) },
    { header: 'TIME', value: ({ at }) => at.replace(/\.\d+Z$/, 'Z') },
    { header: 'WHO', value: ({ actor }) => (actor.name === '' ? actor.kind : `${actor.kind} ${actor.name}`) },
    { header: 'FROM', value: ({ origin }) => (origin.address === 'local' ? origin.listener : origin.address) },
    { header: 'ACTION', value: ({ action }) => action },
    { header: 'ON', value: ({ target }) => subjectOf(target) },
    { header: 'OUTCOME', value: ({ outcome }) => outcome },
  ];
}

/** The new file's lines. Throws USAGE_INVALID when the file exists or cannot be made. */
export async function exportToFile(path: string, lines: AsyncIterable<string>): Promise<number> {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    const problem = error.code === 'EEXIST' ? 'it exists already' : (error.code ?? error.message);
    throw new PalyraError('USAGE_INVALID', { detail: `${path} cannot be written: ${problem}` });
  });
  try {
    let entries = 0;
    for await (const line of lines) {
      await file.write(`${line}\n`);
      entries += 1;
    }
    return entries;
  } finally {
    await file.close();
  }
}

/** Throws USAGE_INVALID when the file cannot be read. */
export async function verifyFile(path: string, mustHold: ChainHead | null): Promise<ChainReport> {
  const verifier = new ChainVerifier(mustHold);
  let rest: Buffer = Buffer.alloc(0);
  let good = true;
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      rest = Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = rest.indexOf(0x0a); good && end !== -1; end = rest.indexOf(0x0a, start)) {
        good = verifier.push(rest.subarray(start, end));
        start = end + 1;
      }
      rest = rest.subarray(start);
      if (!good || rest.length > MAX_LINE_BYTES) break;
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new PalyraError('USAGE_INVALID', { detail: `${path} cannot be read: ${code ?? message}` });
  }
  if (good && rest.length > 0) verifier.push(rest);
  return verifier.end();
}

/** `12:3f…`, as `audit verify` prints it. Throws USAGE_INVALID. */
export function parseHead(text: string): ChainHead {
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text.trim().toLowerCase());
  if (match === null) {
    throw new PalyraError('USAGE_INVALID', { detail: `"${text}" is not a head; it looks like 12:3f… with 64 digits` });
  }
  return { seq: Number(match[1]), hash: match[2] as string };
}

/** The most telling of what an entry names. */
function subjectOf(target: Entry['target']): string {
  const found = ['name', 'node', 'invite', 'dispatch', 'id', 'request']
    .map((field) => target[field])
    .filter((value) => value !== undefined && value !== '');
  return [found[0] ?? '', target['capability'] ?? ''].filter((part) => part !== '').join(' ');
}
