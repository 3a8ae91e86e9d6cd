/** Text that came from elsewhere, made safe and measurable for a terminal. */

// C0 and C1 controls, DEL, and the bidirectional controls that reorder what a person reads (Unicode TR9, CVE-2021-42574).

const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Names, labels and messages of other machines may hold escape sequences; none reaches the terminal. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '\ufffd');
}

const ONE_LINE = 76;

/** JSON for people: on one line when it is short, else indented; characters that a terminal would obey are escaped. */
export function printableJson(value: unknown): string {
  const indented = JSON.stringify(value, null, 2);
  // JSON.stringify escapes the line breaks inside strings, so those that are left are layout.
  const oneLine = indented.replace(/\n\s*/g, ' ');
  return (oneLine.length <= ONE_LINE ? oneLine : indented).replace(UNPRINTABLE, (character) =>
    character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

let segmenter: Intl.Segmenter | null = null;

/** What a person takes for one character each. Made when it is first needed: the tables behind it take longer than most commands. */
export function graphemesOf(text: string): string[] {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** Latin letters and the dashes, quotes, dots and marks of our own texts: no need to ask for graphemes, whose tables cost a tenth of a short command. */
const ONE_CELL_EACH = /^[\u0020-\u007e\u00a1-\u00a8\u00aa-\u00ac\u00af-\u02ff\u2010-\u2015\u2018-\u201f\u2026]*$/;

/** Terminal cells, by the East Asian Width of each grapheme (Unicode TR11). Colour sequences of our own are not counted. */
export function displayWidth(text: string): number {
  const plain = text.replace(/\u001b\[[0-9;]*m/g, '');
  if (ONE_CELL_EACH.test(plain)) return plain.length;
  let width = 0;
  for (const grapheme of graphemesOf(plain)) width += WIDE.test(grapheme) ? 2 : 1;
  return width;
}

/** The candidate that is at most a third of its length away, for "did you mean". Optimal string alignment distance. */
export function closest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    if (distance < bestDistance && distance <= Math.max(1, Math.floor(candidate.length / 3))) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (rows[i - 1]?.[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (rows[i - 1]?.[j - 1] ?? 0) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? Infinity;
}
