/** What the commands about plugins share: the folder, the store, and what is told of a plugin. */
import type { Command } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { waitingCapabilities } from '../own-hook.js';
import { enableCommand } from '../waiting-words.js';
import type { CheckCapabilities } from './describe.js';
import { threadScript, type LoadOptions } from './load-capabilities.js';
import { ownWords } from './plugin-commands.js';
import { pluginsFolder, rootOf, type PluginRecord } from './plugin-index.js';
import { PluginStore, type Added } from './plugin-store.js';

export abstract class PluginsCommand<T extends typeof Command> extends BaseCommand<T> {
  static readsCommands = true;

  protected get folder(): string {
    return pluginsFolder(this.directories.data);
  }

  protected get loadOptions(): LoadOptions {
    const onPrinted = (_plugin: string, text: string) => {
      if (this.flags.verbose) this.output.say(text);
    };
    return { folder: this.folder, script: threadScript(this.config.root), version: this.config.version, onPrinted };
  }

  /** First words of palyra's own commands. */
  protected get ownWords(): Set<string> {
    return ownWords(
      [...this.config.plugins.values()].filter(({ isRoot }) => isRoot).flatMap(({ commands }) => commands),
    );
  }

  protected store(check: CheckCapabilities): PluginStore {
    const { config, ownWords: words } = this;
    return new PluginStore({ ...this.loadOptions, palyraRoot: config.root, words, check, now: () => Date.now() });
  }

  /** Tells what was added, and what of it is off until somebody switches it on here, and returns the document. */
  protected async tellAdded({ plugin, previous }: Added, action: 'install' | 'link') {
    const off = await waitingCapabilities(this.config, this.directories.nodeState, plugin.capabilities);
    const instead = previous === null || previous === plugin.version ? '' : ` (before: ${previous})`;
    this.output.done(`${plugin.name} ${plugin.version}${instead} · ${bringsLine(plugin)}`);
    if (plugin.problem !== null) this.warn(`${plugin.name} is kept, but: ${plugin.problem}`);
    for (const event of plugin.ignoredHooks)
      this.warn(`its hook "${event}" is not run: palyra runs only node:capabilities`);
    if (off.length > 0) this.output.say(`! Off until you allow them on this machine:  ${enableCommand(off)}`);
    if (plugin.capabilities.length > 0) this.output.say('  A running node offers them after: palyra node restart');
    return {
      schema: `palyra.plugins.${action}/v1`,
      action,
      changed: true,
      plugin: pluginView(this.folder, plugin),
      previous,
      off: [...off],
    };
  }
}

/** As `--json` shows it. */
export function pluginView(folder: string, plugin: PluginRecord) {
  const { name, version, description, source, spec, installedAt, capabilities, ignoredHooks, problem } = plugin;
  return {
    name,
    version,
    description,
    source,
    spec,
    root: rootOf(folder, plugin),
    installedAt,
    state: problem === null ? ('ok' as const) : ('failed' as const),
    problem,
    capabilities,
    commands: commandsOf(plugin),
    ignoredHooks,
  };
}

export function commandsOf(plugin: PluginRecord): string[] {
  return Object.keys(plugin.commands)
    .map((id) => id.replaceAll(':', ' '))
    .sort();
}

export function bringsLine(plugin: PluginRecord): string {
  const commands = commandsOf(plugin).map((command) => `palyra ${command}`);
  const parts = [
    ...(plugin.capabilities.length > 0 ? [`adds capabilities ${plugin.capabilities.join(', ')}`] : []),
    ...(commands.length > 0 ? [`command${commands.length === 1 ? '' : 's'}: ${commands.join(', ')}`] : []),
  ];
  return parts.join(' · ') || 'adds nothing';
}
