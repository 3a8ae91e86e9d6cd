/** What this machine lets its capabilities do, for people. */
import type { Column } from './table.js';
import { printable } from './text.js';

export interface LocalCapability {
  readonly name: string;
  readonly enabled: boolean;
  readonly offByDefault: boolean;
  /** Null: palyra's own. These two are absent in what an older node that still runs says. */
  readonly plugin?: string | null;
  /** Of a plugin, and nobody has switched it on or off here. */
  readonly waiting?: boolean;
  readonly approval: 'none' | 'ask';
  readonly sideEffects: 'none' | 'local' | 'external';
  readonly allow: readonly { readonly pattern: string; readonly by: 'answer' | 'command' | 'config' }[];
}

export const LOCAL_CAPABILITY_COLUMNS: Column<LocalCapability>[] = [
  { header: 'NAME', value: ({ name }) => name },
  { header: 'ON', value: ({ enabled, waiting = false }) => (enabled ? 'yes' : waiting ? 'not yet' : 'no') },
  { header: 'ASKS', value: ({ approval }) => (approval === 'ask' ? 'you' : 'nobody') },
  { header: 'CHANGES', value: ({ sideEffects }) => sideEffects },
  { header: 'FROM', value: ({ plugin }) => printable(plugin ?? 'palyra') },
  { header: 'ALLOWED', value: ({ allow }) => printable(allow.map(({ pattern }) => pattern).join(' ')) || '—' },
];

/** What a change came to. */
export function changeLine(change: { readonly changed: boolean; readonly running: boolean }, words: string): string {
  const when = change.running ? 'it holds now' : 'it holds when the node runs';
  return change.changed ? `${words}; ${when}` : `${words}: it was so already`;
}
