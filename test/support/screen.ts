/** A terminal that understands what the painter writes, and refuses everything else: rows of characters, a cursor, and which screen is shown. */
import stringWidth from 'string-width';

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

export class TestScreen {
  /** Cells; the second cell of a wide character is empty. */
  #cells: string[][] = [];
  #row = 0;
  #column = 0;
  alternate = 0;
  entered = 0;
  cursorVisible = true;
  wraps = true;
  bytes = '';

  write(text: string): void {
    this.bytes += text;
    for (const [token] of text.matchAll(/\u001b\[[0-9;?]*[A-Za-z]|[^\u001b]+/gu)) {
      if (token.startsWith('\u001b')) this.#control(token);
      else for (const { segment } of graphemes.segment(token)) this.#put(segment);
    }
  }

  get rows(): string[] {
    return Array.from(this.#cells, (row) => (row ?? []).join('').trimEnd());
  }

  #put(character: string): void {
    if (character < ' ') throw new Error(`a control character on the screen: ${JSON.stringify(character)}`);
    const row = (this.#cells[this.#row] ??= []);
    while (row.length < this.#column) row.push(' ');
    const width = stringWidth(character);
    row[this.#column] = character;
    if (width === 2) row[this.#column + 1] = '';
    this.#column += width;
  }

  #control(token: string): void {
    const place = /^\u001b\[(\d+);(\d+)H$/.exec(token);
    if (place !== null) [this.#row, this.#column] = [Number(place[1]) - 1, Number(place[2]) - 1];
    else if (token === '\u001b[H') [this.#row, this.#column] = [0, 0];
    else if (token === '\u001b[K') (this.#cells[this.#row] ??= []).length = this.#column;
    else if (token === '\u001b[2J') this.#cells = [];
    else if (token === '\u001b[?1049h') [this.alternate, this.entered] = [1, this.entered + 1];
    else if (token === '\u001b[?1049l') this.alternate = 0;
    else if (token === '\u001b[?25h') this.cursorVisible = true;
    else if (token === '\u001b[?25l') this.cursorVisible = false;
    else if (token === '\u001b[?7l') this.wraps = false;
    else if (token === '\u001b[?7h') this.wraps = true;
    else if (!/^\u001b\[(\?2026[hl]|\?2004[hl]|[0-9;]*m)$/.test(token))
      throw new Error(`this screen does not know ${JSON.stringify(token)}`);
  }
}
