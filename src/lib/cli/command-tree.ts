/** The command line described for programs, from the manifests: nothing is loaded to know it. */
import type { Command } from '@oclif/core';

export interface CommandFacts {
  /** As it is typed, without `palyra`. */
  readonly command: string;
  readonly summary: string;
  readonly aliases: readonly string[];
  readonly plugin: string;
  readonly args: readonly { readonly name: string; readonly required: boolean; readonly description: string }[];
  readonly flags: readonly {
    readonly name: string;
    readonly char: string | null;
    readonly takesValue: boolean;
    readonly multiple: boolean;
    readonly required: boolean;
    readonly options: readonly string[] | null;
    readonly description: string;
  }[];
}

/** Hidden commands and flags are left out, as they are in the help. */
export function commandTree(commands: readonly Command.Loadable[]): CommandFacts[] {
  return commands
    .filter((command) => !command.hidden)
    .map((command) => ({
      command: typed(command.id),
      summary: command.summary ?? '',
      aliases: command.aliases.map(typed),
      plugin: command.pluginName ?? '',
      args: Object.values(command.args)
        .filter((arg) => arg.hidden !== true)
        .map((arg) => ({ name: arg.name, required: arg.required === true, description: arg.description ?? '' })),
      flags: Object.values(command.flags)
        .filter((flag) => flag.hidden !== true)
        .map((flag) => ({
          name: flag.name,
          char: flag.char ?? null,
          takesValue: flag.type === 'option',
          multiple: flag.type === 'option' && flag.multiple === true,
          required: flag.required === true,
          options: flag.type === 'option' && flag.options !== undefined ? [...flag.options] : null,
          description: flag.summary ?? flag.description ?? '',
        }))
        .sort(by(({ name }) => name)),
    }))
    .sort(by(({ command }) => command));
}

/** `nodes show <node>` and a summary, a line each. */
export function treeLines(tree: readonly CommandFacts[]): string[] {
  const rows = tree.map(({ command, args, summary }) => ({
    usage: [command, ...args.map(({ name, required }) => (required ? `<${name}>` : `[${name}]`))].join(' '),
    summary,
  }));
  const width = Math.max(0, ...rows.map(({ usage }) => usage.length));
  return rows.map(({ usage, summary }) => `${usage.padEnd(width)}   ${summary}`);
}

const typed = (id: string) => id.replaceAll(':', ' ');

function by<T>(key: (item: T) => string): (a: T, b: T) => number {
  return (a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
}
