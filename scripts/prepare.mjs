// Makes a fresh clone usable: installs and builds what is missing. Plain Node, no dependencies, so that it runs before anything is installed.
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, isStale } from './build.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));

const MINIMUM = [20, 19];

/** Ends the process with a sentence instead of a stack trace on a Node that is too old. */
export function assertNodeVersion() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1])) return;
  console.error(`palyra needs Node ${MINIMUM.join('.')} or newer; this is ${process.version}.`);
  process.exit(1);
}

/** `npm ci` when nothing is installed, or when the lock file changed since. */
export function install(say) {
  const installed = join(root, 'node_modules', '.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  say('Installing dependencies (npm ci) …');
  // npm tells where its own entry is; without it (node scripts/test.mjs) the one on the PATH is used.
  const npm = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const options = { cwd: root, stdio: ['ignore', 2, 2] };
  if (npm !== undefined && npm.endsWith('.js')) execFileSync(process.execPath, [npm, ...args], options);
  else execFileSync('npm', args, { ...options, shell: process.platform === 'win32' });
}

/** Builds dist when the sources are not those it was made from. */
export async function buildWhenStale(say) {
  if (!isStale()) return;
  say('Building …');
  await build();
}
