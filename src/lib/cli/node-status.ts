/** `node status`: what this machine knows of its pairing, and what its running node says, if one runs. */
import { END_OF_CONFLICT } from './conflict-words.js';
import { longDuration } from './durations.js';
import type { HostMoment } from './host-story.js';
import { enableCommand } from './waiting-words.js';
import { certificateView, dayOf, type CertificateFacts } from './join-report.js';
import { serviceSentence, type ServiceView } from './service/service-view.js';
import { printable } from './text.js';

export interface PairingFacts {
  readonly id: string;
  readonly name: string;
  readonly daemonName: string;
  readonly publicEndpoint: string;
  readonly revoked: boolean;
  readonly certificate: CertificateFacts;
}

export interface HostFacts extends HostMoment {
  readonly pid: number;
  readonly version: string;
  readonly name: string;
  readonly since: string;
  readonly rttMs: number | null;
  readonly running: number;
  /** Absent in what an older version that still runs says. */
  readonly plugins?: {
    readonly loaded: number;
    readonly failed: readonly { readonly name: string; readonly message: string }[];
  };
  /** Of plugins, off until somebody switches them on here. */
  readonly waiting?: readonly string[];
  readonly certificate?: RenewalFacts;
  readonly clock?: string | null;
}

/** Of a node that runs; older ones do not tell. */
export interface RenewalFacts {
  readonly renewsAt: string;
  readonly problem: { readonly reason: string; readonly message: string } | null;
}

export function nodeStatusReport(
  pairing: PairingFacts,
  host: HostFacts | null,
  now: number,
  service: ServiceView | null = null,
): string[] {
  const { daysLeft } = certificateView(pairing.certificate, now);
  const lines = host === null ? [stoppedLine(pairing, service !== null)] : hostLines(host, now);
  if (service !== null) lines.push(`  service      ${serviceSentence(service, now)}`);
  const renewal = host?.certificate;
  const renews = renewal === undefined ? 'renews itself while the node runs' : renewalWords(renewal, now);
  lines.push(`  certificate  ${daysLeft} days left, until ${dayOf(pairing.certificate.notAfter)} · ${renews}`);
  if (typeof host?.clock === 'string') lines.push(`  clock        ${host.clock} the daemon's: set it`);
  return lines.map(printable);
}

export function nodeStatusDocument(
  pairing: PairingFacts | null,
  host: HostFacts | null,
  now: number,
  service: ServiceView | null = null,
) {
  const schema = 'palyra.node.status/v1';
  if (pairing === null) return { schema, paired: false, connection: null, service };
  return {
    schema,
    paired: !pairing.revoked,
    name: host?.name ?? pairing.name,
    id: pairing.id,
    daemon: { name: pairing.daemonName, url: pairing.publicEndpoint, endpoint: host?.daemon.endpoint ?? null },
    connection: host === null ? null : connectionOf(host),
    process: host === null ? null : { pid: host.pid, version: host.version, running: host.running },
    service,
    certificate: {
      ...certificateView(pairing.certificate, now),
      renewsAt: host?.certificate?.renewsAt ?? null,
      problem: host?.certificate?.problem ?? null,
    },
    clock: host?.clock ?? null,
    capabilities: [
      ...(host?.capabilities ?? []).map((name) => ({ name, enabled: true })),
      ...(host?.waiting ?? []).map((name) => ({ name, enabled: false })),
    ],
    plugins: host?.plugins ?? null,
  };
}

function renewalWords({ renewsAt, problem }: RenewalFacts, now: number): string {
  if (problem !== null) return `could not be renewed: ${problem.message}; it keeps trying`;
  const leftMs = Date.parse(renewsAt) - now;
  return `renews itself ${leftMs <= 0 ? 'now' : leftMs < 86_400_000 ? `in ${longDuration(leftMs)}` : `on ${dayOf(renewsAt)}`}`;
}

function connectionOf({ state, since, transport, rttMs, attempts, nextTryAt, lastError }: HostFacts) {
  return { state, since, transport, rttMs, attempts, nextTryAt, lastError };
}

function stoppedLine({ name, daemonName, revoked }: PairingFacts, isService: boolean): string {
  if (revoked)
    return `○ removed      "${name}" is no longer a node of ${daemonName} · pair it again: palyra node run <link>`;
  return `○ not running  "${name}" of ${daemonName} · start it: palyra node ${isService ? 'start' : 'run'}`;
}

function hostLines(host: HostFacts, now: number): string[] {
  const since = longDuration(now - Date.parse(host.since));
  const where = `${host.daemon.name} (${host.daemon.endpoint ?? '—'}) for ${since}`;
  const lines = [
    `${host.state === 'online' ? '●' : '○'} ${host.state.padEnd(11)}${where} · this machine is "${host.name}" · ${host.version}`,
  ];
  const { used, mode, why } = host.transport;
  const roundTrip = host.rttMs === null ? '' : ` · round trip ${host.rttMs} ms`;
  lines.push(`  transport    ${used === null ? `none (${mode})` : `${used}: ${why}`}${roundTrip}`);
  if (host.lastError !== null) lines.push(`  why          ${host.lastError.message}`);
  if (host.lastError?.reason === 'NODE_CONFLICT') lines.push(`! identity     ${END_OF_CONFLICT}`);
  const failed = (host.plugins?.failed ?? []).map(({ name, message }) => `! plugin       ${name}: ${message}`);
  const { waiting = [] } = host;
  const off =
    waiting.length === 0 ? [] : [`! off          ${waiting.join(' · ')}, from plugins · ${enableCommand(waiting)}`];
  return [...lines, `  allows       ${host.capabilities.join(' · ') || 'nothing'}`, ...off, ...failed];
}
