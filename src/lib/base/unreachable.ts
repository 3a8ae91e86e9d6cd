/** What a failure says about the way to the daemon and not about the daemon: another way, or another time, may do. */
import type { Reason } from './errors.js';

const OF_THE_WAY: ReadonlySet<Reason> = new Set<Reason>([
  'DAEMON_UNREACHABLE',
  'PROXY_UNREACHABLE',
  'PROXY_REFUSED',
  'PROXY_LOGIN_REQUIRED',
  'PROXY_ANSWER_INVALID',
]);

/** The same, and it may well be over in a moment, like a restart: who waits for something goes on waiting. */
export function isAway({ reason }: { readonly reason: Reason }): boolean {
  return reason === 'DAEMON_UNREACHABLE' || reason === 'PROXY_UNREACHABLE';
}

/** The daemon was not reached, for whatever reason. */
export function isUnreachable({ reason }: { readonly reason: Reason }): boolean {
  return OF_THE_WAY.has(reason);
}
