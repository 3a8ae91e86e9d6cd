/**
 * Puts frames on the screen. It writes only the rows that changed, each at its own place, in one piece that the terminal shows at once where it can
 * (synchronized output, mode 2026); it never scrolls, never clears what it did not draw, and writes nothing for a frame that is already there.
 *
 * The alternate screen is entered and left here, so that both happen once: `leave` may be called by anything that ends the process, any number of times.
 * Lines do not wrap while it is entered: a character that a terminal takes for wider than we do cannot spoil the next row.
 */
import { cells } from '../views/segments.js';

const ENTER = '\u001b[?1049h\u001b[?7l\u001b[?2004h\u001b[?25l\u001b[2J\u001b[H';
const LEAVE = '\u001b[?2004l\u001b[?7h\u001b[?25h\u001b[?1049l';
const SHOW_CURSOR = '\u001b[?25h';
const HIDE_CURSOR = '\u001b[?25l';
const BEGIN = '\u001b[?2026h';
const END = '\u001b[?2026l';

export interface Painted {
  readonly rows: readonly string[];
  readonly cursor: { readonly row: number; readonly column: number } | null;
}

const NOTHING: Painted = { rows: [], cursor: null };

export class Painter {
  readonly #write: (text: string) => void;
  #entered = false;
  #shown: Painted = NOTHING;
  /** Frames that were written. */
  frames = 0;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  get isEntered(): boolean {
    return this.#entered;
  }

  enter(): void {
    if (this.#entered) return;
    this.#entered = true;
    this.#shown = NOTHING;
    this.#write(ENTER);
  }

  leave(): void {
    if (!this.#entered) return;
    this.#entered = false;
    this.#write(LEAVE);
  }

  /** The next frame is drawn whole: the screen is not what it was. */
  forget(): void {
    this.#shown = NOTHING;
    if (this.#entered) this.#write(`${HIDE_CURSOR}\u001b[2J`);
  }

  paint(frame: Painted, columns: number): void {
    if (!this.#entered) return;
    const changes = this.#changes(frame, columns);
    const cursor = this.#cursorMoves(frame, changes !== '');
    if (changes === '' && cursor === '') return;
    this.#shown = frame;
    this.frames++;
    this.#write(BEGIN + (changes === '' ? '' : HIDE_CURSOR + changes) + cursor + END);
  }

  #changes(frame: Painted, columns: number): string {
    let bytes = '';
    const count = Math.max(frame.rows.length, this.#shown.rows.length);
    for (let index = 0; index < count; index++) {
      const row = frame.rows[index] ?? '';
      const old = this.#shown.rows[index];
      if (row === (old ?? '')) continue;
      // At the last column the cursor stands on the character that was just written: clearing from there would take it away.
      const clear = row === '' || cells(row) < columns ? '\u001b[K' : '';
      bytes += `\u001b[${index + 1};1H${row}${clear}`;
    }
    return bytes;
  }

  #cursorMoves({ cursor }: Painted, moved: boolean): string {
    const old = this.#shown.cursor;
    if (cursor === null) return old === null || moved ? '' : HIDE_CURSOR;
    const same = old !== null && old.row === cursor.row && old.column === cursor.column;
    return same && !moved ? '' : `\u001b[${cursor.row + 1};${cursor.column + 1}H${SHOW_CURSOR}`;
  }
}
