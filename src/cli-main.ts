/**
 * The process around oclif: holds the output before anything is loaded, gives every failure its one form and code, and ends the process.
 * Commands handle their own errors (`base-command.ts`); what arrives here is an unknown command or something nobody expected.
 */
import { setFlagsFromString } from 'node:v8';
import { run, settings } from '@oclif/core';
import { PalyraError } from './lib/base/errors.js';
import { directoriesOf } from './lib/cli/directories.js';
import { readSwitch, readVariable, VARIABLES } from './lib/cli/environment.js';
import { LEADING_FLAGS, LEADING_VALUE_FLAGS } from './lib/cli/flags.js';
import type { Output } from './lib/cli/output.js';
import { oclifPlugins } from './lib/cli/plugins/plugin-commands.js';
import { pluginsFolder, readIndex, type PluginRecord } from './lib/cli/plugins/plugin-index.js';
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
  // The HTTP client's parser is WebAssembly. Optimising it in the background costs a short command more CPU than all its work, and its exit waits for it
  // (measured on Node 20: `nodes list` 0.21 s with, 0.15 s without). Services run on, possibly with plugins that want the optimiser.
  if (!argv.includes('run')) setFlagsFromString('--liftoff-only');
  // NODE_ENV=development must not make oclif look for TypeScript sources: what runs is the build.
  settings.enableAutoTranspile = false;
  warnAboutVariables((text) => output.warn(text));
  try {
    const plugins = await findPlugins(root, argv, output);
    await run(moveLeadingFlags(argv), { root, plugins });
  } catch (error) {
    fail(error);
  }
  await flushOutput();
  process.exit(process.exitCode ?? 0);
}

/** From the index alone: no code of a plugin is loaded to find it. An index that cannot be read is told, and nothing else fails with it. */
async function findPlugins(root: string, argv: readonly string[], output: Output) {
  const end = argv.indexOf('--');
  if ((end === -1 ? argv : argv.slice(0, end)).includes('--no-plugins')) process.env['PALYRA_NO_PLUGINS'] = '1';
  let folder = '';
  let records: readonly PluginRecord[] = [];
  if (!readSwitch('PALYRA_NO_PLUGINS')) {
    try {
      folder = pluginsFolder(directoriesOf().data);
      records = await readIndex(folder);
    } catch (error) {
      output.warn(`without plugins: ${PalyraError.from(error).message}`);
    }
  }
  return oclifPlugins(root, folder, records, output);
}

/** `palyra --json nodes list` means what it says: oclif wants the command first. */
function moveLeadingFlags(argv: readonly string[]): string[] {
  const first = argv.findIndex((word, index) => {
    const before = argv[index - 1];
    if (before !== undefined && LEADING_VALUE_FLAGS.includes(before)) return false;
    const name = word.startsWith('--') ? (word.split('=')[0] ?? word) : word;
    return !LEADING_FLAGS.includes(word) && !LEADING_VALUE_FLAGS.includes(name);
  });
  if (first <= 0) return [...argv];
  const rest = argv.slice(first);
  const end = rest.indexOf('--');
  const at = end === -1 ? rest.length : end;
  return [...rest.slice(0, at), ...argv.slice(0, first), ...rest.slice(at)];
}

function warnAboutVariables(warn: (text: string) => void): void {
  for (const name of Object.keys(process.env)) {
    if (!name.startsWith('PALYRA_') || name.startsWith('PALYRA_TEST_') || VARIABLES.includes(name)) continue;
    if (readVariable(name) === undefined) continue;
    const near = closest(name, VARIABLES);
    warn(`${name} is not a variable of palyra${near === null ? '' : `; did you mean ${near}?`}`);
  }
}
