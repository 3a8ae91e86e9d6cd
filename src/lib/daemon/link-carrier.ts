/** What the carriers of a link have in common: how much they hold for a node, and what their ends mean to it. */
import { PalyraError } from '../base/errors.js';
import type { DownMessage } from '../base/link-messages.js';
import type { LinkSink } from '../runtime/runtime.js';

/** Sixteen offers, the largest credit, of the largest input fit; anything above ends the link at once. */
export const HARD_OUTBOUND_BYTES = 9 * 1024 * 1024;

/** Of a link that survives its connections. Small messages cost memory too: above this, or `HARD_OUTBOUND_BYTES`, the node counts as one that takes nothing. */
export const MAX_UNACKNOWLEDGED = 4096;

export type CloseReason = Parameters<LinkSink['close']>[0];

/** What the node is told. Null: superseded has been said by a message; it is not an error. */
export function closeError(reason: CloseReason): PalyraError | null {
  switch (reason) {
    case 'superseded':
      return null;
    case 'revoked':
      return new PalyraError('NODE_REVOKED');
    case 'daemon-stopped':
      return new PalyraError('DAEMON_STOPPING');
    case 'protocol':
      // What this link carried was undone: the node connects again and is reconciled.
      return new PalyraError('DAEMON_UNREACHABLE', { detail: 'the link was reset; connect again' });
  }
}

/** Close to what goes on the wire: only offers and welcomes have a size worth counting. */
export function approximateBytes(message: DownMessage): number {
  if (message.kind === 'offer') return 256 + Buffer.byteLength(message.inputJson);
  if (message.kind === 'trust_bundle') return 128 + message.certificates.join('').length;
  if (message.kind !== 'welcome') return 128;
  const { keep, drop, wantResults, cancel } = message;
  return 128 + 40 * (keep.length + drop.length + wantResults.length + cancel.length);
}
