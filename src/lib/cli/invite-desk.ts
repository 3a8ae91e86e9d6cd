/** The operator's side of pairing: shows an invite and waits for the machines that use it. The daemon holds the invite; leaving ends nothing. */
import { PalyraError } from '../base/errors.js';
import type { NewInviteView } from '../base/model.js';
import type { ControlPlaneClient } from '../client/control-plane-client.js';
import { hostOf, isLoopbackUrl } from './addresses.js';
import { urlsOf, type DaemonStatus } from './daemon-report.js';
import type { RouteBody } from '../wire/http/schemas.js';
import { longDuration } from './durations.js';
import { parseLabels } from './flags.js';
import { inviteHeading, joinCommand, joinedLine, shortInviteId, typedCommand } from './invite-report.js';
import type { Output } from './output.js';
import { replacedWords } from './approval-report.js';
import { isHere, labelsOf } from './node-columns.js';
import { confirmByName } from './prompts.js';
import { listenForStop } from './signals.js';
import { StatusLine } from './status-line.js';
import { printable } from './text.js';

type Redemptions = NewInviteView['redeemedBy'];

/** One wait at the daemon; short enough that the countdown moves. */
const SLICE_MS = 1000;

export interface InviteFlags {
  readonly name?: string | undefined;
  readonly purpose?: string | undefined;
  readonly uses?: number | undefined;
  /** Milliseconds. */
  readonly expires?: number | undefined;
  readonly capability?: string[] | undefined;
  readonly address?: string | undefined;
  readonly label?: readonly string[] | undefined;
  /** Milliseconds. */
  readonly ephemeral?: number | undefined;
  readonly replace?: string | undefined;
  readonly force?: boolean | undefined;
  /** A person has to confirm who comes with it. */
  readonly approve?: boolean | undefined;
}

/** What was not asked for is left to the daemon's defaults. Throws USAGE_INVALID for labels that cannot be read. */
export function inviteRequest(flags: InviteFlags): RouteBody<'invites.create'> {
  const { name, purpose, uses, expires, capability, address, label, ephemeral, replace } = flags;
  const { force = false, approve = false } = flags;
  if (force && replace === undefined) {
    throw new PalyraError('USAGE_INVALID', { detail: '--force is about the node that --replace names' });
  }
  return {
    ...(name === undefined ? {} : { name }),
    ...(purpose === undefined ? {} : { purpose }),
    ...(uses === undefined ? {} : { uses }),
    ...(expires === undefined ? {} : { expiresInMs: expires }),
    ...(capability === undefined ? {} : { capabilities: capability }),
    ...(address === undefined ? {} : { address }),
    ...(ephemeral === undefined ? {} : { ephemeralMs: ephemeral }),
    ...(replace === undefined ? {} : { replace, replaceOnline: force }),
    ...(approve ? { approval: 'person' as const } : {}),
    labels: parseLabels(label ?? []),
  };
}

/**
 * Whom the invite replaces is shown before it is made; one that works is replaced only when its name is typed, or with --force. Resolves to what is asked for
 * then.
 */
export async function confirmReplacement<F extends InviteFlags>(
  client: ControlPlaneClient,
  flags: F,
  output: Output,
  canAsk: boolean,
): Promise<F> {
  if (flags.replace === undefined) return flags;
  const { node } = await client.showNode(flags.replace);
  const given = [labelsOf(node.labels), node.purpose === null ? '' : `"${node.purpose}"`].filter((text) => text !== '');
  const about = `Takes the place of ${replacedWords(node, Date.now())} · ${[...given, node.id].join(' · ')}`;
  output.say(printable(about));
  // By its id: another node may have the name by the time the invite is made.
  const meant = { ...flags, replace: node.id };
  if (!isHere(node) || flags.force === true || !canAsk) return meant;
  await confirmByName(`${printable(node.name)} works: it is cut off and refused when the invite is used.`, node.name);
  return { ...meant, force: true };
}

export function warnIfLoopbackOnly(daemon: DaemonStatus, output: Output): void {
  const urls = urlsOf(daemon, 'public');
  if (urls.length === 0 || !urls.every(isLoopbackUrl)) return;
  const hosts = new Set(urls.map(hostOf));
  output.warn(
    `This daemon listens on ${[...hosts].join(' and ')} only: no other machine can reach it. To change that: palyra daemon restart --listen lan`,
  );
}

/** For people: heading, code, command, letters. When stdout is not a terminal it gets the link alone, for scripts. */
export async function tellInvite(
  invite: NewInviteView,
  output: Output,
  drawQr: (() => Promise<void>) | null,
): Promise<void> {
  output.say(inviteHeading(invite, Date.now()));
  if (invite.approval === 'person') output.say('Who comes with it waits for a yes:  palyra approvals');
  await drawQr?.();
  if (!process.stdout.isTTY || output.quiet) {
    output.result(invite.link);
    return;
  }
  output.say('On the other machine:');
  output.result(joinCommand(invite));
  output.say(`or type the code:  ${typedCommand(invite)}`);
}

/** Until the invite is used up, or the time is over. Throws WAIT_TIMED_OUT when it expires unused. Ctrl-C stops the waiting, not the invite. */
export async function waitForJoiners(
  client: ControlPlaneClient,
  invite: NewInviteView,
  output: Output,
  timeoutMs: number | undefined,
): Promise<Redemptions> {
  const stop = listenForStop();
  const line = new StatusLine(output, { enabled: process.stderr.isTTY });
  const id = shortInviteId(invite.id);
  const end = Math.min(Date.parse(invite.expiresAt), timeoutMs === undefined ? Infinity : Date.now() + timeoutMs);
  let seen = 0;
  try {
    for (;;) {
      const left = end - Date.now();
      line.show(
        `Waiting… ${longDuration(left)} left. Ctrl-C stops waiting; the invite stays (palyra invites revoke ${id})`,
      );
      const now = await client.showInvite(invite.id, {
        waitMs: Math.max(0, Math.min(SLICE_MS, left)),
        signal: stop.signal,
      });
      for (const joined of now.redeemedBy.slice(seen)) {
        line.stop();
        await tellJoined(client, joined.nodeId, output);
      }
      seen = now.redeemedBy.length;
      if (now.state === 'used') return now.redeemedBy;
      if (now.state === 'revoked')
        throw new PalyraError('INVITE_REFUSED', { detail: `invite ${id} was revoked`, details: { invite: invite.id } });
      if (now.state === 'expired' || left <= 0) {
        if (seen > 0) return now.redeemedBy;
        throw new PalyraError('WAIT_TIMED_OUT', { detail: `nobody used invite ${id}`, details: { invite: invite.id } });
      }
    }
  } catch (error) {
    const code = stop.exitCode();
    if (code === null) throw error;
    process.exitCode = code;
    return [];
  } finally {
    line.stop();
    stop.dispose();
  }
}

async function tellJoined(client: ControlPlaneClient, nodeId: string, output: Output): Promise<void> {
  const { node } = await client.showNode(nodeId);
  output.done(printable(joinedLine(node)));
  output.say(`  Try:  palyra nodes invoke ${node.name} system.health`);
}
