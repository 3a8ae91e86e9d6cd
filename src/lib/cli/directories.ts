/**
 * Where everything of one instance lives. `PALYRA_HOME` puts all of it below one directory, sockets included; otherwise the XDG base directories
 * (Linux), Application Support (macOS) or LOCALAPPDATA (Windows). It reads what it is given, looks whether a socket is there, and creates nothing.
 */
import { existsSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { PalyraError } from '../base/errors.js';
import { readVariable, type Environment } from './environment.js';

export interface Directories {
  readonly config: string;
  /** What palyra installs for itself, such as the wrappers that services start. */
  readonly data: string;
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
  readonly uid?: number;
}

/** `sun_path` holds 108 bytes on Linux and 104 on macOS and the BSDs, the closing NUL included. Source: unix(7), unix(4). */
const SOCKET_PATH_BYTES = { linux: 107, other: 103 } as const;

/** Paths only; nothing is created. */
export function directoriesOf(
  env: Environment = process.env,
  machine: Machine = thisMachine(),
  exists: (path: string) => boolean = existsSync,
): Directories {
  const base = baseDirectories(env, machine);
  const pipe = (name: string) => `\\\\.\\pipe\\palyra-${machine.user}-${name}`;
  const socket = (name: string) => {
    if (machine.platform === 'win32') return pipe(name);
    const usual = join(base.run, `${name}.sock`);
    // What listens may have a session and who asks may have none, or the other way round: a system service, a job, a shell after `su`.
    const other = base.otherRun === null ? usual : join(base.otherRun, `${name}.sock`);
    return !exists(usual) && exists(other) ? other : usual;
  };
  return {
    config: base.config,
    data: base.data,
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

interface BaseDirectories {
  readonly config: string;
  readonly data: string;
  readonly state: string;
  readonly run: string;
  /** Where the sockets of the same user are who has a session and we have not, or has none and we have. */
  readonly otherRun: string | null;
}

function baseDirectories(env: Environment, machine: Machine): BaseDirectories {
  const palyraHome = readVariable('PALYRA_HOME', env);
  if (palyraHome !== undefined) {
    const root = resolve(palyraHome);
    return {
      config: join(root, 'config'),
      data: join(root, 'data'),
      state: join(root, 'state'),
      run: join(root, 'run'),
      otherRun: null,
    };
  }
  const xdg = (name: string) => {
    const value = readVariable(name, env);
    // The XDG specification says to ignore relative paths.
    return value?.startsWith('/') === true ? value : undefined;
  };
  if (machine.platform === 'win32') {
    const root = join(readVariable('LOCALAPPDATA', env) ?? join(machine.home, 'AppData', 'Local'), 'palyra');
    const state = join(root, 'state');
    return { config: join(root, 'config'), data: root, state, run: state, otherRun: null };
  }
  const data = join(xdg('XDG_DATA_HOME') ?? join(machine.home, '.local', 'share'), 'palyra');
  const config = join(xdg('XDG_CONFIG_HOME') ?? join(machine.home, '.config'), 'palyra');
  if (machine.platform === 'darwin') {
    const state = join(machine.home, 'Library', 'Application Support', 'palyra');
    return { config, data, state, run: state, otherRun: null };
  }
  const state = join(xdg('XDG_STATE_HOME') ?? join(machine.home, '.local', 'state'), 'palyra');
  const runtime = xdg('XDG_RUNTIME_DIR');
  const without = join(state, 'run');
  if (runtime !== undefined) return { config, data, state, run: join(runtime, 'palyra'), otherRun: without };
  // Where systemd puts it. Source: file-hierarchy(7).
  const session = machine.uid === undefined ? null : `/run/user/${machine.uid}/palyra`;
  return { config, data, state, run: without, otherRun: session };
}

function thisMachine(): Machine {
  const { username, uid } = userInfo();
  return { platform: process.platform, home: homedir(), user: username, uid };
}
