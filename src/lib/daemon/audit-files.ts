/**
 * The files of the audit log and how they are read: `audit.v1.log` is being written, `audit.v1.<first number>.log` are full. Lines come out as bytes, in
 * either direction, in pieces of bounded size, whatever the files hold.
 */
import { join } from 'node:path';
import { PalyraError } from '../base/errors.js';
import type { StateFile, StateFs } from '../base/state-fs.js';

export const ACTIVE_NAME = 'audit.v1.log';
const FULL_NAME = /^audit\.v1\.(\d{12})\.log$/;

/** One file. `path` changes when the file is full and gets its final name; `bytes` grows while it is being written. */
export interface Segment {
  path: string;
  bytes: number;
  /** Number of its first entry. */
  firstSeq: number;
}

/** What a reader sees: the files and lengths at one moment. */
export type Extent = readonly { readonly segment: Segment; readonly bytes: number }[];

export function fullName(firstSeq: number): string {
  return `audit.v1.${String(firstSeq).padStart(12, '0')}.log`;
}

/** The full files, oldest first. */
export async function findFullSegments(fs: StateFs, directory: string): Promise<Segment[]> {
  const names = (await fs.list(directory)).filter((name) => FULL_NAME.test(name)).sort();
  const segments: Segment[] = [];
  for (const name of names) {
    const path = join(directory, name);
    const file = await fs.open(path);
    if (file === null) continue;
    segments.push({ path, bytes: await file.size(), firstSeq: Number(FULL_NAME.exec(name)?.[1]) });
    await file.close();
  }
  return segments;
}

const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;
/** Far longer than any entry: what has no line end within it is not ours. It still is a line, so that a check stumbles over it. */
const MAX_LINE_BYTES = 1024 * 1024;

/** Every line of a file up to `bytes`, without line ends; a last line without an end too. */
export async function* linesForward(file: StateFile, bytes: number): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for (let position = 0; position < bytes;) {
    const chunk = await file.read(position, Math.min(CHUNK_BYTES, bytes - position));
    if (chunk.length === 0) break;
    position += chunk.length;
    rest = Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE, start)) {
      yield rest.subarray(start, end);
      start = end + 1;
    }
    rest = rest.subarray(start);
    if (rest.length > MAX_LINE_BYTES) break;
  }
  if (rest.length > 0) yield rest;
}

/** The same from the end. */
export async function* linesBackward(file: StateFile, bytes: number): AsyncGenerator<Buffer> {
  if (bytes === 0) return;
  let rest: Buffer = Buffer.alloc(0);
  for (let position = bytes; position > 0 && rest.length <= MAX_LINE_BYTES;) {
    const from = Math.max(0, position - CHUNK_BYTES);
    const buffer = Buffer.concat([await file.read(from, position - from), rest]);
    let end = position === bytes && buffer.at(-1) === NEWLINE ? buffer.length - 1 : buffer.length;
    position = from;
    for (;;) {
      const start = end === 0 ? -1 : buffer.lastIndexOf(NEWLINE, end - 1);
      if (start === -1) break;
      yield buffer.subarray(start + 1, end);
      end = start;
    }
    rest = buffer.subarray(0, end);
  }
  yield rest;
}

/** Lines of several files, oldest or newest first. Only those that may hold a number in [from, to] are opened. */
export async function* linesOf(
  fs: StateFs,
  extent: Extent,
  order: 'oldest' | 'newest',
  range: { readonly from?: number; readonly to?: number } = {},
): AsyncGenerator<Buffer> {
  const wanted = extent.filter(({ segment }, index) => {
    const next = extent[index + 1]?.segment.firstSeq ?? Infinity;
    return segment.firstSeq <= (range.to ?? Infinity) && next > (range.from ?? 0);
  });
  for (const { segment, bytes } of order === 'oldest' ? wanted : wanted.reverse()) {
    const file = await openSegment(fs, segment);
    try {
      yield* order === 'oldest' ? linesForward(file, bytes) : linesBackward(file, bytes);
    } finally {
      await file.close();
    }
  }
}

async function openSegment(fs: StateFs, segment: Segment): Promise<StateFile> {
  // Twice, because a file that becomes full just now has its new name a moment later.
  const file = (await fs.open(segment.path)) ?? (await fs.open(segment.path));
  if (file === null) throw new PalyraError('STATE_CORRUPT', { detail: `${segment.path} is missing` });
  return file;
}
