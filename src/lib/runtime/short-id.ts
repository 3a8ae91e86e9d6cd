/**
 * Short ids that people read aloud: a prefix and six Crockford base 32 characters (no I, L, O, U), 30 random bits, unique in their table. Ten characters
 * where there are many in a short time.
 */
import type { Random } from '../base/random.js';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

export function shortId(
  prefix: 'inv' | 'req' | 'opr' | 'ses' | 'tok',
  taken: { has(id: string): boolean },
  random: Random,
  length: 6 | 10 = 6,
): string {
  for (;;) {
    const id = `${prefix}_${Array.from(random.bytes(length), (byte) => ALPHABET[byte & 31]).join('')}`;
    if (!taken.has(id)) return id;
  }
}
