/** `k=v` and `k-` as people type them, as one change of labels. */
import { PalyraError } from '../base/errors.js';

export interface LabelWords {
  readonly set: Record<string, string>;
  readonly remove: string[];
}

/** Throws USAGE_INVALID, also for a label that is set twice, or set and taken away. */
export function parseLabelChange(words: readonly string[]): LabelWords {
  const set = new Map<string, string>();
  const remove = new Set<string>();
  for (const word of words.flatMap((text) => text.split(','))) {
    const at = word.indexOf('=');
    const name = at === -1 ? word.slice(0, -1) : word.slice(0, at);
    if (name === '' || (at === -1 && !word.endsWith('-'))) {
      throw new PalyraError('USAGE_INVALID', {
        detail: `"${word}" is not a label; write site=lab, or site- to drop it`,
      });
    }
    if (set.has(name) || remove.has(name)) {
      throw new PalyraError('USAGE_INVALID', { detail: `the label "${name}" is named twice` });
    }
    if (at === -1) remove.add(name);
    else set.set(name, word.slice(at + 1));
  }
  return { set: Object.fromEntries(set), remove: [...remove] };
}
