/** Checks of the machine under palyra: versions, directories, disk, leftovers of processes that died, proxies, plugins. */
import { chmod, rm, stat, statfs } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Directories } from '../directories.js';
import { enableCommand } from '../waiting-words.js';
import type { Check, Finding } from './check.js';
import { proxyCheck, type ProxyFacts } from './proxy-check.js';

export interface MachineFacts extends ProxyFacts {
  readonly directories: Directories;
  readonly version: string;
  readonly nodeVersion: string;
  readonly plugins: () => Promise<{
    readonly failures: readonly { readonly plugin: string; readonly message: string }[];
    /** Capabilities that are off until somebody switches them on here. */
    readonly waiting: readonly string[];
  }>;
}

const HAS_MODES = process.platform !== 'win32';
const MEBIBYTE = 1024 * 1024;
/** A journal and its snapshot fit; below it the next write may not. */
const LITTLE_SPACE_BYTES = 500 * MEBIBYTE;
const NO_SPACE_BYTES = 50 * MEBIBYTE;
/** A snapshot is three files for a moment. */
const LITTLE_FILES = 1_000;
const NO_FILES = 16;
const CONNECT_WITHIN_MS = 1_000;
/** One that hangs has its own limit of 5 s and is to be named. */
const PLUGINS_WITHIN_MS = 10_000;
const MAX_NAMED = 16;

export function machineChecks(facts: MachineFacts): Check[] {
  const { directories, version, nodeVersion, plugins } = facts;
  return [
    {
      id: 'palyra.version',
      run: async () => versionFinding(version, nodeVersion),
    },
    {
      id: 'state.permissions',
      run: () => permissionsFinding([directories.nodeState, directories.daemonState, directories.logs]),
    },
    { id: 'state.disk', run: () => diskFinding([directories.nodeState, directories.daemonState]) },
    { id: 'state.leftovers', run: () => leftoversFinding([directories.socketPath, directories.nodeSocketPath]) },
    proxyCheck(facts),
    {
      id: 'plugins.capabilities',
      timeoutMs: PLUGINS_WITHIN_MS,
      async run() {
        const { failures, waiting } = await plugins();
        const [first] = failures;
        const off = waiting.length === 0 ? [] : [`off until you switch them on here: ${waiting.join(', ')}`];
        if (first === undefined)
          return off.length === 0
            ? { status: 'pass', detail: 'every plugin loads' }
            : { status: 'warn', detail: `every plugin loads; ${off.join()}`, fix: enableCommand(waiting) };
        const named = failures
          .slice(0, MAX_NAMED)
          .map(({ plugin, message }) => `plugin ${plugin} failed to load: ${message}`);
        const more = failures.length > MAX_NAMED ? [`and ${failures.length - MAX_NAMED} more`] : [];
        return {
          status: 'warn',
          detail: [...named, ...more, ...off].join('; '),
          fix: `Update or remove it: palyra plugins uninstall ${first.plugin}`,
        };
      },
    },
  ];
}

export function versionFinding(version: string, nodeVersion: string): Finding {
  const [major = 0, minor = 0] = nodeVersion.replace(/^v/, '').split('.').map(Number);
  const detail = `palyra ${version}, Node ${nodeVersion}`;
  return major > 20 || (major === 20 && minor >= 19)
    ? { status: 'pass', detail }
    : { status: 'fail', detail: `${detail}: palyra needs Node 20.19 or newer`, fix: 'Install a newer Node' };
}

async function permissionsFinding(paths: readonly string[]): Promise<Finding> {
  if (!HAS_MODES) return { status: 'skip', detail: 'the profile directory of the user protects the state' };
  const open: string[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => null);
    if (found === null) continue;
    if (found.uid !== process.geteuid?.())
      return {
        status: 'fail',
        detail: `${path} belongs to another user (uid ${found.uid})`,
        fix: 'Run palyra as its owner, or give it back with chown',
      };
    if ((found.mode & 0o077) !== 0) open.push(path);
  }
  if (open.length === 0) return { status: 'pass', detail: 'state directories are private' };
  const repair = async () => {
    for (const path of open) await chmod(path, 0o700);
    return `made ${open.join(', ')} private`;
  };
  return { status: 'fail', detail: `others can enter ${open.join(', ')}`, fix: `chmod 700 ${open.join(' ')}`, repair };
}

/** Of the fullest of the file systems. Some make room for files as they need it and count none. */
export async function diskFinding(paths: readonly string[]): Promise<Finding> {
  let least = Infinity;
  let files = Infinity;
  for (const path of paths) {
    const found = await statfs(path).catch(() => null);
    if (found === null) continue;
    least = Math.min(least, found.bavail * found.bsize);
    if (found.files > 0) files = Math.min(files, found.ffree);
  }
  if (least === Infinity) return { status: 'skip', detail: 'there is no state yet' };
  if (files < LITTLE_FILES) {
    const detail = `only ${files} more files can be made where the state is`;
    return { status: files < NO_FILES ? 'fail' : 'warn', detail, fix: 'Remove files there; palyra goes on by itself' };
  }
  const detail = `${Math.floor(least / MEBIBYTE)} MB free where the state is`;
  if (least >= LITTLE_SPACE_BYTES) return { status: 'pass', detail };
  return { status: least < NO_SPACE_BYTES ? 'fail' : 'warn', detail, fix: 'Free some space; palyra goes on by itself' };
}

async function leftoversFinding(sockets: readonly string[]): Promise<Finding> {
  if (!HAS_MODES) return { status: 'skip', detail: 'pipes go with their process here' };
  const dead: string[] = [];
  for (const path of sockets) {
    if ((await stat(path).catch(() => null)) !== null && !(await answers(path))) dead.push(path);
  }
  if (dead.length === 0) return { status: 'pass', detail: 'no sockets of processes that died' };
  const repair = async () => {
    for (const path of dead) if (!(await answers(path))) await rm(path, { force: true });
    return `removed ${dead.join(', ')}`;
  };
  const detail = `left by a process that died: ${dead.join(', ')} (harmless; the next start replaces it)`;
  return { status: 'warn', detail, fix: `rm ${dead.join(' ')}`, repair };
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    // One that is there but busy is alive.
    socket.setTimeout(CONNECT_WITHIN_MS, () => finish(true));
    socket.once('connect', () => finish(true));
    socket.once('error', (error: NodeJS.ErrnoException) => finish(error.code !== 'ECONNREFUSED'));
  });
}
