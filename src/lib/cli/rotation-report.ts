/** How far the replacement of the daemon's CA is, for people. */
import type { RouteAnswer } from '../wire/http/schemas.js';
import { printable } from './text.js';

export type Rotation = RouteAnswer<'daemon.rotation'>['rotation'];

/** Names in one line; more of them are counted. */
const MAX_NAMES = 5;

/** `3 of 4 nodes hold the new CA; macbook offline` */
export function holdingSentence({ nodes }: Rotation): string {
  const { holding, total, waiting } = nodes;
  if (total === 0) return 'there is no node that has to have the new CA';
  if (waiting.length === 0) return total === 1 ? 'the node holds the new CA' : `all ${total} nodes hold the new CA`;
  const online = waiting.filter((node) => node.online).map(({ name }) => name);
  const offline = waiting.filter((node) => !node.online).map(({ name }) => name);
  return [
    `${holding} of ${total} ${total === 1 ? 'node holds' : 'nodes hold'} the new CA`,
    ...(online.length === 0 ? [] : [`${names(online)} renewing`]),
    ...(offline.length === 0 ? [] : [`${names(offline)} offline`]),
  ].join('; ');
}

/** Of one that is under way or over; what else there is to say about it. */
export function rotationLines(rotation: Rotation, now: number): string[] {
  const { phase, ca, nextCa, startedBy, startedAt, keepUntil, endedAt, invites, leftBehind, forced } = rotation;
  switch (phase) {
    case 'none':
      return [`The CA was never replaced: ${ca}`];
    case 'done':
      return [
        `The CA is ${ca} since ${shortTime(endedAt)}; no replacement is under way`,
        ...(leftBehind.length === 0 ? [] : [`left behind, to be paired again: ${names(leftBehind)}`]),
      ];
    case 'retiring':
      return [`The old CA is being retired; the new one is ${nextCa ?? ca}`];
    case 'overlap':
      return [
        `The CA ${ca} is being replaced by ${nextCa ?? ''} (${printable(startedBy ?? '')}, ${shortTime(startedAt)})`,
        holdingSentence(rotation),
        ...(forced ? ['forced: it does not wait for nodes that are away'] : []),
        ...(!forced && keepUntil !== null && Date.parse(keepUntil) > now
          ? [`the old CA stays until ${shortTime(keepUntil)}`]
          : []),
        ...(invites === 0 ? [] : [`${invites} open ${invites === 1 ? 'invite' : 'invites'} will end with the old CA`]),
      ];
  }
}

/** For `daemon status` and `doctor`; null when none is under way. A daemon of an older version says nothing of it. */
export function rotationUnderWay(rotation: Rotation | undefined): string | null {
  if (rotation?.phase === 'overlap') return holdingSentence(rotation);
  return rotation?.phase === 'retiring' ? 'the old CA is being retired' : null;
}

function names(all: readonly string[]): string {
  const shown = all.slice(0, MAX_NAMES).map(printable).join(', ');
  return all.length > MAX_NAMES ? `${shown} and ${all.length - MAX_NAMES} more` : shown;
}

function shortTime(at: string | null): string {
  return at === null ? 'now' : `${at.slice(0, 10)} ${at.slice(11, 16)} UTC`;
}
