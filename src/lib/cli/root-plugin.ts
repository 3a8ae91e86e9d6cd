/**
 * palyra's own commands as oclif's root plugin. oclif reads the whole manifest, the descriptions of a hundred commands, to run one of them; when the words
 * of the command line name one that looks at no other, oclif is told of that one alone. The manifest has a line for each command (`scripts/manifest.mjs`),
 * so the line is found without reading the rest as JSON.
 *
 * Whatever is not plain is left to the whole manifest: help, an alias, a mistyped word, a manifest of another form or version. So a command that is found
 * here behaves as it does there: the list of commands is all it could notice, and who reads that says so with `static readsCommands = true`.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Plugin, type Command, type Interfaces } from '@oclif/core';

/** The last line of a manifest; the version is that of package.json. */
const END = (version: string) => `},\n"version": ${JSON.stringify(version)}\n}\n`;
/** Words of a command at most. */
const MAX_WORDS = 4;

/** `words` of the command line, the command first; null: all commands are wanted. */
export async function loadRootPlugin(root: string, words: readonly string[] | null): Promise<Plugin> {
  const pjson = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Interfaces.PJSON;
  const plugin = new Plugin({ isRoot: true, root, pjson });
  const command = words === null ? null : await readOneCommand(root, pjson.version, words);
  if (command !== null) {
    plugin.hasManifest = true;
    plugin.commandIDs = [command.id];
    const manifest: Interfaces.Manifest = { commands: { [command.id]: command }, version: pjson.version };
    // What oclif calls to get the manifest; its types keep it private.
    Object.defineProperty(plugin, '_manifest', { value: async () => manifest });
  }
  await plugin.load();
  return plugin;
}

async function readOneCommand(root: string, version: string, words: readonly string[]): Promise<Command.Cached | null> {
  const manifest = await readFile(join(root, 'oclif.manifest.json')).catch(() => null);
  return manifest === null ? null : oneCommand(manifest, version, words);
}

/** The command that `words` name, when it is the only one they could mean and reads nothing of others; else null. */
export function oneCommand(manifest: Buffer, version: string, words: readonly string[]): Command.Cached | null {
  if (words.some((word) => word === '--help' || word === '-h')) return null;
  if (!manifest.subarray(-64).toString('utf8').endsWith(END(version))) return null;
  const flag = words.findIndex((word) => !/^[a-z][a-z0-9-]*$/.test(word));
  const names = words.slice(0, Math.min(flag === -1 ? words.length : flag, MAX_WORDS));
  for (let count = names.length; count > 0; count--) {
    const id = names.slice(0, count).join(':');
    const start = manifest.indexOf(`\n"${id}": {"`);
    if (start === -1) continue;
    // Another command or an alias goes on where this one ends: which of them is meant depends on all of them.
    if (manifest.includes(`"${id}:`)) return null;
    const line = manifest.toString('utf8', manifest.indexOf('{', start), manifest.indexOf('\n', start + 1));
    const command = JSON.parse(line.replace(/,$/, '')) as Command.Cached & { readonly readsCommands?: boolean };
    return command.readsCommands === true ? null : command;
  }
  return null;
}
