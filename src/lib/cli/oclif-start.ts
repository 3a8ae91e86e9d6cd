/**
 * From the words of a command line to oclif. Loaded when there is a command to run, with all of oclif behind it.
 */
import { setFlagsFromString } from 'node:v8';
import { run, settings } from '@oclif/core';
import type { Output } from './output.js';
import { oclifPlugins } from './plugins/plugin-commands.js';
import type { InstalledPlugins } from './plugins/plugin-index.js';

/** The first means the others only on the command line of Node; on Node 24 and 26 it does nothing without them. */
const BASELINE_ONLY = ['--liftoff-only', '--no-wasm-tier-up', '--no-wasm-dynamic-tiering'];

/** `words` with the command first; `root` is the directory of package.json. Throws what the command throws. */
export async function runCommand(
  root: string,
  words: readonly string[],
  plugins: InstalledPlugins,
  output: Output,
): Promise<void> {
  // The HTTP client's parser is WebAssembly. Optimising it in the background costs a short command more CPU than all its work, and its exit waits for it
  // (measured on Node 20: `nodes list` 0.21 s with, 0.15 s without). Services run on, possibly with plugins that want the optimiser.
  if (!words.includes('run')) for (const flag of BASELINE_ONLY) setFlagsFromString(flag);
  // NODE_ENV=development must not make oclif look for TypeScript sources: what runs is the build.
  settings.enableAutoTranspile = false;
  await run([...words], { root, plugins: await oclifPlugins(root, words, plugins, output) });
}
