/**
 * `systemd-notify`, which speaks sd_notify(3) for this process: Node has no datagram sockets of the local kind. Every call is a process of its own that is given
 * one variable and ends within a limit; what it could not do is an answer, never an exception.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import type { RunProgram } from './programs.js';

/** Tells these fields, such as `READY=1`. Resolves with what went wrong, or null. */
export type SendFields = (fields: readonly string[]) => Promise<string | null>;

const NAME = 'systemd-notify';
/** Where systems keep it. The PATH of a service may be shorter than that of the shell in which its unit was written. */
const PLACES = ['/usr/bin', '/bin', '/run/current-system/sw/bin'];
/** It waits until the manager has read the message, for at most 5 s. Source: sd_notify_barrier(3). */
const SENT_WITHIN_MS = 10_000;
/**
 * The first version that waits. Those before end at once, and a manager that looks up a sender that is gone drops the message: a unit that waits for READY
 * would sometimes wait in vain. Source: systemd-notify(1), `--no-block`.
 */
const MIN_VERSION = 246;

/** The path of the program, or null. */
export function findNotifyProgram(path: string | undefined): string | null {
  const directories = [...(path ?? '').split(delimiter).filter((directory) => isAbsolute(directory)), ...PLACES];
  return directories.map((directory) => join(directory, NAME)).find((file) => isExecutable(file)) ?? null;
}

/** Whether a unit of this machine may wait until its service tells that it is ready. Only the usual places count: a service surely finds it there. */
export async function canTellReady(run: RunProgram): Promise<boolean> {
  for (const place of PLACES) {
    const { code, stdout } = await run(`${place}/${NAME}`, ['--version']);
    if (code === 0) return Number(/^systemd (\d+)/.exec(stdout)?.[1] ?? 0) >= MIN_VERSION;
  }
  return false;
}

export function sendThrough(program: string, socket: string, withinMs = SENT_WITHIN_MS): SendFields {
  const options = { env: { NOTIFY_SOCKET: socket }, timeout: withinMs, killSignal: 'SIGKILL' as const };
  return (fields) =>
    new Promise<string | null>((resolve) => {
      const child = execFile(program, [...fields], options, (error, _stdout, stderr) => {
        if (error === null) resolve(null);
        else if (error.killed === true) resolve(`${program} took longer than ${withinMs} ms`);
        else resolve(stderr.trim().split('\n')[0] || error.message);
      });
      child.stdin?.end();
    }).catch((error: unknown) => `${program} could not be started: ${String(error)}`);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
