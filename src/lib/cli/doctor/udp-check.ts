/**
 * Whether datagrams reach the daemon of this machine, which a link over QUIC needs. Nothing is broken when they do not: links go over TCP then, so the
 * worst this check says is a warning.
 */
import type { Config } from '@oclif/core';
import { askOwnHook } from '../own-hook.js';
import type { UdpAnswer } from '../../base/udp-answer.js';
import type { DaemonStatus } from '../daemon-report.js';
import { readNodeSummary } from '../host-socket.js';
import type { Check, Finding } from './check.js';

/** Within the time of a check, so that it says what was tried. */
const ASK_WITHIN_MS = 1_500;
const INSTEAD = 'links go over TCP instead';
/** Answers that came over UDP, of a daemon that does not want this machine. */
const REFUSALS: ReadonlySet<string> = new Set(['NODE_REVOKED', 'CERTIFICATE_REVOKED']);

export interface UdpFacts {
  /** Null when this machine is not paired. */
  readonly ask: () => Promise<readonly UdpAnswer[] | null>;
  /** The proxy on the way to the daemon; null without one. */
  readonly proxy: () => Promise<string | null>;
  /** What the node that runs here was told to use; null when none runs. */
  readonly mode: () => Promise<string | null>;
  /** The daemon of this machine, if one runs here. */
  readonly local: () => Promise<Pick<DaemonStatus, 'listen' | 'quic'> | null>;
}

export function udpCheck(facts: UdpFacts): Check {
  return { id: 'network.udp', run: () => udpFinding(facts) };
}

async function udpFinding({ ask, proxy, mode, local }: UdpFacts): Promise<Finding> {
  const through = await proxy();
  if (through !== null) return skip(`datagrams cannot go through the proxy ${through}; ${INSTEAD}`);
  const [answers, used, here] = await Promise.all([ask(), mode(), local().catch(() => null)]);
  if (answers === null) return skip('this machine is not paired');
  if (used === 'grpc' || used === 'poll') return skip(`the node was told to use ${used}, which needs no datagrams`);
  const reached = answers.find(({ rttMs }) => rttMs !== null);
  if (reached !== undefined) {
    const took = Math.max(1, Math.round(reached.rttMs!));
    return { status: 'pass', detail: `datagrams reach the daemon at ${reached.endpoint} (${took} ms)` };
  }
  const [first] = answers;
  if (first === undefined || first.problem === null) return skip('the pairing names no address of the daemon');
  if (first.problem.reason === 'QUIC_UNAVAILABLE')
    return skip(`QUIC cannot be used on this machine: ${first.problem.detail}; ${INSTEAD}`);
  const refused = answers.find(({ problem }) => problem !== null && REFUSALS.has(problem.reason));
  if (refused !== undefined)
    return { status: 'pass', detail: `datagrams reach the daemon at ${refused.endpoint}, which refuses this machine` };
  if (here?.quic.state === 'off' && answers.some(({ endpoint }) => isOf(endpoint, here)))
    return skip(`the daemon does not serve QUIC: ${here.quic.why ?? 'it is off'}; ${INSTEAD}`);
  return {
    status: 'warn',
    detail: `no datagram reaches the daemon (${first.problem.detail}); ${INSTEAD}`,
    fix: `Let UDP pass to ${first.endpoint}, or see on its machine: palyra daemon status`,
  };
}

/** Asks the code of the node, through its hook: what loads it is not loaded here. Throws what it throws. */
export async function askOverUdp(config: Config, stateDirectory: string): Promise<readonly UdpAnswer[] | null> {
  const asked = { stateDirectory, timeoutMs: ASK_WITHIN_MS };
  return (await askOwnHook(config, 'node:udp', asked)) as readonly UdpAnswer[] | null;
}

/** What the node that runs here was told to use. */
export async function transportMode(socketPath: string): Promise<string | null> {
  const summary = (await readNodeSummary(socketPath)) as { readonly transport?: { readonly mode?: unknown } } | null;
  const mode = summary?.transport?.mode;
  return typeof mode === 'string' ? mode : null;
}

function isOf(endpoint: string, { listen }: Pick<DaemonStatus, 'listen'>): boolean {
  return listen.some(({ url }) => url === `https://${endpoint}`);
}

function skip(detail: string): Finding {
  return { status: 'skip', detail };
}
