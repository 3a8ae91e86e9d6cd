/**
 * Where everything of one instance lives. `PALYRA_HOME` puts all of it below one directory, sockets included; otherwise the XDG base directories
 * (Linux), Application Support (macOS) or LOCALAPPDATA (Windows). Pure: it reads what it is given and creates nothing.
 */
import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { PalyraError } from '../base/errors.js';
import { readVariable, type Environment } from './environment.js';

export interface Directories {
  readonly config: string;
  readonly daemonState: string;
  readonly nodeState: string;
  /** Of the contexts: what this machine proves itself with to daemons. */
  readonly credentials: string;
  readonly logs: string;
  readonly socketPath: string;
  readonly nodeSocketPath: string;
}

export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  readonly user: string;
}

/** `sun_path` holds 108 bytes on Linux and 104 on macOS and the BSDs, the closing NUL included. Source: unix(7), unix(4). */
const SOCKET_PATH_BYTES = { linux: 107, other: 103 } as const;

/** Paths only; nothing is created. */
export function directoriesOf(env: Environment = process.env, machine: Machine = thisMachine()): Directories {
  const base = baseDirectories(env, machine);
  const pipe = (name: string) => `\\\\.\\pipe\\palyra-${machine.user}-${name}`;
  const socket = (name: string) => (machine.platform === 'win32' ? pipe(name) : join(base.run, `${name}.sock`));
  return {
    config: base.config,
    daemonState: join(base.state, 'daemon'),
    nodeState: join(base.state, 'node'),
    credentials: join(base.state, 'credentials'),
    logs: join(base.state, 'logs'),
    socketPath: socket('daemon'),
    nodeSocketPath: socket('node'),
  };
}

/** Throws SOCKET_PATH_TOO_LONG before the operating system answers with something less clear. */
export function assertSocketPath(path: string, platform: NodeJS.Platform = process.platform): void {
  if (platform === 'win32') return;
  const limit = platform === 'linux' ? SOCKET_PATH_BYTES.linux : SOCKET_PATH_BYTES.other;
  const bytes = Buffer.byteLength(path);
  if (bytes > limit) {
    throw new PalyraError('SOCKET_PATH_TOO_LONG', { detail: `${path} has ${bytes} bytes, the limit is ${limit}` });
  }
}

function baseDirectories(env: Environment, machine: Machine): { config: string; state: string; run: string } {
  const palyraHome = readVariable('PALYRA_HOME', env);
  if (palyraHome !== undefined) {
    const root = resolve(palyraHome);
    return { config: join(root, 'config'), state: join(root, 'state'), run: join(root, 'run') };
  }
  const xdg = (name: string) => {
    const value = readVariable(name, env);
    // The XDG specification says to ignore relative paths.
    return value?.startsWith('/') === true ? value : undefined;
  };
  if (machine.platform === 'win32') {
    const root = join(readVariable('LOCALAPPDATA', env) ?? join(machine.home, 'AppData', 'Local'), 'palyra');
    return { config: join(root, 'config'), state: join(root, 'state'), run: join(root, 'state') };
  }
  const config = join(xdg('XDG_CONFIG_HOME') ?? join(machine.home, '.config'), 'palyra');
  if (machine.platform === 'darwin') {
    const state = join(machine.home, 'Library', 'Application Support', 'palyra');
    return { config, state, run: state };
  }
  const state = join(xdg('XDG_STATE_HOME') ?? join(machine.home, '.local', 'state'), 'palyra');
  const runtime = xdg('XDG_RUNTIME_DIR');
  return { config, state, run: runtime === undefined ? join(state, 'run') : join(runtime, 'palyra') };
}

function thisMachine(): Machine {
  return { platform: process.platform, home: homedir(), user: userInfo().username };
}
