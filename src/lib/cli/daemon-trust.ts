/**
 * Trust on first use: which CA a login pins. The first time a person compares its words, or gives them beforehand; from then on another key at the
 * address is refused, because nothing tells a daemon that was set up anew from somebody in between.
 */
import { PalyraError } from '../base/errors.js';
import type { DaemonIdentity } from '../client/daemon-identity.js';
import { humanFingerprintOf, matchesFingerprint } from './fingerprint.js';

export interface Trust {
  /** Null: the authorities of this machine vouch for it. */
  readonly caPem: string | null;
  /** `9Q3M Z8XH CV2R 5T7W`, or null. */
  readonly words: string | null;
  /** What a person is told after the words. */
  readonly remark: string;
}

export interface TrustQuestion {
  readonly context: string;
  readonly url: string;
  /** What the address shows now; null: no CA of its own. */
  readonly shown: DaemonIdentity | null;
  /** `--fingerprint`. */
  readonly wanted: string | null;
  /** The CA of the context, PEM; null: vouched for by this machine's authorities; undefined: the address is new. */
  readonly known: string | null | undefined;
}

/** Throws DAEMON_IDENTITY_CHANGED. */
export function decideTrust({ context, url, shown, wanted, known }: TrustQuestion): Trust {
  const words = shown === null ? null : humanFingerprintOf(shown.caPem);
  const changed = (before: string) =>
    new PalyraError('DAEMON_IDENTITY_CHANGED', {
      detail: `${url} shows ${words === null ? 'no identity of its own' : `the identity ${words}`}, expected is ${before}`,
      hint:
        known === undefined
          ? 'Compare with palyra daemon status where the daemon is'
          : `Compare with palyra daemon status where the daemon is. If it was set up anew: palyra context remove ${context}, then log in again`,
    });
  if (wanted !== null) {
    if (shown === null || !matchesFingerprint(shown.caPem, wanted)) throw changed(wanted);
  }
  if (known === undefined) {
    const remark =
      wanted !== null
        ? 'as given with --fingerprint'
        : shown === null
          ? 'vouched for by an authority of this machine'
          : 'new to this machine; compare with: palyra daemon status';
    return { caPem: shown?.caPem ?? null, words, remark };
  }
  // By key: a daemon may renew the certificate of its CA.
  const before = known === null ? null : humanFingerprintOf(known);
  if (before !== words) throw changed(before ?? 'one that the authorities of this machine vouch for');
  return { caPem: shown?.caPem ?? null, words, remark: 'as before' };
}
