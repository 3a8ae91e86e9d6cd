/** One log record as a line for people: `04:46:16 info  node      pi-lab online`. Shared by the foreground log and `daemon logs`. */
import { printable } from './text.js';

export interface LogRecord {
  readonly time: string;
  readonly level: string;
  readonly scope: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

const OWN_FIELDS = new Set(['time', 'level', 'scope', 'msg']);

/** Local time of day; fields follow as `name=value`. */
export function formatLogRecord(record: LogRecord): string {
  const at = new Date(record.time);
  const time = Number.isNaN(at.getTime()) ? '—       ' : at.toTimeString().slice(0, 8);
  const fields = Object.entries(record)
    .filter(([name]) => !OWN_FIELDS.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return printable([time, record.level.padEnd(5), record.scope.padEnd(9), record.msg, ...fields].join(' ').trimEnd());
}

/** A line of the log file, or null for one that is not ours (a crash of the runtime prints plain text). */
export function parseLogLine(line: string): LogRecord | null {
  try {
    const value = JSON.parse(line) as Partial<LogRecord> | null;
    if (typeof value?.time !== 'string' || typeof value.level !== 'string' || typeof value.msg !== 'string')
      return null;
    return { ...value, time: value.time, level: value.level, msg: value.msg, scope: value.scope ?? '' };
  } catch {
    return null;
  }
}
