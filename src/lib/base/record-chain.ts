/**
 * The text form of an append-only log: one line per record, each naming the one before it. Pure: bytes in, bytes out.
 *
 *   crc seq prev {json}\n         crc and prev: CRC-32, eight hex digits; seq: decimal, one more than the line before
 *   └─ over "seq prev {json}"     prev: the crc of the line before; 00000000 at the very beginning
 *
 * Reading gives every record up to the first line that is not whole and in its place. What follows decides:
 *   - it does not reach its newline, or has zeros in it, and no whole line follows: a write that a crash cut short. It was never confirmed; the caller
 *     cuts it off.
 *   - it reaches its newline, a whole line follows, or a whole line is in the wrong place: damage, reordering, loss or splicing. Refused with STATE_CORRUPT and the offset.
 */
import { crc32 } from './crc32.js';
import { PalyraError } from './errors.js';

/** Where a chain stands: number and CRC of its last record. */
export interface ChainLink {
  readonly seq: number;
  readonly crc: number;
}

/** The chain before its first record. */
export const CHAIN_START: ChainLink = { seq: 0, crc: 0 };

const HEADER = /^([0-9a-f]{8}) ([1-9][0-9]{0,15}) ([0-9a-f]{8}) /;
/** 8 + 1 + 16 + 1 + 8 + 1. */
const MAX_HEADER_BYTES = 35;
/** `crc ` precedes what the CRC covers. */
const CRC_PREFIX_BYTES = 9;
const NEWLINE = 0x0a;
const UNWRITTEN = Buffer.alloc(2);
/** Look-alikes tried per line when searching for whole lines in a damaged region; bounds the work that hostile text in a record can cause. */
const MAX_CANDIDATES_PER_LINE = 16;

export function toHex8(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}

/** Encodes one record behind `previous`. `record` must be a JSON value. */
export function encodeRecord(
  record: unknown,
  previous: ChainLink,
): { readonly line: Buffer; readonly link: ChainLink } {
  const json = JSON.stringify(record) as string | undefined;
  if (json === undefined)
    throw new PalyraError('INTERNAL', { cause: new TypeError('a log record must be a JSON value') });
  const seq = previous.seq + 1;
  const line = Buffer.from(`00000000 ${seq} ${toHex8(previous.crc)} ${json}\n`);
  const crc = crc32(line.subarray(CRC_PREFIX_BYTES, line.length - 1));
  line.write(toHex8(crc), 0, 'latin1');
  return { line, link: { seq, crc } };
}

interface Line {
  readonly link: ChainLink;
  readonly prev: number;
  readonly value: unknown;
  /** Offset of the next line. */
  readonly end: number;
}

/** The whole line that starts at `offset`, wherever in the chain it belongs, or null. */
function readLine(bytes: Buffer, offset: number): Line | null {
  const header = HEADER.exec(bytes.toString('latin1', offset, Math.min(offset + MAX_HEADER_BYTES, bytes.length)));
  if (header === null) return null;
  const newline = bytes.indexOf(NEWLINE, offset);
  if (newline === -1 || newline < offset + header[0].length) return null;
  const crc = parseInt(header[1] as string, 16);
  if (crc32(bytes.subarray(offset + CRC_PREFIX_BYTES, newline)) !== crc) return null;
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8', offset + header[0].length, newline));
    return { link: { seq: Number(header[2]), crc }, prev: parseInt(header[3] as string, 16), value, end: newline + 1 };
  } catch {
    return null;
  }
}

/** Offset of the first whole line at or after `from`, at the start of a line or inside one (a damaged newline joins two), or -1. */
function findWholeLine(bytes: Buffer, from: number): number {
  const lookAlike = /[0-9a-f]{8} [1-9][0-9]{0,15} [0-9a-f]{8} /g;
  for (let start = from; start < bytes.length;) {
    const newline = bytes.indexOf(NEWLINE, start);
    if (newline === -1) return -1;
    const text = bytes.toString('latin1', start, newline);
    lookAlike.lastIndex = 0;
    for (let tries = 0; tries < MAX_CANDIDATES_PER_LINE; tries++) {
      const match = lookAlike.exec(text);
      if (match === null) break;
      if (readLine(bytes, start + match.index) !== null) return start + match.index;
      lookAlike.lastIndex = match.index + 1;
    }
    start = newline + 1;
  }
  return -1;
}

export interface ScannedLog {
  /** Values of the records after `after`, in order. */
  readonly values: unknown[];
  /** The last record, or `after` when there is none. */
  readonly head: ChainLink;
  /** Lines in the bytes, those up to `after` included. */
  readonly lines: number;
  /** Everything from here to the end is a torn write. */
  readonly goodBytes: number;
}

/**
 * Reads a log that continues `after`. Lines up to `after` may still be there (a snapshot made them redundant, a crash kept them from being removed):
 * they are checked and skipped. Throws STATE_CORRUPT with `file` and `offset`, also when records between `after` and the first line are missing.
 */
export function scanRecords(bytes: Buffer, file: string, after: ChainLink = CHAIN_START): ScannedLog {
  const values: unknown[] = [];
  let head: ChainLink | null = null;
  let lines = 0;
  let offset = 0;
  while (offset < bytes.length) {
    const line = readLine(bytes, offset);
    if (line === null) break;
    const follows =
      head === null ? line.link.seq <= after.seq + 1 : line.link.seq === head.seq + 1 && line.prev === head.crc;
    if (!follows || !agrees(line, after)) throw corrupt(file, offset, 'a record is not where it belongs');
    if (line.link.seq > after.seq) values.push(line.value);
    head = line.link;
    lines++;
    offset = line.end;
  }
  if (offset < bytes.length) {
    const later = findWholeLine(bytes, offset);
    if (later !== -1) throw corrupt(file, offset, `a record is damaged and whole ones follow at byte ${later}`);
    if (isWritten(bytes, offset)) throw corrupt(file, offset, 'the last record is damaged');
  }
  if (head !== null && head.seq < after.seq) {
    throw corrupt(file, offset, `it ends at record ${head.seq}, but record ${after.seq} was confirmed`);
  }
  return { values, head: head ?? after, lines, goodBytes: offset };
}

/**
 * Whether the line at `offset` was written to its end: it has its newline and no run of zeros, which is what a file system puts where a write never
 * arrived (whole sectors; one zero byte alone is a changed bit). A line like that was not cut by a crash, so what does not fit in it is damage.
 */
function isWritten(bytes: Buffer, offset: number): boolean {
  const newline = bytes.indexOf(NEWLINE, offset);
  return newline !== -1 && !bytes.subarray(offset, newline).includes(UNWRITTEN);
}

/** Whether a line fits what is known about the record `after` and the beginning of the chain. */
function agrees(line: Line, after: ChainLink): boolean {
  if (line.link.seq === 1 && line.prev !== CHAIN_START.crc) return false;
  if (line.link.seq === after.seq) return line.link.crc === after.crc;
  return line.link.seq !== after.seq + 1 || line.prev === after.crc;
}

export function corrupt(file: string, offset: number, problem: string): PalyraError {
  return new PalyraError('STATE_CORRUPT', {
    detail: `${file} at byte ${offset}: ${problem}`,
    details: { file, offset },
  });
}
