/**
 * Who keeps a service running, as a port. Three belong to the system (systemd, launchd, the Task Scheduler) and are only told what to do; where none of
 * them is, palyra starts a detached process itself (`detached-supervisor.ts`), which nothing starts again.
 *
 *   files ──written──► register ──► start ⇄ stop ──► unregister ──► files removed
 *
 * Every step may be repeated: what is already so is no error. A step that fails throws SERVICE_FAILED with the program and what it said.
 */
import { PalyraError } from '../../base/errors.js';
import type { ProgramResult } from './programs.js';

export type SupervisorName = 'systemd-user' | 'systemd-system' | 'launchd' | 'task-scheduler' | 'detached';

export interface ServiceFile {
  readonly path: string;
  readonly text: string | Buffer;
  readonly mode: number;
}

export interface SupervisorState {
  /** Starts by itself, at boot or at login. */
  readonly enabled: boolean;
  readonly running: boolean;
  /** Of the process that is watched; null when it does not run or is not told. */
  readonly pid: number | null;
  /** Milliseconds since the epoch. */
  readonly startedAt: number | null;
  /** How often it was started again after a failure; null where nobody counts. */
  readonly restarts: number | null;
}

export interface Supervisor {
  readonly name: SupervisorName;
  /** Its unit, or for a detached process the pid file. */
  readonly place: string;
  /** Whether the service is installed with it. */
  isInstalled(): boolean;
  /** What it needs beside the wrapper. Looks at what this machine has; changes nothing. */
  files(): Promise<readonly ServiceFile[]>;
  state(): Promise<SupervisorState>;
  register(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
  unregister(): Promise<void>;
  /** Whether the service goes on when its user logs out; null when nobody can tell. */
  survivesLogout(): Promise<boolean | null>;
}

export const NOT_RUNNING: SupervisorState = {
  enabled: false,
  running: false,
  pid: null,
  startedAt: null,
  restarts: null,
};

/** One line of what a program said, for a detail. */
export function assertDone(what: string, result: ProgramResult): void {
  if (result.code === 0) return;
  const said = (result.stderr.trim() || result.stdout.trim()).split('\n')[0] ?? '';
  throw new PalyraError('SERVICE_FAILED', {
    detail: `${what} ended with ${result.code}${said === '' ? '' : `: ${said}`}`,
  });
}
