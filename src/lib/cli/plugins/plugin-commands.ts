/**
 * The commands of installed plugins as oclif sees them: from the index alone, so that no command but a plugin's own loads code of a plugin. Of the hooks of a
 * plugin oclif is told none: `node:capabilities` runs in a thread when a node starts, and any other would run before every command.
 *
 * A plugin's command keeps the contract of `--json` like all others: what it prints is held back, what it returns is in the one document.
 */
import { Plugin, type Command, type Config, type Interfaces } from '@oclif/core';
import { PalyraError } from '../../base/errors.js';
import type { Output } from '../output.js';
import { loadRootPlugin } from '../root-plugin.js';
import { exitRequest, toPalyraError } from '../usage-errors.js';
import { rootOf, type InstalledPlugins, type PluginRecord } from './plugin-index.js';

/** The root plugin and those of the index, for `run` of oclif, which then looks for none by itself. `commandWords` are those of the command line. */
export async function oclifPlugins(
  root: string,
  commandWords: readonly string[],
  { folder, records }: InstalledPlugins,
  output: Output,
): Promise<Map<string, Interfaces.Plugin>> {
  // Whose words are whose is known from all commands.
  const core = await loadRootPlugin(root, records.length === 0 ? commandWords : null);
  const plugins = new Map<string, Interfaces.Plugin>([[core.name, core]]);
  const words = ownWords(core.commands);
  for (const record of records) {
    if (!plugins.has(record.name)) plugins.set(record.name, toPlugin(record, rootOf(folder, record), words, output));
  }
  return plugins;
}

/** First words that belong to palyra: a plugin's commands stand below words of its own. */
export function ownWords(commands: readonly Pick<Command.Loadable, 'id' | 'aliases' | 'hiddenAliases'>[]): Set<string> {
  return new Set(
    commands.flatMap(({ id, aliases, hiddenAliases }) => [id, ...aliases, ...hiddenAliases].map(firstWord)),
  );
}

export function firstWord(id: string): string {
  return id.split(/[: ]/)[0] ?? id;
}

function toPlugin(record: PluginRecord, root: string, taken: ReadonlySet<string>, output: Output): Interfaces.Plugin {
  const commands = Object.values(record.commands).filter(
    ({ id, aliases, hiddenAliases }) => ![id, ...aliases, ...hiddenAliases].some((name) => taken.has(firstWord(name))),
  );
  const pjson = { name: record.name, version: record.version, oclif: {} } as Interfaces.PJSON;
  const plugin: Interfaces.Plugin = {
    _base: 'palyra',
    alias: record.name,
    commandIDs: commands.map(({ id }) => id),
    commands: commands.map((command) => ({
      ...command,
      pluginName: record.name,
      pluginType: record.source === 'link' ? 'link' : 'user',
      load: () => loadCommand(record, root, command.id, output),
    })),
    commandsDir: undefined,
    findCommand: (id: string) => loadCommand(record, root, id, output),
    hasManifest: true,
    hooks: {},
    isRoot: false,
    load: async () => undefined,
    moduleType: 'module',
    name: record.name,
    options: { root, name: record.name },
    pjson,
    root,
    topics: record.topics.filter(({ name }) => !taken.has(firstWord(name))),
    type: record.source === 'link' ? 'link' : 'user',
    valid: true,
    version: record.version,
  };
  return plugin;
}

type CommandClass = Command.Class & { run(argv: readonly string[], config: Config): Promise<unknown> };

async function loadCommand(record: PluginRecord, root: string, id: string, output: Output): Promise<Command.Class> {
  const plugin = new Plugin({ root, type: 'link' });
  const load = async () => {
    await plugin.load();
    return (await plugin.findCommand(id, { must: true })) as CommandClass;
  };
  const command = await load().catch((error: unknown) => Promise.reject(failureOf(error, record.name, id)));
  const run = async (argv: readonly string[], config: Config): Promise<unknown> => {
    const tell = (result: unknown) =>
      output.document({
        schema: 'palyra.plugins.run/v1',
        plugin: { name: record.name, version: record.version },
        command: id.replaceAll(':', ' '),
        result: result ?? null,
      });
    try {
      const result = await withoutExit(() => command.run(output.json ? withoutJson(argv) : argv, config));
      tell(result);
      return result;
    } catch (error) {
      if (exitRequest(error) === null) throw failureOf(error, record.name, id, Object.keys(command.flags ?? {}));
      tell(null);
      throw error;
    }
  };
  return new Proxy(command, { get: (target, name): unknown => (name === 'run' ? run : Reflect.get(target, name)) });
}

/** A mistyped flag is that in every command; whatever else a plugin throws is its own failure. */
function failureOf(error: unknown, plugin: string, id: string, flags: readonly string[] = []): PalyraError {
  const { parse, reason } = (error ?? {}) as { parse?: unknown; reason?: unknown };
  if (parse !== undefined || typeof reason === 'string') return toPalyraError(error, id.replaceAll(':', ' '), flags);
  const message = error instanceof Error ? error.message : String(error);
  return new PalyraError('PLUGIN_COMMAND_FAILED', {
    detail: `${plugin}: ${message.split('\n')[0] ?? ''}`,
    cause: error,
  });
}

/** `process.exit` in a command of a plugin ends that command: its document is still to be written. */
async function withoutExit<T>(work: () => Promise<T>): Promise<T> {
  const exit = process.exit.bind(process);
  process.exit = (code?: number | string | null): never => {
    throw Object.assign(new Error('it ended the process'), { code: 'EEXIT', oclif: { exit: Number(code ?? 0) } });
  };
  try {
    return await work();
  } finally {
    process.exit = exit;
  }
}

/** The document is ours: oclif in the plugin would write one of its own where nothing is written. */
function withoutJson(argv: readonly string[]): string[] {
  const end = argv.indexOf('--');
  return argv.filter((word, index) => word !== '--json' || (end !== -1 && index > end));
}
