/**
 * Whether a service manager wants to be told how this process is. The variables of sd_notify(3) are taken out of the environment, so that no capability, plugin
 * or other child can speak in the name of the service; without them nothing else is loaded.
 */
import type { Log } from '../../base/log.js';
import { readVariable, takeVariable } from '../environment.js';

/** What a service tells its manager. Telling never fails and never waits. */
export interface Telling {
  /** It is of use from now on. `status` is asked again every few seconds; its first line is shown by `systemctl status`. */
  ready(status: () => string): void;
  /** It begins to stop and may need this long. */
  stopping(withinMs?: number): void;
  /** Nothing is told any more. */
  close(): void;
}

const NOBODY: Telling = { ready: () => undefined, stopping: () => undefined, close: () => undefined };

export interface NotifyRequest {
  readonly socket: string;
  /** Within this time the manager must hear from the process again; null when it does not watch. */
  readonly watchdogMs: number | null;
}

/** Null when nobody wants to be told. The variables are gone afterwards. */
export function takeNotifyRequest(env: NodeJS.ProcessEnv, pid: number): NotifyRequest | null {
  const socket = takeVariable('NOTIFY_SOCKET', env);
  const watchdogUsec = takeVariable('WATCHDOG_USEC', env) ?? '';
  const watchedPid = takeVariable('WATCHDOG_PID', env);
  if (socket === undefined) return null;
  // Meant for another process that left its environment to this one. Source: sd_watchdog_enabled(3).
  const isMeant = watchedPid === undefined || watchedPid === String(pid);
  const watchdogMs = isMeant && /^[1-9]\d{0,14}$/.test(watchdogUsec) ? Number(watchdogUsec) / 1000 : null;
  return { socket, watchdogMs };
}

/** Call `close` on what it gives back. */
export async function openTelling(log: Log): Promise<Telling> {
  const request = takeNotifyRequest(process.env, process.pid);
  if (request === null) return NOBODY;
  const [{ Notifier }, { findNotifyProgram, sendThrough }, { systemClock }] = await Promise.all([
    import('./notifier.js'),
    import('./notify-program.js'),
    import('../../base/clock.js'),
  ]);
  const program = findNotifyProgram(readVariable('PATH'));
  if (program === null) {
    log.warn('the service manager wants to be told when this is ready, but there is no systemd-notify to do it');
    return NOBODY;
  }
  const { socket, watchdogMs } = request;
  return new Notifier({ clock: systemClock, log, send: sendThrough(program, socket) }, { watchdogMs });
}
