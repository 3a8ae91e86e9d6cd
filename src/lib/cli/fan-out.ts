/**
 * One capability on many nodes: a bounded number at a time, each to its own outcome, in the order of the targets.
 *
 * A node that refuses, or is away, does not stop the others. A signal stops waiting and sends nothing more: what was sent goes on and is named, what was not
 * sent is told as CANCELLED. With a key, each node gets `KEY:NODE-ID`, so that the same command line again is the same run on every node.
 */
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { DispatchView, JsonValue } from '../base/model.js';
import type { ControlPlaneClient } from '../client/control-plane-client.js';
import { spent } from './durations.js';
import { followDispatch, sendDispatch, type DispatchRequest } from './dispatch-run.js';
import { exitCodeOf, isSettled } from './exit-codes.js';
import { messageOf, toErrorDocument } from './output.js';
import type { RunTarget } from './run-targets.js';
import { printable } from './text.js';

/** The daemon's limit of a key. */
const MAX_KEY = 128;

export interface NodeRun {
  readonly target: RunTarget;
  readonly dispatch: DispatchView | null;
  readonly error: PalyraError | null;
}

export interface FanOutOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Nodes at once. */
  readonly maxParallel: number;
  readonly wait: boolean;
  readonly request: Omit<DispatchRequest, 'node' | 'input'>;
  readonly inputOf: (target: RunTarget) => JsonValue;
  /** Called when a node is over, and with what is in flight at every change. */
  readonly onDone: (run: NodeRun) => void;
  readonly onChange: (inFlight: readonly string[], done: number) => void;
}

/** The key of one node. Throws USAGE_INVALID when it is longer than the daemon takes. */
export function keyOfNode(key: string, nodeId: string): string {
  const text = `${key}:${nodeId}`;
  if (text.length > MAX_KEY) {
    const most = MAX_KEY - nodeId.length - 1;
    throw new PalyraError('USAGE_INVALID', { detail: `the idempotency key is longer than ${most} characters` });
  }
  return text;
}

/** One result for each target, in their order. Throws nothing that is about one node. */
export async function fanOut(
  client: ControlPlaneClient,
  targets: readonly RunTarget[],
  options: FanOutOptions,
): Promise<NodeRun[]> {
  const runs = new Array<NodeRun>(targets.length);
  const inFlight = new Set<string>();
  let next = 0;
  let done = 0;
  const worker = async () => {
    for (let index = next++; index < targets.length; index = next++) {
      const target = targets[index]!;
      inFlight.add(target.node.name);
      options.onChange([...inFlight], done);
      const run = await runOne(client, target, options);
      inFlight.delete(target.node.name);
      runs[index] = run;
      done += 1;
      if (!options.signal.aborted) options.onDone(run);
      options.onChange([...inFlight], done);
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.maxParallel, targets.length) }, worker));
  return runs;
}

async function runOne(client: ControlPlaneClient, target: RunTarget, options: FanOutOptions): Promise<NodeRun> {
  const { clock, signal, request } = options;
  let dispatch: DispatchView | null = null;
  try {
    if (signal.aborted) throw new PalyraError('CANCELLED', { detail: 'nothing was sent' });
    const asked = {
      ...request,
      // By id: a name could be given to another node while the others run.
      node: target.node.id,
      input: options.inputOf(target),
      idempotencyKey: keyOfNode(request.idempotencyKey, target.node.id),
    };
    dispatch = await sendDispatch(client, asked, { clock, signal });
    if (options.wait) {
      dispatch = await followDispatch(client, dispatch, {
        ...{ clock, signal, sliceMs: 60_000 },
        onState: (now) => (dispatch = now),
      });
    }
    return { target, dispatch, error: null };
  } catch (error) {
    if (signal.aborted && dispatch !== null) return { target, dispatch, error: null };
    return { target, dispatch, error: PalyraError.from(error) };
  }
}

/** How this node alone would end the process. */
export function exitCodeOfRun(run: NodeRun, wait: boolean): number {
  if (run.error !== null) return run.error.exitCode;
  return wait && run.dispatch !== null ? exitCodeOf(run.dispatch.state) : 0;
}

export function toResult(run: NodeRun, wait: boolean) {
  return {
    node: run.target.node.name,
    nodeId: run.target.node.id,
    exitCode: exitCodeOfRun(run, wait),
    dispatch: run.dispatch,
    error: run.error === null ? null : (toErrorDocument(run.error)['error'] as Record<string, unknown>),
  };
}

/** One line for people. */
export function runLine({ target, dispatch, error }: NodeRun): string {
  const { name } = target.node;
  if (error !== null) return printable(`✗ ${name}: ${messageOf(error)} (${error.reason})`);
  if (dispatch === null) return `○ ${name}`;
  const { state, timings, id } = dispatch;
  if (!isSettled(state)) return printable(`○ ${name}: ${state} · ${id}`);
  if (state === 'succeeded') {
    const took = timings.totalMs === null ? '' : ` · ${spent(timings.totalMs)}`;
    return printable(`✓ ${name}${took} · ${JSON.stringify(dispatch.output)}`);
  }
  const why = dispatch.error === null ? '' : `: ${dispatch.error.message} (${dispatch.error.code})`;
  return printable(`✗ ${name}: ${state}${why} · ${id}`);
}

/** Tab-separated, for scripts: name, state or error code, dispatch, output as JSON. */
export function plainRunLine({ target, dispatch, error }: NodeRun): string {
  const state = error?.reason ?? dispatch?.state ?? '-';
  const output = dispatch?.state === 'succeeded' ? JSON.stringify(dispatch.output) : '-';
  return [target.node.name, state, dispatch?.id ?? '-', output].map(printable).join('\t');
}
