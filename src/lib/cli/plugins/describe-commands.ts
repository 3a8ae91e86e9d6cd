/** The commands of a plugin as oclif caches them, and its topics, as JSON. Loads every module of a command, so it runs in the plugin's thread only. */
import { Plugin, settings } from '@oclif/core';

/** Throws what the first command that cannot be loaded throws. `root` is the directory of its package.json. */
export async function describeCommands(root: string): Promise<string> {
  settings.enableAutoTranspile = false;
  const plugin = new Plugin({
    root,
    type: 'link',
    ignoreManifest: true,
    errorOnManifestCreate: true,
    respectNoCacheDefault: true,
  });
  await plugin.load();
  return JSON.stringify({ commands: plugin.manifest.commands, topics: plugin.topics });
}
