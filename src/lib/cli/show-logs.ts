/** `daemon logs` and `node logs`: the same flags on two log files. */
import { Flags } from '@oclif/core';
import { LOG_LEVELS, type LogLevel } from '../base/log.js';
import { durationFlag } from './flags.js';
import { formatLogRecord, type LogRecord } from './log-format.js';
import { followLog, logSize, readLog } from './log-reader.js';
import type { CommandDocument, Output } from './output.js';
import { listenForStop } from './signals.js';

const DEFAULT_TAIL = 200;

export const logFlags = {
  follow: Flags.boolean({ char: 'f', description: 'Go on with what is added, until Ctrl-C' }),
  since: durationFlag({ description: 'Only what is younger, such as 1h' }),
  tail: Flags.integer({ min: 0, default: DEFAULT_TAIL, helpValue: '<n>', description: 'Only the last lines' }),
  level: Flags.option({ options: LOG_LEVELS, default: 'debug' as const })({
    description: 'Only this level and worse',
  }),
};

export interface LogFlags {
  readonly follow: boolean;
  readonly since?: number | undefined;
  readonly tail: number;
  readonly level: LogLevel;
}

/** The document of what is there; nothing when it followed, which ends with the exit code of the signal. */
export async function showLogs(
  path: string,
  schema: string,
  { follow, since, tail, level }: LogFlags,
  output: Output,
  isWanted: (record: LogRecord) => boolean = () => true,
): Promise<CommandDocument | undefined> {
  const query = { since: since === undefined ? null : Date.now() - since, level, tail };
  // Taken first: what is written in between is shown twice rather than not at all.
  const from = await logSize(path);
  const entries = (await readLog(path, query)).filter(isWanted);
  if (!follow) {
    for (const record of entries) output.result(formatLogRecord(record));
    if (entries.length === 0) output.say('The log has nothing to show.');
    return { schema, entries };
  }
  const show = (record: LogRecord) => {
    if (output.json) output.line(record);
    else output.result(formatLogRecord(record));
  };
  const stop = listenForStop();
  try {
    for (const record of entries) show(record);
    for await (const record of followLog(path, { ...query, tail: null }, from, stop.signal)) {
      if (isWanted(record)) show(record);
    }
  } finally {
    stop.dispose();
  }
  process.exitCode = stop.exitCode() ?? 0;
  return undefined;
}
