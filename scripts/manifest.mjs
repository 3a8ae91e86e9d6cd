// Writes oclif.manifest.json, which spares every start from loading every command. With --check: fails when the committed one differs.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildIfStale } from './build.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const file = join(root, 'oclif.manifest.json');

/** The manifest of the present build as text: keys sorted, no path of this machine, a line for each command (`src/lib/cli/root-plugin.ts` reads one). */
export async function createManifest() {
  await buildIfStale();
  const { Plugin } = await import('@oclif/core');
  const plugin = new Plugin({
    root,
    type: 'core',
    ignoreManifest: true,
    errorOnManifestCreate: true,
    respectNoCacheDefault: true,
  });
  await plugin.load();
  const { commands, version, ...rest } = sorted(plugin.manifest);
  if (Object.keys(rest).length > 0) throw new Error('the manifest has a part that is not known');
  const lines = Object.entries(commands).map(([id, command]) => `${JSON.stringify(id)}: ${JSON.stringify(command)}`);
  return `{\n"commands": {\n${lines.join(',\n')}\n},\n"version": ${JSON.stringify(version)}\n}\n`;
}

/** The order of `args` is kept: it is the order in which they are typed. */
function sorted(value, name = '') {
  if (Array.isArray(value)) return value.map((item) => sorted(item));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  if (name !== 'args') entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner, key)]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const manifest = await createManifest();
  if (!process.argv.includes('--check')) {
    writeFileSync(file, manifest);
  } else if (manifest !== readFileSync(file, 'utf8')) {
    console.error('oclif.manifest.json does not match the commands. Run: npm run manifest');
    process.exitCode = 1;
  }
}
