import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { commandTree, treeLines } from '../lib/cli/command-tree.js';
import { readSchema, schemaNames } from '../lib/cli/published-schemas.js';

export default class Schema extends BaseCommand<typeof Schema> {
  static override summary = 'Print the JSON Schema of a document that --json prints, or describe the command line';
  static readsCommands = true;
  static override description = 'The name is the middle of the schema field of a document: palyra.NAME/v1.';
  static override examples = [
    '<%= config.bin %> schema nodes.list',
    '<%= config.bin %> schema --list',
    '<%= config.bin %> schema --commands --json',
  ];
  static override args = { name: Args.string({ description: 'Such as nodes.list; without it, the list of names' }) };
  static override flags = {
    list: Flags.boolean({ description: 'Names of all schemas' }),
    commands: Flags.boolean({ exclusive: ['list'], description: 'Every command with its arguments and flags' }),
  };

  async run() {
    const { root } = this.config;
    if (this.flags.commands) {
      const commands = commandTree([...this.config.plugins.values()].flatMap((plugin) => plugin.commands));
      for (const line of treeLines(commands)) this.output.result(line);
      return { schema: 'palyra.schema.commands/v1', commands };
    }
    if (this.flags.list || this.args.name === undefined) {
      const names = await schemaNames(root);
      for (const name of names) this.output.result(name);
      return { schema: 'palyra.schema.list/v1', names };
    }
    const { name, jsonSchema } = await readSchema(root, this.args.name);
    this.output.result(JSON.stringify(jsonSchema, null, 2));
    return { schema: 'palyra.schema/v1', name, jsonSchema };
  }
}
