/**
 * Reads the log that `log-file.ts` writes: all generations, filtered, and then what is added, across rotations.
 * Follows by looking four times a second: file watching differs between systems and misses renames on some.
 */
import { open, readFile, stat } from 'node:fs/promises';
import { LOG_LEVELS, type LogLevel } from '../base/log.js';
import { systemClock, sleep } from '../base/clock.js';
import { logGenerations } from './log-file.js';
import { parseLogLine, type LogRecord } from './log-format.js';

export interface LogQuery {
  /** Milliseconds since the epoch. */
  readonly since: number | null;
  readonly level: LogLevel;
  /** The last so many that match; null for all. */
  readonly tail: number | null;
}

const LOOK_EVERY_MS = 250;

export async function readLog(path: string, query: LogQuery): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (const file of logGenerations(path)) {
    const text = await readFile(file, 'utf8').catch(() => '');
    records.push(
      ...text
        .split('\n')
        .flatMap((line) => toRecord(line))
        .filter((record) => matches(record, query)),
    );
  }
  return query.tail === null ? records : records.slice(-query.tail);
}

/** What is written after `from` bytes of the present file, until the signal aborts. */
export async function* followLog(
  path: string,
  query: LogQuery,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<LogRecord> {
  let position = from;
  let inode = await inodeOf(path);
  let rest = '';
  while (!signal.aborted) {
    const present = await inodeOf(path);
    if (present !== inode) {
      // Rotated: what the old file still had is now in the first older generation.
      const missed = inode === null ? '' : await readFrom(`${path}.1`, position);
      rest += missed;
      position = 0;
      inode = present;
    }
    const text = await readFrom(path, position);
    position += Buffer.byteLength(text);
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const record of lines.flatMap((line) => toRecord(line))) if (matches(record, query)) yield record;
    await sleep(systemClock, LOOK_EVERY_MS, signal).catch(() => undefined);
  }
}

/** Bytes of the present file, 0 when there is none. */
export async function logSize(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

function matches(record: LogRecord, query: LogQuery): boolean {
  const level = LOG_LEVELS.indexOf(record.level as LogLevel);
  return (
    (level === -1 || level >= LOG_LEVELS.indexOf(query.level)) &&
    (query.since === null || Date.parse(record.time) >= query.since)
  );
}

/** A line that is not ours (a crash of the runtime) is shown too, as an error without a time of its own. */
function toRecord(line: string): LogRecord[] {
  if (line.trim() === '') return [];
  return [parseLogLine(line) ?? { time: new Date(0).toISOString(), level: 'error', scope: 'runtime', msg: line }];
}

async function inodeOf(path: string): Promise<number | null> {
  return (await stat(path).catch(() => null))?.ino ?? null;
}

async function readFrom(path: string, position: number): Promise<string> {
  const file = await open(path, 'r').catch(() => null);
  if (file === null) return '';
  try {
    const { size } = await file.stat();
    if (size <= position) return '';
    const buffer = Buffer.alloc(size - position);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    const text = buffer.subarray(0, bytesRead);
    // Only whole lines: the writer may be in the middle of a character.
    return text.subarray(0, text.lastIndexOf(0x0a) + 1).toString('utf8');
  } finally {
    await file.close();
  }
}
