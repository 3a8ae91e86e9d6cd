import { randomUUID } from 'node:crypto';
import { Args, Flags } from '@oclif/core';
import { systemClock } from '../../lib/base/clock.js';
import { PalyraError } from '../../lib/base/errors.js';
import type { DispatchView, JsonValue } from '../../lib/base/model.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { tellOutcome } from '../../lib/cli/dispatch-report.js';
import { followDispatch, sendDispatch } from '../../lib/cli/dispatch-run.js';
import { exitCodeOf } from '../../lib/cli/exit-codes.js';
import { formatLogRecord, type LogRecord } from '../../lib/cli/log-format.js';
import { listenForStop } from '../../lib/cli/signals.js';
import { printable } from '../../lib/cli/text.js';

const CAPABILITY = 'system.logs';
/** What the machine gives out at most, and its levels. */
const MAX_LINES = 1000;
const LEVELS = ['info', 'warn', 'error'] as const;

/** `time` is null for a line that no log wrote, such as of a crash. */
type Entry = Omit<LogRecord, 'time'> & { readonly time: string | null };

export default class NodesLogs extends BaseCommand<typeof NodesLogs> {
  static override summary = 'Show the end of the log of a node, as its machine gives it out';
  static override description = `Asks the machine with its capability ${CAPABILITY}, which is off until somebody at that machine switches it on and it was granted. Debug records
and what looks like a secret stay there. Exit codes as of nodes invoke; 3 when the machine does not give out its log, 7 when it was not granted.`;
  static override examples = [
    '<%= config.bin %> nodes logs pi-lab',
    '<%= config.bin %> nodes logs pi-lab -n 20 --level warn --json',
  ];
  static override args = {
    node: Args.string({ required: true, description: 'Name, id or unique part of the id (4 characters or more)' }),
  };
  static override flags = {
    tail: Flags.integer({
      char: 'n',
      min: 1,
      max: MAX_LINES,
      default: 100,
      helpValue: '<n>',
      description: 'Only the last lines',
    }),
    level: Flags.option({ options: LEVELS, default: 'info' as const })({ description: 'Only this level and worse' }),
  };

  async run() {
    const stop = listenForStop();
    try {
      const name = await this.#assertOffered();
      const { tail: lines, level, timeout: timeoutMs } = this.flags;
      const options = { clock: systemClock, signal: stop.signal };
      const dispatch = await followDispatch(
        this.client(),
        await sendDispatch(
          this.client({ requestTimeoutMs: 10_000 }),
          {
            ...{ node: this.args.node, capability: CAPABILITY, input: { lines, level } },
            ...{ timeoutMs, queueMs: undefined, idempotencyKey: `cli-${randomUUID()}` },
          },
          options,
        ),
        { ...options, sliceMs: 60_000, onState: () => undefined },
      );
      return this.#report(name, dispatch);
    } finally {
      stop.dispose();
    }
  }

  /** The name of the node. The two ways in which it is not offered need two different people. */
  async #assertOffered(): Promise<string> {
    const { node, capabilities } = await this.client({ requestTimeoutMs: 10_000 }).showNode(this.args.node);
    const offer = capabilities.find(({ name }) => name === CAPABILITY);
    if (offer === undefined)
      throw new PalyraError('CAPABILITY_NOT_FOUND', {
        detail: printable(`${node.name} does not give out its log`),
        hint: `At that machine: palyra node capabilities enable ${CAPABILITY}`,
      });
    if (!offer.granted)
      throw new PalyraError('CAPABILITY_NOT_GRANTED', {
        detail: `${CAPABILITY} of ${printable(node.name)}`,
        hint: `Grant it: palyra nodes grant ${printable(node.name)} ${CAPABILITY}`,
      });
    return node.name;
  }

  #report(node: string, dispatch: DispatchView) {
    process.exitCode = exitCodeOf(dispatch.state);
    const { entries, truncated } = readAnswer(dispatch.output);
    if (dispatch.state !== 'succeeded') tellOutcome(this.output, dispatch, true);
    else if (entries.length === 0) this.output.say('The log has nothing to show.');
    for (const entry of entries) this.output.result(formatLogRecord({ ...entry, time: entry.time ?? '' } as LogRecord));
    if (truncated) this.output.say('  There is more; at that machine: palyra node logs');
    return { schema: 'palyra.nodes.logs/v1', node, dispatch: dispatch.id, state: dispatch.state, entries, truncated };
  }
}

/** A machine may answer whatever it likes: what is no record is left out. */
function readAnswer(output: JsonValue | null): { readonly entries: readonly Entry[]; readonly truncated: boolean } {
  const { entries, truncated } = (isObject(output) ? output : {}) as { entries?: JsonValue; truncated?: JsonValue };
  const isText = (value: JsonValue | undefined) => typeof value === 'string';
  const isEntry = (entry: JsonValue) =>
    isObject(entry) &&
    [entry['level'], entry['scope'], entry['msg']].every(isText) &&
    (entry['time'] === null || isText(entry['time']));
  return {
    entries: (Array.isArray(entries) ? entries.filter(isEntry) : []) as unknown as readonly Entry[],
    truncated: truncated === true,
  };
}

function isObject(value: JsonValue | null): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
