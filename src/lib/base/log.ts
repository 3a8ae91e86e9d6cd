/**
 * What a part may log to. The implementation (pino) lives in `cli`; daemon and node only see this.
 * Fields are public facts: ids, reasons, addresses. Never a code, key, cookie or capability input.
 */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same log with a fixed scope, e.g. `pairing`, `node`, `dispatch`. */
  scope(name: string): Log;
}

export interface LogFields {
  readonly err?: unknown;
  readonly [key: string]: unknown;
}

/** Drops everything. For embedders that log nothing and for tests. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  scope: () => silentLog,
};
