/**
 * The program that opens things on this machine's desktop. It is given an argument list and never a shell; what it opens was checked and allowed before.
 * Null where there is no desktop: the capabilities that need it are not announced then.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

import { CapabilityFailure } from './capability.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Opener {
  readonly name: string;
  /** Resolves when the program has taken it. Throws CapabilityFailure `OPENER_FAILED`. */
  open(what: string, signal: AbortSignal): Promise<void>;
}

/** An opener that is still there after this has taken it: some stay as long as the browser does. */
const TAKEN_AFTER_MS = 3_000;

export function findOpener(kind: 'url' | 'path', env: Environment, platform: NodeJS.Platform): Opener | null {
  if (platform === 'win32') {
    const root = env['SystemRoot'] ?? 'C:\\Windows';
    return kind === 'url'
      ? program(join(root, 'System32', 'rundll32.exe'), ['url.dll,FileProtocolHandler'], env)
      : // Explorer ends with 1 also when it has opened the folder.
        program(join(root, 'explorer.exe'), [], env, [0, 1]);
  }
  if (platform === 'darwin') return program('/usr/bin/open', [], env);
  if (!env['DISPLAY'] && !env['WAYLAND_DISPLAY']) return null;
  const path = findProgram('xdg-open', env);
  return path === null ? null : program(path, [], env);
}

/** The first executable file of that name in PATH. Relative entries are skipped: they would depend on where the node was started. */
export function findProgram(
  name: string,
  env: Environment,
  platform: NodeJS.Platform = process.platform,
): string | null {
  const endings = platform === 'win32' ? (env['PATHEXT'] ?? '.COM;.EXE;.BAT;.CMD').split(';') : [''];
  for (const directory of (env['PATH'] ?? '').split(delimiter)) {
    if (!isAbsolute(directory)) continue;
    for (const ending of endings) {
      const path = join(directory, `${name}${ending}`);
      try {
        accessSync(path, constants.X_OK);
        if (statSync(path).isFile()) return path;
      } catch {
        // Not here.
      }
    }
  }
  return null;
}

function program(path: string, before: readonly string[], env: Environment, fine: readonly number[] = [0]): Opener {
  return {
    name: path,
    open: (what, signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const child = spawn(path, [...before, what], { env, stdio: 'ignore', detached: true, shell: false });
        child.unref();
        const finish = (problem: string | null) => {
          clearTimeout(timer);
          if (problem === null) resolve();
          else reject(new CapabilityFailure('OPENER_FAILED', `${path} ${problem}`));
        };
        const timer = setTimeout(() => finish(null), TAKEN_AFTER_MS);
        child.once('error', ({ message }) => finish(`could not be started: ${message}`));
        child.once('exit', (code, ended) =>
          finish(code !== null && fine.includes(code) ? null : `ended with ${code ?? ended ?? 'an error'}`),
        );
      }),
  };
}
