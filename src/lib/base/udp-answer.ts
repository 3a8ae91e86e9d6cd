/** What became of asking the daemon over UDP at one of its addresses. */
import type { Reason } from './reasons.js';

export interface UdpAnswer {
  /** `host:port`. */
  readonly endpoint: string;
  /** Of one request on a connection that stands; null when it was not answered. */
  readonly rttMs: number | null;
  readonly problem: { readonly reason: Reason; readonly detail: string } | null;
}
