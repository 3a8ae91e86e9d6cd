/**
 * What a run would meet on each node, without sending anything: is it reachable, does it offer the capability, was that granted, does the input fit, and
 * will a person be asked, where. The first thing that stands in the way is the `problem`, by the reason the run would end with.
 *
 * It is a look at this moment: a node may go away, and the node itself applies the whole schema before it acts.
 */
import { PalyraError } from '../base/errors.js';
import type { JsonValue, NodeView } from '../base/model.js';
import type { ChannelName } from '../base/questions.js';
import type { Reason } from '../base/reasons.js';
import { CHANNEL_WORDS } from './dispatch-report.js';
import { messageOf, type Output } from './output.js';
import { statusOf } from './node-columns.js';
import type { RunTarget } from './run-targets.js';
import { printable } from './text.js';

export interface NodePlan {
  readonly node: string;
  readonly nodeId: string;
  readonly presence: NodeView['presence'];
  readonly reachable: boolean;
  readonly offered: boolean;
  readonly granted: boolean;
  readonly inputFits: boolean;
  /** Who is asked before it runs: `machine` is the person at the node. */
  readonly asks: 'nobody' | 'machine';
  /** How they could be asked now, in that order; null: nobody is asked, or the machine does not say. */
  readonly asksThrough: readonly ChannelName[] | null;
  readonly sideEffects: 'none' | 'local' | 'external' | null;
  /** `run` now, `hold` until the node is back, `refuse`. */
  readonly would: 'run' | 'hold' | 'refuse';
  readonly problem: { readonly code: Reason; readonly exitCode: number; readonly message: string } | null;
}

export interface PlanOptions {
  readonly capability: string;
  /** The run would be held for a node that is away. */
  readonly queued: boolean;
  /** Throws USAGE_INVALID for pairs that cannot be read. */
  readonly inputOf: (target: RunTarget) => JsonValue;
}

export async function planRun(targets: readonly RunTarget[], options: PlanOptions): Promise<NodePlan[]> {
  const { assertMatchesSchema } = await import('../base/json-schema.js');
  return targets.map((target) => {
    const { node, offer } = target;
    const reachable = node.presence === 'online' || node.presence === 'late';
    const misfit =
      offer === null ? null : problemOf(() => assertMatchesSchema(options.inputOf(target), offer.inputSchema, 'input'));
    const problem = firstProblem(target, options, { reachable, misfit });
    return {
      node: node.name,
      nodeId: node.id,
      presence: node.presence,
      reachable,
      offered: offer !== null,
      granted: offer?.granted ?? false,
      inputFits: offer !== null && misfit === null,
      asks: offer?.mediation === 'ask' ? 'machine' : 'nobody',
      asksThrough: offer?.mediation === 'ask' && reachable ? node.asksThrough : null,
      sideEffects: offer?.sideEffects ?? null,
      would: problem !== null ? 'refuse' : reachable ? 'run' : 'hold',
      problem:
        problem === null ? null : { code: problem.reason, exitCode: problem.exitCode, message: messageOf(problem) },
    };
  });
}

function firstProblem(
  { node, offer }: RunTarget,
  { capability, queued }: PlanOptions,
  { reachable, misfit }: { readonly reachable: boolean; readonly misfit: PalyraError | null },
): PalyraError | null {
  if (node.trust === 'revoked') return new PalyraError('NODE_NOT_TRUSTED', { detail: node.name });
  if (offer === null) return new PalyraError('CAPABILITY_NOT_FOUND', { detail: `${node.name} has no "${capability}"` });
  if (!offer.granted) return new PalyraError('CAPABILITY_NOT_GRANTED', { detail: `"${capability}" on ${node.name}` });
  if (misfit !== null) return misfit;
  if (!reachable && !queued) return new PalyraError('NODE_OFFLINE', { detail: `${node.name} is ${statusOf(node)}` });
  return null;
}

function problemOf(check: () => void): PalyraError | null {
  try {
    check();
    return null;
  } catch (error) {
    return PalyraError.from(error);
  }
}

/** One line a node on stdout, what it comes to on stderr. */
export function tellPlan(output: Output, capability: string, plans: readonly NodePlan[]): void {
  for (const plan of plans) output.result(printable(planLine(plan)));
  const count = (would: NodePlan['would']) => plans.filter((plan) => plan.would === would).length;
  const parts = [`${count('run')} would run`, `${count('hold')} would be held`, `${count('refuse')} would be refused`];
  output.say(`${capability}: ${parts.join(', ')}. Nothing was sent.`);
}

function askedWords(channels: NodePlan['asksThrough']): string {
  const [first] = channels ?? [];
  if (first !== undefined) return `asks the person at the machine (${CHANNEL_WORDS[first]})`;
  if (channels === null) return 'asks the person at the machine';
  return 'nobody can be asked there now: it is denied at once, unless the machine allows it';
}

function planLine(plan: NodePlan): string {
  if (plan.problem !== null) return `${plan.node}: would be refused: ${plan.problem.message} (${plan.problem.code})`;
  const when = plan.would === 'run' ? 'would run now' : `would be held until it is back (${plan.presence})`;
  const asks = plan.asks === 'machine' ? askedWords(plan.asksThrough) : 'asks nobody';
  return `${plan.node}: ${when} · ${asks} · side effects: ${plan.sideEffects ?? 'none'}`;
}
