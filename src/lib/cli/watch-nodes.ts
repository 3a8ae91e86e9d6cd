/** `nodes list --watch` and `nodes watch`: the list, then a line for every change, as NDJSON or for people. */
import type { ControlPlaneClient } from '../client/control-plane-client.js';
import { eventLine, resyncText } from './event-lines.js';
import { followEvents, type FollowOptions } from './follow-events.js';
import { tableColumns } from './node-columns.js';
import type { NodeSelection, SortKey } from './node-selection.js';
import { NodeWatch, type NodesLine } from './node-watch.js';
import type { Output } from './output.js';
import { formatTable } from './table.js';

export interface WatchNodesOptions extends FollowOptions {
  readonly selection: NodeSelection;
  readonly sort: SortKey;
  readonly wide: boolean;
}

export async function watchNodes(
  client: ControlPlaneClient,
  output: Output,
  options: WatchNodesOptions,
): Promise<undefined> {
  const watch = new NodeWatch(options.selection, options.sort);
  await followEvents(client, output, options, (item) => {
    const line = watch.take(item);
    if (line === null) return;
    if (output.json) output.line(line);
    else showForPeople(output, line, options.wide);
  });
}

function showForPeople(output: Output, line: NodesLine, wide: boolean): void {
  if (line.type === 'snapshot' || line.type === 'resync') {
    if (line.type === 'resync') output.say(`The list again: ${resyncText(line.reason)}`);
    if (line.nodes.length === 0) output.say('No nodes yet. Invite one: palyra node pair');
    else for (const row of formatTable(line.nodes, tableColumns(Date.now(), { wide }))) output.result(row);
    return;
  }
  const text = eventLine(line);
  if (text !== null) output.result(text);
}
