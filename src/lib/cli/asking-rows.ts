/** Machines that ask to join, as rows of `nodes list`: they are no nodes yet, so scripts that count nodes do not meet them in `nodes`. */
import type { ApprovalView } from '../base/requests.js';
import { shortDuration } from './durations.js';
import type { Column } from './table.js';

export interface AskingRow {
  readonly id: string;
  readonly name: string;
  readonly hostname: string;
  readonly presence: 'asking';
  /** `pin`: whoever approves it types the PIN that the machine shows. */
  readonly presenceReason: 'pin' | null;
  readonly presenceSince: string;
  readonly platform: string;
  readonly arch: string;
  readonly version: string;
  readonly address: string;
}

export function toAskingRow({ id, subject, pinRequired, requestedAt }: ApprovalView): AskingRow {
  const { name, hostname, platform, arch, version, address } = subject;
  const presence = { presence: 'asking', presenceReason: pinRequired ? 'pin' : null } as const;
  return { id, name, hostname, ...presence, presenceSince: requestedAt, platform, arch, version, address };
}

/** `asking (PIN)`, or `asking` when an invite's code has proven it. */
export function askingStatus({ presenceReason }: Pick<AskingRow, 'presenceReason'>): string {
  return presenceReason === 'pin' ? 'asking (PIN)' : 'asking';
}

/** The same columns as those of nodes: a table has one shape. What only a node has is `—`. */
export function askingColumns(now: number, count: number): Column<AskingRow>[] {
  const known: Column<AskingRow>[] = [
    { header: 'NAME', value: ({ name }) => name },
    { header: 'STATUS', value: askingStatus },
    { header: 'SEEN', value: ({ presenceSince }) => shortDuration(now - Date.parse(presenceSince)) },
    { header: 'PLATFORM', value: ({ platform, arch }) => `${platform}/${arch}` },
    { header: 'VERSION', value: ({ version }) => version },
    { header: 'LABELS', value: () => '—' },
    { header: 'ID', value: ({ id }) => id },
    { header: 'ADDRESS', value: ({ address }) => address },
  ];
  const missing = Math.max(0, count - known.length);
  return [...known.slice(0, count), ...Array.from({ length: missing }, () => ({ header: '', value: () => '—' }))];
}
