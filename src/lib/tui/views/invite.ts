/** An invite that waits for its machine: the code to scan where it fits, the command to paste, the letters to type. The QR code is always black on white. */
import type { NewInviteView } from '../../base/model.js';
import { inviteHeading, joinCommand, typedCommand } from '../../cli/invite-report.js';
import { qrLines, qrModules, qrSize } from '../../cli/qr.js';
import type { Screen, TuiState } from '../state/state.js';
import { DIM, type Body } from './layout.js';
import { coloured, line, seg, wrapText, type Line } from './segments.js';

/** Left of the code, and the least that text beside it takes. */
const MARGIN = 3;
const MIN_BESIDE = 34;

export interface QrOptions {
  /** False on terminals that cannot draw it. */
  readonly possible: boolean;
  readonly trueColour: boolean;
}

export function inviteView(
  state: TuiState,
  { invite }: Extract<Screen, { kind: 'invite' }>,
  width: number,
  height: number,
  qr: QrOptions,
): Body {
  if (invite === null) return { lines: [line(), line('   Asking the daemon for an invite…')] };
  const modules = qrModules(invite.link.toUpperCase());
  const size = qrSize(modules);
  const beside = width - size.columns - MARGIN;
  const text = textOf(state, invite, width);
  const narrow = textOf(state, invite, Math.max(10, beside));
  const below = height >= size.rows + text.length && width >= size.columns + MARGIN;
  const aside = height >= Math.max(size.rows, narrow.length) && beside >= MIN_BESIDE;
  if (!qr.possible || !(below || aside)) {
    const why = line(seg(' (the QR code does not fit here; in a larger window it does)', DIM));
    return { lines: [...(qr.possible ? [why] : []), line(), ...text] };
  }
  const code = qrLines(modules, { trueColour: qr.trueColour }).map((drawn) => coloured(drawn, size.columns));
  if (below) {
    const [heading = line(), ...rest] = text;
    return { lines: [heading, ...code.map((drawn) => line('   ', drawn)), ...rest] };
  }
  const rows = Array.from({ length: Math.max(code.length, narrow.length) }, (_, index) => {
    const drawn = code[index] ?? seg(' '.repeat(size.columns));
    return [seg('  '), drawn, ...(narrow[index] ?? [])];
  });
  return { lines: rows };
}

function textOf(state: TuiState, invite: NewInviteView, width: number): readonly Line[] {
  const wrapped = (text: string): readonly Line[] =>
    wrapText(text, Math.max(10, width - 2)).map((part) => line(` ${part}`));
  return [
    ...wrapped(inviteHeading(invite, state.now)),
    line(seg(' On the other machine:', DIM)),
    ...wrapped(joinCommand(invite)),
    ...wrapped(`or type the code:  ${typedCommand(invite)}`),
    ...wrapText('Waiting… this closes by itself when the machine joins. Esc leaves; the invite stays.', width - 2).map(
      (part) => line(seg(` ${part}`, DIM)),
    ),
  ];
}
