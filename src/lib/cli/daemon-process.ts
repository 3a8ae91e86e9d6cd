/**
 * The daemon as a background process: started detached, awaited until it says it is ready, told apart from one that fails to start.
 * The child reports over an IPC channel that is closed as soon as it has; nothing half-started remains after a failure.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { PalyraError, type ErrorFacts } from '../base/errors.js';
import { backgroundEnvironment } from './background-environment.js';
import { formatLogRecord, parseLogLine } from './log-format.js';

export type StartReport = { readonly type: 'ready' } | { readonly type: 'failed'; readonly error: ErrorFacts };

export interface StartOptions {
  /** Directory of package.json. */
  readonly root: string;
  /** Flags of `daemon run`. */
  readonly args: readonly string[];
  readonly logFile: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const TAIL_LINES = 5;

/** Resolves with the process id once the daemon is ready. Throws the daemon's own reason, or DAEMON_START_FAILED with the end of its log. */
export async function startDaemonProcess(options: StartOptions): Promise<number> {
  mkdirSync(dirname(options.logFile), { recursive: true, mode: 0o700 });
  const crashes = openSync(options.logFile, 'a', 0o600);
  const env = backgroundEnvironment(process.env, { platform: process.platform, cwd: process.cwd() });
  const child = spawn(
    process.execPath,
    [join(options.root, 'bin', 'run.js'), 'daemon', 'run', '--log-file', options.logFile, ...options.args],
    { detached: true, windowsHide: true, cwd: homedir(), env, stdio: ['ignore', 'ignore', crashes, 'ipc'] },
  );
  closeSync(crashes);
  try {
    await firstReport(child, options);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
  }
  if (child.pid === undefined) throw new PalyraError('DAEMON_START_FAILED');
  return child.pid;
}

/** In the child: tells the parent, if there is one, and lets it go. */
export function reportStart(report: StartReport): Promise<void> {
  if (process.send === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    process.send?.(report, undefined, undefined, () => {
      if (process.connected) process.disconnect();
      resolve();
    });
  });
}

/** Whether the process still runs. One of another user counts; one that ended and waits for its parent (a container without init) does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return process.platform !== 'linux' || !isZombie(pid);
}

/** The state follows the command name, which is in parentheses and may hold anything. Source: proc(5). */
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

/** The last lines of a log for people, oldest first. */
export function logTail(path: string, lines = TAIL_LINES): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .slice(-lines)
    .map((line) => {
      const record = parseLogLine(line);
      return record === null ? line : formatLogRecord(record);
    });
}

function firstReport(child: ChildProcess, options: StartOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (detail: string, cause?: unknown) => {
      done();
      reject(new PalyraError('DAEMON_START_FAILED', { detail, cause, details: { log: logTail(options.logFile) } }));
    };
    const timer = setTimeout(() => failed(`it was not ready within ${options.timeoutMs} ms`), options.timeoutMs);
    const onAbort = () => {
      done();
      reject(new PalyraError('CANCELLED', { detail: 'the daemon was not started' }));
    };
    const done = () => {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', onAbort);
      child.removeAllListeners();
    };
    options.signal.addEventListener('abort', onAbort, { once: true });
    child.once('error', (error) => failed('its process could not be started', error));
    child.once('exit', (code, signal) =>
      failed(signal === null ? `it ended with exit code ${code ?? 1}` : `it was ended by ${signal}`),
    );
    child.once('message', (message) => {
      done();
      const report = message as StartReport;
      if (report.type === 'ready') resolve();
      else reject(PalyraError.fromFacts(report.error));
    });
  });
}
