/** The log of dispatches: newest at the bottom, following until somebody scrolls. */
import { shortDuration, spent } from '../../cli/durations.js';
import { isSettled } from '../../cli/exit-codes.js';
import { currentDispatch } from '../state/dispatch-selection.js';
import { refusalOf, seesWhat } from '../state/rights.js';
import type { Screen, TuiState } from '../state/state.js';
import { clockTime, DIM, NOT_SEEN, row, scrolledText, windowStart, type Body } from './layout.js';
import { dispatchLines } from './node.js';
import { line, seg } from './segments.js';
import { dispatchStatus } from './status.js';

export function dispatchesView(
  state: TuiState,
  screen: Extract<Screen, { kind: 'dispatches' }>,
  width: number,
  height: number,
): Body {
  if (screen.open !== null) return { lines: scrolledText(dispatchLines(screen.open, width), screen.scroll, height) };
  const { dispatches: rows, now } = state;
  if (!seesWhat(state.who, 'dispatches')) return { lines: [line(), line(`   ${NOT_SEEN} dispatches:read.`)] };
  if (rows.length === 0) {
    const how = refusalOf(state, 'run') === null ? ' i on a machine runs something.' : '';
    return { lines: [line(), line(`   Nothing was run yet.${how}`)] };
  }
  const live = state.connection.state === 'live';
  const wide = width >= 76;
  const names = wide ? ['TIME', 'NODE', 'CAPABILITY', 'BY', 'STATE', 'TOOK'] : ['TIME', 'NODE', 'CAPABILITY', 'STATE'];
  const room = width - 3 - 10;
  const widths = wide
    ? [10, Math.floor(room * 0.2), Math.floor(room * 0.28), Math.floor(room * 0.14), Math.floor(room * 0.26), 9]
    : [10, Math.floor(room * 0.28), Math.floor(room * 0.37), Math.floor(room * 0.35)];
  const head = row(
    '   ',
    names.map((text) => ({ text })),
    widths,
    { bold: true },
  );
  const current = currentDispatch(state);
  const following = screen.selected === null;
  const space = height - 2;
  const start = windowStart(current === null ? 0 : rows.indexOf(current), rows.length, space);
  const from = following ? Math.max(0, rows.length - space) : start;
  const shown = rows.slice(from, from + space).map((item) => {
    const selected = item.id === current?.id && !following;
    const { timings } = item;
    const status = dispatchStatus(item.state, now, live);
    const running = live && !isSettled(item.state) ? shortDuration(now - Date.parse(timings.queuedAt)) : '-';
    const values = {
      TIME: { text: clockTime(timings.queuedAt) },
      NODE: { text: item.node },
      CAPABILITY: { text: item.capability },
      BY: { text: item.requestedBy },
      STATE: status,
      TOOK: { text: timings.totalMs === null ? running : spent(timings.totalMs) },
    };
    return row(
      selected ? ' ▸ ' : '   ',
      names.map((name) => values[name as keyof typeof values]),
      widths,
      { ...(live ? {} : DIM), ...(selected ? { inverse: true } : {}) },
    );
  });
  const place = following ? 'following the newest' : `${rows.indexOf(current!) + 1} of ${rows.length} · G follows`;
  const gap = Array.from({ length: Math.max(0, space - shown.length) }, () => line());
  return { lines: [head, ...shown, ...gap, line(seg(`   ${place}`, DIM))] };
}
