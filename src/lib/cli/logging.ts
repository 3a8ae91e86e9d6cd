/**
 * The logs of the two services, on pino: JSON lines to a file or stderr, or lines for people. Only `daemon run` and `node run` load this module.
 * Every record has `time` (RFC 3339, UTC), `level`, `scope` and `msg`; an error becomes `{code, message}`, with its cause only at level debug.
 */
import { pino, type Logger } from 'pino';
import { PalyraError } from '../base/errors.js';
import { LOG_LEVELS, type Log, type LogFields, type LogLevel } from '../base/log.js';
import { readVariable, type Environment } from './environment.js';
import { formatLogRecord, parseLogLine } from './log-format.js';
import { redact, redactText } from './redaction.js';

export type LogFormat = 'pretty' | 'json';

export interface LogDestination {
  write(line: string): void;
}

export interface LoggingOptions {
  readonly destination: LogDestination;
  readonly level: LogLevel;
  readonly format: LogFormat;
}

export function createLog(options: LoggingOptions): Log {
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      // Already `{code, message}`; pino's own serializer would take it for an Error.
      serializers: { err: (err: unknown) => err },
    },
    options.format === 'json' ? options.destination : prettyDestination(options.destination),
  );
  return new PinoLog(logger, 'palyra', options.level === 'debug');
}

/** From the flag, else `PALYRA_LOG_LEVEL`, else info. An unknown word falls back to info. */
export function logLevelOf(flag: string | undefined, env: Environment = process.env): LogLevel {
  const wanted = flag ?? readVariable('PALYRA_LOG_LEVEL', env) ?? 'info';
  return LOG_LEVELS.find((level) => level === wanted.toLowerCase()) ?? 'info';
}

export function logFormatOf(flag: string | undefined, fallback: LogFormat, env: Environment = process.env): LogFormat {
  const wanted = flag ?? readVariable('PALYRA_LOG_FORMAT', env);
  return wanted === 'json' || wanted === 'pretty' ? wanted : fallback;
}

class PinoLog implements Log {
  readonly #logger: Logger;
  readonly #scope: string;
  readonly #debug: boolean;

  constructor(logger: Logger, scope: string, debug: boolean) {
    this.#logger = logger;
    this.#scope = scope;
    this.#debug = debug;
  }

  debug(message: string, fields?: LogFields): void {
    this.#write('debug', message, fields);
  }
  info(message: string, fields?: LogFields): void {
    this.#write('info', message, fields);
  }
  warn(message: string, fields?: LogFields): void {
    this.#write('warn', message, fields);
  }
  error(message: string, fields?: LogFields): void {
    this.#write('error', message, fields);
  }
  scope(name: string): Log {
    return new PinoLog(this.#logger, name, this.#debug);
  }

  #write(level: LogLevel, message: string, fields: LogFields = {}): void {
    const { err, ...rest } = fields;
    const record = {
      scope: this.#scope,
      ...(redact(rest) as object),
      ...(err === undefined ? {} : { err: errorFields(err, this.#debug) }),
    };
    this.#logger[level](record, redactText(message));
  }
}

function errorFields(thrown: unknown, debug: boolean): Record<string, unknown> {
  const error = PalyraError.from(thrown);
  const cause = error.cause;
  const why = cause instanceof Error ? (debug ? (cause.stack ?? cause.message) : cause.message) : undefined;
  return {
    code: error.reason,
    message: redactText(error.message),
    ...(why === undefined ? {} : { cause: redactText(why) }),
  };
}

function prettyDestination(destination: LogDestination): LogDestination {
  return {
    write: (line) => {
      const record = parseLogLine(line);
      destination.write(record === null ? line : `${formatLogRecord(record)}\n`);
    },
  };
}
