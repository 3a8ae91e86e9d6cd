import { randomUUID } from 'node:crypto';
import { Args, Flags } from '@oclif/core';
import { systemClock } from '../../lib/base/clock.js';
import type { DispatchView } from '../../lib/base/model.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { progressLine, tellOutcome } from '../../lib/cli/dispatch-report.js';
import { followDispatch, sendDispatch } from '../../lib/cli/dispatch-run.js';
import { exitCodeOf, isSettled } from '../../lib/cli/exit-codes.js';
import { durationFlag } from '../../lib/cli/flags.js';
import { readInput } from '../../lib/cli/invoke-input.js';
import { listenForStop } from '../../lib/cli/signals.js';
import { StatusLine } from '../../lib/cli/status-line.js';

/** Nothing is said about a run that is over before a person would wonder. */
const QUIET_MS = 300;

export default class NodesInvoke extends BaseCommand<typeof NodesInvoke> {
  static override summary = 'Run a capability on a node';
  static override description = `The result is JSON on stdout, what is said about it goes to stderr. The exit code tells the outcome:
  0 succeeded · 6 nothing was delivered · 7 denied or cancelled · 8 not over yet · 9 may have run, nobody knows · 10 failed or took too long
Ctrl-C stops waiting, not the run.`;
  static override strict = false;
  static override usage = 'nodes invoke <node> <capability> [key=value…]';
  static override examples = [
    '<%= config.bin %> nodes invoke pi-lab system.health',
    '<%= config.bin %> nodes invoke pi-lab echo text=hello',
    `<%= config.bin %> nodes invoke pi-lab echo --input '{"text":"hello"}' --timeout 10s --json`,
  ];
  static override args = {
    node: Args.string({ required: true, description: 'Name, id or unique part of the id (4 characters or more)' }),
    capability: Args.string({ required: true, description: 'Such as system.health' }),
  };
  static override flags = {
    input: Flags.string({
      helpValue: '<json|@file|->',
      description: 'The whole input as JSON, from a file or from stdin',
    }),
    queue: durationFlag({ description: 'Hold it this long for a node that is away' }),
    wait: Flags.boolean({ default: true, allowNo: true, description: 'Wait until it is over' }),
    'idempotency-key': Flags.string({ helpValue: '<key>', description: 'Two requests with one key are one run' }),
  };

  async run() {
    const stop = listenForStop();
    const status = new StatusLine(this.output, { enabled: process.stderr.isTTY });
    let dispatch: DispatchView | null = null;
    try {
      const options = { clock: systemClock, signal: stop.signal };
      dispatch = await sendDispatch(this.client({ requestTimeoutMs: 10_000 }), await this.#request(), options);
      if (this.flags.wait) {
        const begun = systemClock.monotonic();
        const onState = (now: DispatchView) => {
          dispatch = now;
          if (systemClock.monotonic() - begun > QUIET_MS && !isSettled(now.state)) status.show(progressLine(now));
        };
        dispatch = await followDispatch(this.client(), dispatch, {
          ...options,
          sliceMs: process.stderr.isTTY ? 1000 : 60_000,
          onState,
        });
      }
    } catch (error) {
      const code = stop.exitCode();
      if (code === null || dispatch === null) throw error;
      status.stop();
      this.output.say(`Still running as ${dispatch.id}; it was not cancelled.`);
      process.exitCode = code;
      return this.#document(dispatch);
    } finally {
      status.stop();
      stop.dispose();
    }
    return this.#report(dispatch);
  }

  async #request() {
    const { node, capability } = this.args;
    return {
      node,
      capability,
      input: await this.#input(),
      timeoutMs: this.flags.timeout,
      queueMs: this.flags.queue,
      idempotencyKey: this.flags['idempotency-key'] ?? `cli-${randomUUID()}`,
    };
  }

  #input() {
    return readInput(this.words.slice(2), this.flags.input, async () => {
      const { capabilities } = await this.client().showNode(this.args.node);
      return capabilities.find(({ name }) => name === this.args.capability)?.inputSchema ?? null;
    });
  }

  #report(dispatch: DispatchView) {
    const { wait } = this.flags;
    process.exitCode = wait ? exitCodeOf(dispatch.state) : 0;
    tellOutcome(this.output, dispatch, wait);
    return this.#document(dispatch);
  }

  #document(dispatch: DispatchView) {
    return { schema: 'palyra.dispatch/v1', dispatch };
  }
}
