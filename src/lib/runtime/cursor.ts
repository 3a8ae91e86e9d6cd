/** Where a page ended, as text that callers pass back and do not read: the key of its last row, base64url. */
import { PalyraError } from '../base/errors.js';

export function toCursor(lastKey: string): string {
  return Buffer.from(lastKey, 'utf8').toString('base64url');
}

/** The key of the last row of the page before. Throws REQUEST_INVALID for a text that `toCursor` never made. */
export function fromCursor(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url').toString('utf8');
  if (toCursor(key) !== cursor) {
    throw new PalyraError('REQUEST_INVALID', { detail: 'the cursor is not one of ours' });
  }
  return key;
}
