/** Checks of the daemon this machine belongs to, as a node over the network or as its own machine over the local socket. */
import { PalyraError } from '../../base/errors.js';
import type { ProxySettings } from '../../base/proxy.js';
import type { ControlPlaneClient } from '../../client/control-plane-client.js';
import { alarmsOf, type DaemonStatus } from '../daemon-report.js';
import { runningDaemon } from '../daemon-control.js';
import { rotationUnderWay } from '../rotation-report.js';
import type { Check, Finding } from './check.js';
import type { PairingFacts } from './pairing-facts.js';
import { askDaemon, type RemoteAnswer } from './remote-daemon.js';

export interface DaemonFacts {
  readonly client: ControlPlaneClient;
  readonly version: string;
  readonly pairing: () => Promise<PairingFacts | null>;
  readonly proxy: () => Promise<ProxySettings>;
}

/** Beyond it signatures, deadlines and certificates stop to agree (the node refuses to pair). */
const MAX_SKEW_MS = 5 * 60_000;
/** The header has whole seconds. */
const NOTABLE_SKEW_MS = 10_000;

export function daemonChecks({ client, version, pairing, proxy }: DaemonFacts): Check[] {
  // One request serves two checks.
  let asked: Promise<RemoteAnswer> | null = null;
  const ask = (facts: PairingFacts, settings: ProxySettings, signal: AbortSignal) =>
    (asked ??= askDaemon(facts, settings, signal));
  return [
    {
      id: 'daemon.local',
      async run() {
        const status = await runningDaemon(client);
        if (status === null) return { status: 'skip', detail: 'no daemon runs on this machine' };
        if (!status.storage.accepting)
          return {
            status: 'fail',
            detail: 'the disk of the daemon is full: nothing new is accepted',
            fix: 'Free some space',
          };
        const alarm = alarmFinding(status);
        if (alarm !== null) return alarm;
        if (status.version !== version) {
          return {
            status: 'warn',
            detail: `the daemon that runs is ${status.version}, installed is ${version}`,
            fix: 'palyra daemon restart',
          };
        }
        const rotation = rotationFinding(status);
        if (rotation !== null) return rotation;
        return { status: 'pass', detail: `the daemon here runs (pid ${status.pid}, ${status.version})` };
      },
    },
    {
      id: 'daemon.reachable',
      async run(signal) {
        const facts = await pairing();
        if (facts === null) return notPaired();
        const place = facts.publicEndpoint.replace('https://', '');
        try {
          const { status, roundTripMs } = await ask(facts, await proxy(), signal);
          const took = `${Math.max(1, Math.round(roundTripMs))} ms`;
          return status < 500
            ? { status: 'pass', detail: `daemon ${facts.daemonName} reachable at ${place} (${took})` }
            : { status: 'warn', detail: `daemon ${facts.daemonName} answers at ${place}, but with HTTP ${status}` };
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          return {
            status: 'fail',
            detail: `daemon ${facts.daemonName} cannot be reached at ${place}: ${why}`,
            fix: 'Where the daemon is: palyra daemon status; then check the network and firewalls between',
          };
        }
      },
    },
    {
      id: 'daemon.clock',
      async run(signal) {
        const facts = await pairing();
        if (facts === null) return notPaired();
        const answer = await ask(facts, await proxy(), signal).catch(() => null);
        if (answer?.time === null || answer === null)
          return { status: 'skip', detail: 'the daemon does not answer, so the clocks cannot be compared' };
        return skewFinding(answer.ourTime - answer.time);
      },
    },
  ];
}

/** The most urgent of the certificates near their end; null without one. */
export function alarmFinding(status: DaemonStatus): Finding | null {
  const [alarm] = alarmsOf(status);
  if (alarm === undefined) return null;
  return { status: alarm.level <= 1 ? 'fail' : 'warn', detail: alarm.message, fix: alarm.fix };
}

