/** What this machine lets its capabilities do, for people. */
import type { Column } from './table.js';
import { printable } from './text.js';

export interface LocalCapability {
  readonly name: string;
  readonly enabled: boolean;
  readonly offByDefault: boolean;
  readonly approval: 'none' | 'ask';
  readonly sideEffects: 'none' | 'local' | 'external';
  readonly allow: readonly { readonly pattern: string; readonly by: 'answer' | 'command' | 'config' }[];
}

export const LOCAL_CAPABILITY_COLUMNS: Column<LocalCapability>[] = [
  { header: 'NAME', value: ({ name }) => name },
  { header: 'ON', value: ({ enabled }) => (enabled ? 'yes' : 'no') },
  { header: 'ASKS', value: ({ approval }) => (approval === 'ask' ? 'you' : 'nobody') },
  { header: 'CHANGES', value: ({ sideEffects }) => sideEffects },
  { header: 'ALLOWED', value: ({ allow }) => printable(allow.map(({ pattern }) => pattern).join(' ')) || '—' },
];

/** What a change came to. */
export function changeLine(change: { readonly changed: boolean; readonly running: boolean }, words: string): string {
  const when = change.running ? 'it holds now' : 'it holds when the node runs';
  return change.changed ? `${words}; ${when}` : `${words}: it was so already`;
}
