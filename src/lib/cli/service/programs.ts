/** Other programs as a port: words in, exit code and text out. No shell is in between, nothing is read from a terminal, and every call ends. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';

export interface ProgramResult {
  /** 127 when there is no such program, 124 when it took too long. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export type RunProgram = (program: string, words: readonly string[], timeoutMs?: number) => Promise<ProgramResult>;

/** Starting or stopping a unit waits for the service. */
export const SLOW_PROGRAM_MS = 60_000;
const PROGRAM_MS = 10_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;
const NOT_FOUND = 127;
export const TIMED_OUT = 124;

/** Messages are matched, so they are asked for in one language. */
export const runProgram: RunProgram = (program, words, timeoutMs = PROGRAM_MS) =>
  new Promise((resolve) => {
    const env = { ...process.env, LC_ALL: 'C', ...sessionOf(process.env) };
    const options = { timeout: timeoutMs, maxBuffer: MAX_OUTPUT_BYTES, windowsHide: true, env };
    const child = execFile(program, [...words], options, (error, stdout, stderr) =>
      resolve({ code: codeOf(error), stdout, stderr }),
    );
    child.stdin?.end();
  });

/** After `su` or in a job the session's directory is there but the variable is not. Source: systemd's file-hierarchy(7), user directories. */
function sessionOf(env: NodeJS.ProcessEnv): Record<string, string> {
  const user = process.getuid?.();
  if (user === undefined || (env['XDG_RUNTIME_DIR'] ?? '') !== '') return {};
  const directory = `/run/user/${user}`;
  return existsSync(`${directory}/systemd`) ? { XDG_RUNTIME_DIR: directory } : {};
}

function codeOf(error: (Error & { code?: unknown; killed?: boolean }) | null): number {
  if (error === null) return 0;
  if (error.killed === true) return TIMED_OUT;
  return typeof error.code === 'number' ? error.code : NOT_FOUND;
}