/** Null when the CA is not being replaced. */
export function rotationFinding(status: DaemonStatus): Finding | null {
  const rotation = rotationUnderWay(status.rotation);
  if (rotation === null) return null;
  return {
    status: 'warn',
    detail: `the CA of the daemon is being replaced: ${rotation}`,
    fix: 'Bring the missing nodes online, or go on without them: palyra daemon rotate-ca --force',
  };
}

/** Ours minus theirs, in milliseconds. */
export function skewFinding(skewMs: number): Finding {
  const seconds = Math.abs(skewMs / 1000);
  if (seconds * 1000 < NOTABLE_SKEW_MS)
    return { status: 'pass', detail: `clock within ${Math.max(1, Math.ceil(seconds))} s of the daemon` };
  const words = `the clock is ${Math.round(seconds)} s ${skewMs < 0 ? 'behind' : 'ahead of'} the daemon's`;
  return {
    status: seconds * 1000 > MAX_SKEW_MS ? 'fail' : 'warn',
    detail: `${words}: deadlines and certificates will not agree`,
    fix: 'Set the clock of the machine that is wrong, and keep it set (timedatectl set-ntp true)',
  };
}

/** The daemon's half of the story of one node, for `--node`. */
export function fleetChecks(client: ControlPlaneClient, name: string): Check[] {
  const shown = client.showNode(name);
  // Told by the check that awaits it.
  shown.catch(() => undefined);
  return [
    {
      id: 'fleet.node',
      async run() {
        try {
          const { node } = await shown;
          if (node.trust === 'revoked')
            return { status: 'fail', detail: `${node.name} was removed`, fix: 'There: palyra node install <link>' };
          if (node.presence === 'online') return { status: 'pass', detail: `${node.name} is online` };
          const why = node.presenceReason === null ? '' : ` (${node.presenceReason})`;
          return {
            status: 'fail',
            detail: `${node.name} is ${node.presence}${why}`,
            fix: 'On that machine: palyra doctor',
          };
        } catch (error) {
          const { message, hint } = PalyraError.from(error);
          return { status: 'fail', detail: message, fix: hint };
        }
      },
    },
    {
      id: 'fleet.certificate',
      async run() {
        const { node } = await shown;
        if (node.certificate === null) return { status: 'skip', detail: `${node.name} has no certificate` };
        return certificateFinding(node.certificate.daysLeft, `the certificate of ${node.name}`);
      },
    },
    {
      id: 'fleet.version',
      async run() {
        const { node } = await shown;
        return node.outdated
          ? {
              status: 'warn',
              detail: `${node.name} runs the older ${node.version}`,
              fix: 'There: npm i -g palyra, then palyra node restart',
            }
          : { status: 'pass', detail: `${node.name} runs ${node.version}` };
      },
    },
    {
      id: 'fleet.queue',
      async run() {
        const { node } = await shown;
        const { waiting, running } = node.queue;
        return waiting > 0 && node.presence !== 'online'
          ? { status: 'warn', detail: `${waiting} dispatches wait for ${node.name}`, fix: 'palyra dispatches list' }
          : { status: 'pass', detail: `${running} dispatches run on ${node.name}, ${waiting} wait` };
      },
    },
  ];
}

/** Renewal is due at a third of the life; far below it something keeps it from happening. */
export function certificateFinding(daysLeft: number, what: string): Finding {
  if (daysLeft < 0) {
    const detail = `${what} expired ${-daysLeft} days ago`;
    return { status: 'fail', detail, fix: 'Pair this machine again: palyra node install <link>' };
  }
  if (daysLeft < 14)
    return {
      status: 'warn',
      detail: `${what} has ${daysLeft} days left and was not renewed`,
      fix: 'palyra node restart',
    };
  return { status: 'pass', detail: `${what} has ${daysLeft} days left` };
}

function notPaired(): Finding {
  return { status: 'skip', detail: 'this machine is not paired' };
}
