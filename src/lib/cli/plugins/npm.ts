/**
 * npm, which comes with Node, fetches packages. No script of a package runs while it is installed; what a plugin needs of palyra itself is given to it
 * by a link to the palyra that installs it, so that it neither fetches nor holds a second copy.
 */
import { existsSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';
import { PalyraError } from '../../base/errors.js';
import { runProgram } from '../service/programs.js';

const NPM_WITHIN_MS = 300_000;
const NOT_FOUND = 127;
const TIMED_OUT = 124;
const FLAGS = [
  '--ignore-scripts',
  '--omit=dev',
  '--omit=peer',
  '--legacy-peer-deps',
  '--no-audit',
  '--no-fund',
  '--no-update-notifier',
  '--install-links',
  '--loglevel=error',
];

/** Installs into an empty directory. Throws PLUGIN_NOT_INSTALLED with what npm said. */
export async function npmInstall(directory: string, spec: string): Promise<void> {
  const words = ['install', '--prefix', directory, ...FLAGS, '--', spec];
  const script = npmScript();
  const { code, stderr } =
    script === null
      ? await runProgram('npm', words, NPM_WITHIN_MS)
      : await runProgram(process.execPath, [script, ...words], NPM_WITHIN_MS);
  if (code === 0) return;
  if (code === NOT_FOUND)
    throw new PalyraError('PLUGIN_NOT_INSTALLED', {
      detail: 'npm was not found',
      hint: 'Install npm (it comes with Node), or link a directory: palyra plugins link <directory>',
    });
  throw new PalyraError('PLUGIN_NOT_INSTALLED', {
    detail: code === TIMED_OUT ? `npm took longer than ${NPM_WITHIN_MS / 60_000} min` : npmReason(stderr),
  });
}

/**
 * Gives an installed package the palyra and the oclif of this palyra, where it did not bring its own. Done again before it is loaded: palyra may have moved
 * since, with the prefix it is installed in.
 */
export async function linkOwn(packageRoot: string, palyraRoot: string): Promise<void> {
  const modules = packageRoot.slice(
    0,
    packageRoot.lastIndexOf(`${sep}node_modules${sep}`) + `${sep}node_modules`.length,
  );
  const oclif = dirname(createRequire(join(palyraRoot, 'package.json')).resolve('@oclif/core/package.json'));
  for (const [name, target] of [
    ['palyra', resolve(palyraRoot)],
    ['@oclif/core', oclif],
  ] as const) {
    const path = join(modules, ...name.split('/'));
    if (existsSync(path)) continue;
    await rm(path, { force: true });
    await mkdir(dirname(path), { recursive: true });
    await symlink(target, path, 'junction');
  }
}

/** The npm beside this Node: a service or a job may have no PATH to speak of. */
function npmScript(): string | null {
  const prefix = dirname(process.execPath);
  const places = [join(prefix, '..', 'lib'), prefix].map((place) => join(place, 'node_modules/npm/bin/npm-cli.js'));
  return places.find((place) => existsSync(place)) ?? null;
}

/** The lines that say something, without the place of the log. */
function npmReason(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.replace(/^npm (error|ERR!) ?/, '').trim())
    .filter((line) => line !== '' && !/^(A complete log|code |errno |syscall )/.test(line));
  return lines.slice(0, 3).join('; ').slice(0, 500) || 'npm failed and did not say why';
}
