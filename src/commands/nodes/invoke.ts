import { randomUUID } from 'node:crypto';
import { Args, Flags } from '@oclif/core';
import { systemClock } from '../../lib/base/clock.js';
import type { DispatchView } from '../../lib/base/model.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { progressLine, tellOutcome } from '../../lib/cli/dispatch-report.js';
import { followDispatch, sendDispatch } from '../../lib/cli/dispatch-run.js';
import { commonExitCode, exitCodeOf, isSettled } from '../../lib/cli/exit-codes.js';
import { keyOfNode } from '../../lib/cli/fan-out.js';
import { durationFlag } from '../../lib/cli/flags.js';
import { readInput } from '../../lib/cli/invoke-input.js';
import { runMany } from '../../lib/cli/run-many.js';
import { planRun, tellPlan } from '../../lib/cli/run-plan.js';
import { findTargets, readInputs, readRunWords, type RunTarget } from '../../lib/cli/run-targets.js';
import { listenForStop } from '../../lib/cli/signals.js';
import { StatusLine } from '../../lib/cli/status-line.js';

/** Nothing is said about a run that is over before a person would wonder. */
const QUIET_MS = 300;

export default class NodesInvoke extends BaseCommand<typeof NodesInvoke> {
  static override summary = 'Run a capability on a node, or on many';
  static override description = `The result is JSON on stdout, what is said about it goes to stderr. The exit code tells the outcome:
  0 succeeded · 6 nothing was delivered · 7 denied or cancelled · 8 not over yet · 9 may have run, nobody knows · 10 failed or took too long
Ctrl-C stops waiting, not the run; what is in flight is listed.
With -l or --all it runs on every node that is meant, those that are away included: one line a node on stdout, exit code 0 when all succeeded, 12 when they
ended differently, else the code they share. --idempotency-key K is then K:NODE-ID on each node. --dry-run sends nothing and ends as the run would.`;
  static override strict = false;
  static override usage = [
    'nodes invoke <node> <capability> [key=value…]',
    'nodes invoke -l <k=v,k!=v> <capability> [key=value…]',
    'nodes invoke --all <capability> [key=value…]',
  ];
  static override examples = [
    '<%= config.bin %> nodes invoke pi-lab system.health',
    '<%= config.bin %> nodes invoke pi-lab echo text=hello',
    `<%= config.bin %> nodes invoke pi-lab echo --input '{"text":"hello"}' --timeout 10s --json`,
    '<%= config.bin %> nodes invoke -l site=lab system.health --json',
    '<%= config.bin %> nodes invoke --all echo text=hello --dry-run',
  ];
  static override args = {
    node: Args.string({
      description: 'Name, id or unique part of the id (4 characters or more); not with -l or --all',
    }),
    capability: Args.string({ description: 'Such as system.health' }),
  };
  static override flags = {
    input: Flags.string({
      helpValue: '<json|@file|->',
      description: 'The whole input as JSON, from a file or from stdin',
    }),
    queue: durationFlag({ description: 'Hold it this long for a node that is away' }),
    wait: Flags.boolean({ default: true, allowNo: true, description: 'Wait until it is over' }),
    'idempotency-key': Flags.string({ helpValue: '<key>', description: 'Two requests with one key are one run' }),
    label: Flags.string({ char: 'l', helpValue: '<k=v,k!=v>', description: 'On every node with these labels' }),
    all: Flags.boolean({ description: 'On every node' }),
    'max-parallel': Flags.integer({ default: 8, min: 1, max: 64, description: 'So many nodes at once' }),
    'dry-run': Flags.boolean({ description: 'Tell what would happen on each node; send nothing' }),
  };

  async run() {
    const { label: labels, all } = this.flags;
    const words = readRunWords(this.words, { labels, all });
    if (words.node === undefined || this.flags['dry-run']) return this.#many(words);
    return this.#one(words.node, words.capability, words.pairs);
  }

  async #many({ node, capability, pairs }: ReturnType<typeof readRunWords>) {
    const { label: labels, all, wait, plain } = this.flags;
    const client = this.client({ requestTimeoutMs: 10_000 });
    const inputs = await readInputs(pairs, this.flags.input);
    const targets = await findTargets(client, { node, labels, all }, capability);
    const inputOf = ({ offer }: RunTarget) => inputs(offer?.inputSchema ?? null);
    if (this.flags['dry-run']) {
      const plans = await planRun(targets, { capability, queued: this.flags.queue !== undefined, inputOf });
      tellPlan(this.output, capability, plans);
      process.exitCode = commonExitCode(plans.map(({ problem }) => problem?.exitCode ?? 0));
      return { schema: 'palyra.nodes.invoke-plan/v1', capability, sent: false, nodes: plans };
    }
    const request = this.#options(capability);
    // Before anything is sent: a key that does not fit one node fits none.
    for (const target of targets) keyOfNode(request.idempotencyKey, target.node.id);
    return runMany(client, this.output, targets, {
      maxParallel: this.flags['max-parallel'],
      wait,
      plain,
      request,
      inputOf,
    });
  }

  async #one(node: string, capability: string, pairs: readonly string[]) {
    const stop = listenForStop();
    const status = new StatusLine(this.output, { enabled: process.stderr.isTTY });
    let dispatch: DispatchView | null = null;
    try {
      const input = await this.#input(node, capability, pairs);
      const request = { ...this.#options(capability), node, input };
      const options = { clock: systemClock, signal: stop.signal };
      dispatch = await sendDispatch(this.client({ requestTimeoutMs: 10_000 }), request, options);
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

  #options(capability: string) {
    return {
      capability,
      timeoutMs: this.flags.timeout,
      queueMs: this.flags.queue,
      idempotencyKey: this.flags['idempotency-key'] ?? `cli-${randomUUID()}`,
    };
  }

  #input(node: string, capability: string, pairs: readonly string[]) {
    return readInput(pairs, this.flags.input, async () => {
      const { capabilities } = await this.client().showNode(node);
      return capabilities.find(({ name }) => name === capability)?.inputSchema ?? null;
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
