/**
 * The process around oclif: holds the output before anything is loaded, gives every failure its one form and code, and ends the process.
 * Commands handle their own errors (`base-command.ts`); what arrives here is an unknown command or something nobody expected.
 *
 * oclif is loaded when there is a command to run: the version is said without it (docs/decisions/0023-cli-start.md).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PalyraError } from './lib/base/errors.js';
import { asksForVersion, moveLeadingFlags, versionLine } from './lib/cli/command-line.js';
import { directoriesOf } from './lib/cli/directories.js';
import { readSwitch, readVariable, VARIABLES } from './lib/cli/environment.js';
import type { Output } from './lib/cli/output.js';
import { NO_PLUGINS, pluginsFolder, readIndex, type InstalledPlugins } from './lib/cli/plugins/plugin-index.js';
import { flushOutput, processOutput } from './lib/cli/process-output.js';
import { closest } from './lib/cli/text.js';
import { exitRequest, toPalyraError } from './lib/cli/usage-errors.js';

/** Runs one command line and exits. `root` is the directory of package.json. */
export async function main(root: string, argv: readonly string[] = process.argv.slice(2)): Promise<void> {
  const output = processOutput(argv);
  const fail = (error: unknown) => {
    const requested = exitRequest(error);
    if (requested !== null) {
      process.exitCode = requested;
      return;
    }
    const failure = toPalyraError(error, '', []);
    output.verbose ||= argv.includes('--verbose') || argv.includes('-v');
    output.fail(failure);
    process.exitCode = failure.exitCode;
  };
  const crash = (error: unknown) => {
    fail(error);
    process.exit(process.exitCode ?? 1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  // A reader that has seen enough (`| head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
  });
  warnAboutVariables((text) => output.warn(text));
  try {
    const plugins = await findPlugins(argv, output);
    const words = moveLeadingFlags(argv);
    if (asksForVersion(words)) output.result(versionLine(await readManifest(root)));
    else {
      const { runCommand } = await import('./lib/cli/oclif-start.js');
      await runCommand(root, words, plugins, output);
    }
  } catch (error) {
    fail(error);
  }
  await flushOutput();
  process.exit(process.exitCode ?? 0);
}

/** From the index alone: no code of a plugin is loaded to find it. An index that cannot be read is told, and nothing else fails with it. */
async function findPlugins(argv: readonly string[], output: Output): Promise<InstalledPlugins> {
  const end = argv.indexOf('--');
  if ((end === -1 ? argv : argv.slice(0, end)).includes('--no-plugins')) process.env['PALYRA_NO_PLUGINS'] = '1';
  if (readSwitch('PALYRA_NO_PLUGINS')) return NO_PLUGINS;
  try {
    const folder = pluginsFolder(directoriesOf().data);
    return { folder, records: await readIndex(folder) };
  } catch (error) {
    output.warn(`without plugins: ${PalyraError.from(error).message}`);
    return NO_PLUGINS;
  }
}

function warnAboutVariables(warn: (text: string) => void): void {
  for (const name of Object.keys(process.env)) {
    if (!name.startsWith('PALYRA_') || name.startsWith('PALYRA_TEST_') || VARIABLES.includes(name)) continue;
    if (readVariable(name) === undefined) continue;
    const near = closest(name, VARIABLES);
    warn(`${name} is not a variable of palyra${near === null ? '' : `; did you mean ${near}?`}`);
  }
}

async function readManifest(root: string): Promise<{ readonly name: string; readonly version: string }> {
  return JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { name: string; version: string };
}
