/** The log of a service as its flags ask for it. The logging library is loaded here and only here, when a service starts. */
import { silentLog, type Log } from '../base/log.js';
import type { Output } from './output.js';
import type { Settings } from './settings.js';

export interface ServiceLogFlags {
  readonly 'log-format'?: 'pretty' | 'json' | undefined;
  readonly 'log-level'?: string | undefined;
  readonly 'log-file'?: string | undefined;
}

export interface ServiceLog {
  readonly log: Log;
  readonly close: () => void;
}

/** Flags first, then what the environment or the settings say. */
export function withLogSettings(flags: ServiceLogFlags, settings: Pick<Settings, 'text'>): ServiceLogFlags {
  const format = settings.text('log.format');
  return {
    ...flags,
    'log-level': flags['log-level'] ?? settings.text('log.level'),
    'log-format': flags['log-format'] ?? (format === 'json' || format === 'pretty' ? format : undefined),
  };
}

/** To `--log-file`, else to stderr; nowhere under `--json`, which promises a silent stderr. */
export async function openLog(flags: ServiceLogFlags, output: Output): Promise<ServiceLog> {
  const [{ createLog, logFormatOf, logLevelOf }, { LogFile }] = await Promise.all([
    import('./logging.js'),
    import('./log-file.js'),
  ]);
  const level = output.verbose && flags['log-level'] === undefined ? 'debug' : logLevelOf(flags['log-level']);
  const path = flags['log-file'];
  if (path !== undefined) {
    const file = new LogFile(path);
    return { log: createLog({ destination: file, level, format: 'json' }), close: () => file.close() };
  }
  if (output.json) return { log: silentLog, close: () => undefined };
  const destination = { write: (line: string) => void process.stderr.write(line) };
  return {
    log: createLog({ destination, level, format: logFormatOf(flags['log-format'], 'pretty') }),
    close: () => undefined,
  };
}
