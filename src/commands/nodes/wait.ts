import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { spent } from '../../lib/cli/durations.js';
import { NodeWait, WAIT_STATES } from '../../lib/cli/node-wait.js';
import { listenForStop } from '../../lib/cli/signals.js';

const DEFAULT_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** It is still pending. */
const TIMED_OUT = 8;

export default class NodesWait extends BaseCommand<typeof NodesWait> {
  static override summary = 'Wait until a node is online, offline, paired or removed';
  static override description = `Exit code 0 when it is so, also when it was so before; 8 when --timeout (default 60s) has passed. Restarts of the daemon do not end the wait.
With --for paired the node need not exist yet.`;
  static override examples = [
    '<%= config.bin %> nodes wait pi-lab --for online --timeout 2m',
    '<%= config.bin %> nodes wait pi-lab --for offline --json',
  ];
  static override args = {
    node: Args.string({ required: true, description: 'Name, id or unique part of the id (4 characters or more)' }),
  };
  static override flags = {
    for: Flags.option({ options: WAIT_STATES, required: true })({ description: 'The state to wait for' }),
  };

  async run() {
    const timeoutMs = this.flags.timeout ?? DEFAULT_TIMEOUT_MS;
    const wait = new NodeWait(this.args.node, this.flags.for);
    const client = this.client({ requestTimeoutMs: CONNECT_TIMEOUT_MS });
    const startedAt = performance.now();
    const stop = listenForStop();
    const enough = AbortSignal.timeout(timeoutMs);
    let met = false;
    try {
      for await (const item of client.watchEvents({ signal: AbortSignal.any([stop.signal, enough]) })) {
        met = wait.isMet(item);
        if (met) break;
      }
    } finally {
      stop.dispose();
    }
    const waitedMs = Math.round(performance.now() - startedAt);
    const state = this.flags.for;
    if (met) this.output.done(`${wait.name} is ${state} (waited ${spent(waitedMs)})`);
    else this.output.say(`${wait.name} is not ${state} after ${spent(waitedMs)}`);
    if (!met) process.exitCode = stop.exitCode() ?? TIMED_OUT;
    return { schema: 'palyra.nodes.wait/v1', node: wait.name, for: state, met, waitedMs };
  }
}
