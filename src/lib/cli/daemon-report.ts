/** `daemon status` and the first lines of `daemon start`, for people. */
import type { RouteAnswer } from '../wire/http/schemas.js';
import { longDuration } from './durations.js';
import { rotationUnderWay } from './rotation-report.js';
import { printable } from './text.js';

export type DaemonStatus = RouteAnswer<'daemon.status'>['daemon'];

/** The document of `daemon status`. `loaded`: how many plugins are installed on this machine. */
export function daemonDocument(status: DaemonStatus, loaded: number): Record<string, unknown> & { schema: string } {
  return {
    schema: 'palyra.daemon.status/v1',
    ...status,
    alarms: alarmsOf(status),
    plugins: { loaded, failed: failedPlugins(status) },
  };
}

/** A daemon of an older version that still runs says nothing of them. */
function failedPlugins({ plugins }: Partial<DaemonStatus>): DaemonStatus['plugins']['failed'] {
  return plugins?.failed ?? [];
}

/** Certificates near their end. */
export function alarmsOf({ alarms }: Partial<DaemonStatus>): DaemonStatus['alarms'] {
  return alarms ?? [];
}

export function urlsOf(status: DaemonStatus, purpose: DaemonStatus['listen'][number]['purpose']): string[] {
  return status.listen.filter((listener) => listener.purpose === purpose).map((listener) => listener.url);
}

export function daemonReport(status: DaemonStatus, fingerprint: string, now: number): string[] {
  const { nodes, approvals, dispatches } = status;
  const asking = nodes.asking > 0 ? `, ${nodes.asking} asking to join` : '';
  const lines: [string, string][] = [
    [
      '● running',
      `${status.version} · pid ${status.pid} · up ${longDuration(now - Date.parse(status.startedAt))} · owner ${status.owner}`,
    ],
    [
      '  listens',
      `nodes  ${urlsOf(status, 'public').join(', ')}        console  ${urlsOf(status, 'console').join(', ')}`,
    ],
    ['  identity', `${fingerprint} · CA valid until ${status.ca.notAfter.slice(0, 10)}`],
    [
      '  nodes',
      `${nodes.total}: ${nodes.online + nodes.late} online, ${nodes.offline} offline${asking}      approvals waiting: ${approvals.pending}`,
    ],
    [
      '  dispatches',
      `${dispatches.open} open · ${dispatches.lastHour} in the last hour, ${dispatches.failedLastHour} failed, ${dispatches.unknownLastHour} unknown`,
    ],
  ];
  // An older daemon that still runs does not count them.
  const { conflict = 0 } = nodes as Partial<typeof nodes>;
  if (conflict > 0)
    lines.push([
      '! identity',
      `two machines use that of ${plural(conflict, 'node')}: palyra nodes list --status conflict`,
    ]);
  lines.push(['  quic', quicText(status.quic)]);
  for (const { message, fix } of alarmsOf(status)) lines.push(['! certificate', printable(`${message}: ${fix}`)]);
  const rotation = rotationUnderWay(status.rotation);
  if (rotation !== null) lines.push(['! rotate-ca', `the CA is being replaced: ${rotation}`]);
  for (const { node, name, message } of failedPlugins(status))
    lines.push(['! plugin', printable(`${name} on ${node}: ${message}`)]);
  if (!status.storage.accepting)
    lines.push(['! storage', 'the disk is full: nothing new is accepted until there is space']);
  return lines.map(([label, text]) => `${label.padEnd(15)}${text}`);
}

function quicText({ state, why, connections, refusals }: DaemonStatus['quic']): string {
  if (state === 'off') return `off: ${why ?? 'it is not served'}`;
  const refused = Object.entries(refusals).filter(([, count]) => count > 0);
  const total = refused.reduce((sum, [, count]) => sum + count, 0);
  const reasons = total === 0 ? '' : ` (${refused.map(([reason, count]) => `${reason} ${count}`).join(', ')})`;
  const problem = why === null ? '' : ` · not everywhere: ${why}`;
  return `${plural(connections, 'connection')} · ${total} refused since the start${reasons}${problem}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
