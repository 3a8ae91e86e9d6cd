import { Flags } from '@oclif/core';
import { askingColumns, toAskingRow } from '../../lib/cli/asking-rows.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { followFlags } from '../../lib/cli/follow-events.js';
import { plural } from '../../lib/cli/daemon-report.js';
import { fieldColumns, PLAIN_FIELDS, tableColumns } from '../../lib/cli/node-columns.js';
import { selectionFlags } from '../../lib/cli/node-flags.js';
import { meansAsking, selectNodes, sortNodes } from '../../lib/cli/node-selection.js';
import { formatTable, formatTsv } from '../../lib/cli/table.js';
import { watchNodes } from '../../lib/cli/watch-nodes.js';
import { conflictWords } from '../../lib/cli/conflict-words.js';
import { printable } from '../../lib/cli/text.js';

export default class NodesList extends BaseCommand<typeof NodesList> {
  static override summary = 'List the machines paired to the daemon';
  static override description = `STATUS means the same everywhere:
  online             connected, and heard from within two heartbeats
  late               connected, but silent for two to four heartbeats, or cut off just now
  offline (stopped)  it said goodbye
  offline (lost)     its connection ended without a goodbye
  never seen         paired, but it has not connected yet
  conflict           two machines use its identity; the second one is held back: palyra node reset --new-identity there
  expired, revoked   its certificate is past its time, or trust was withdrawn
  asking, asking (PIN)  it asks to join: palyra approvals. Under --json these are in asking[], not in nodes[]`;
  static override aliases = ['ls'];
  static override examples = [
    '<%= config.bin %> nodes list',
    '<%= config.bin %> nodes list -q --status online',
    '<%= config.bin %> nodes list --plain --fields name,presence,lastSeenAt',
    '<%= config.bin %> nodes list --json -l site=lab',
    '<%= config.bin %> nodes list --watch --json',
  ];
  static override flags = {
    ...selectionFlags,
    wide: Flags.boolean({ description: 'More columns' }),
    fields: Flags.string({ helpValue: '<name,…>', description: 'These fields of the JSON form, in this order' }),
    'no-header': Flags.boolean({ description: 'No header line' }),
    watch: Flags.boolean({ char: 'w', description: 'Go on with every change, until Ctrl-C; see palyra nodes watch' }),
    from: { ...followFlags.from, dependsOn: ['watch'] },
    'give-up': { ...followFlags['give-up'], dependsOn: ['watch'] },
  };

  async run() {
    return this.flags.watch ? this.#watch() : this.#list();
  }

  #watch() {
    const { status, label, capability, sort, wide } = this.flags;
    const selection = { status, labels: label, capability };
    return watchNodes(this.client(), this.output, { ...this.flags, selection, sort, wide });
  }

  async #list() {
    const { nodes: all, summary } = await this.client().listNodes();
    const { status, label, capability, sort, wide, fields, plain, quiet } = this.flags;
    const nodes = sortNodes(selectNodes(all, { status, labels: label, capability }), sort);
    const asking = summary.asking > 0 && meansAsking({ status, labels: label, capability }) ? await this.#asking() : [];
    const names = fields?.split(',').map((field) => field.trim());
    if (quiet) {
      for (const node of nodes) this.output.result(node.name);
    } else if (plain) {
      for (const line of formatTsv(nodes, fieldColumns(names ?? PLAIN_FIELDS))) this.output.result(line);
    } else if (names !== undefined) {
      this.#table(
        nodes.map((node) => fieldColumns(names).map(({ value }) => value(node))),
        names,
      );
    } else {
      const columns = tableColumns(Date.now(), { wide });
      const rows = nodes.map((node) => columns.map(({ value }) => value(node)));
      const others = askingColumns(Date.now(), columns.length);
      for (const row of asking) rows.push(others.map(({ value }) => value(row)));
      this.#table(
        rows,
        columns.map(({ header }) => header),
      );
    }
    if (all.length === 0 && asking.length === 0) this.output.say('No nodes yet. Invite one: palyra node pair');
    else this.output.say(this.#footer(nodes.length, all.length, summary));
    for (const node of all) {
      const words = conflictWords(node);
      if (words !== null) this.output.warn(printable(`${node.name}: ${words}`));
    }
    return { schema: 'palyra.nodes.list/v1', nodes, asking, summary };
  }

  async #asking() {
    return (await this.client().listApprovals()).filter(({ kind }) => kind === 'join').map(toAskingRow);
  }

  #table(rows: readonly (readonly string[])[], headers: readonly string[]): void {
    if (rows.length === 0 || this.output.json) return;
    const columns = headers.map((header, index) => ({ header, value: (row: readonly string[]) => row[index] ?? '' }));
    for (const line of formatTable(rows, columns, { header: !this.flags['no-header'] })) this.output.result(line);
  }

  #footer(
    shown: number,
    total: number,
    summary: { online: number; late: number; offline: number; asking: number; revoked: number },
  ): string {
    const states = [
      `${summary.online} online`,
      ...(summary.late > 0 ? [`${summary.late} late`] : []),
      `${summary.offline} offline`,
    ];
    if (summary.revoked > 0) states.push(`${summary.revoked} revoked`);
    if (summary.asking > 0) states.push(`${summary.asking} asking to join → palyra approvals`);
    return `${shown === total ? plural(total, 'node') : `${shown} of ${plural(total, 'node')} shown`}: ${states.join(', ')}`;
  }
}
