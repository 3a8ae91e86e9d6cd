/** What waits for a person: the requests, the facts about the selected one, and the field for its PIN. */
import { approvalLines, shortRequestId } from '../../cli/approval-report.js';
import { currentApproval } from '../state/approvals.js';
import { elsewhereOf, pendingOf } from '../state/fleet.js';
import type { TuiState } from '../state/state.js';
import { ageOf, DIM, row, windowStart, type Body } from './layout.js';
import { cells, cutText, line, seg, wrapText, type Line } from './segments.js';

/** Requests that are listed above the facts. */
const MAX_LISTED = 6;
/** Cells of `  join   `. */
const LABEL = 9;

export function approvalsView(state: TuiState, width: number, height: number): Body {
  const pending = pendingOf(state);
  const elsewhere = elsewhereOf(state);
  const current = currentApproval(state);
  const other = elsewhere.map(({ subject }) => line(seg(`   elsewhere (read only): ${subject.name}`, DIM)));
  if (current === null) return { lines: [line(), line('   Nothing waits for an answer.'), line(), ...other] };
  const live = state.connection.state === 'live';
  const listed = Math.min(pending.length, MAX_LISTED, Math.max(1, height - 8));
  const start = windowStart(pending.indexOf(current), pending.length, listed);
  const list = pending.slice(start, start + listed).map((request) => {
    const selected = request === current;
    const what = `join as "${request.subject.name}"`;
    const values = [
      { text: shortRequestId(request.id) },
      { text: what },
      { text: ageOf(request.requestedAt, state.now) },
    ];
    const over = { ...(live ? {} : DIM), ...(selected ? { inverse: true } : {}) };
    return row(selected ? ' ▸ ' : '   ', values, [9, Math.max(10, Math.min(50, width - 3 - 9 - 9)), 9], over);
  });
  const facts = approvalLines(current, state.now).flatMap((text) =>
    wrapText(text, Math.max(10, width - LABEL)).map((part, index) =>
      line(index === 0 ? part : `${' '.repeat(LABEL)}${part}`),
    ),
  );
  const naming =
    state.naming?.request === current.id ? [line('  name   ', seg(state.naming.text, { bold: true }))] : [];
  const asked = pinLine(state, current.subject.name, width);
  const head: Line[] = [...list, line(), ...facts, ...naming, line()];
  // The question stays on the screen whatever else has to go.
  const room = Math.max(0, height - 1);
  const shown = head.length > room ? [...head.slice(0, room)] : head;
  const more = pending.length > listed ? [line(seg(`   ${pending.length} requests in all`, DIM))] : [];
  return {
    lines: [...shown, asked.line, ...(shown.length < room - 2 ? [line(), ...more, ...other] : [])],
    cursor: asked.column === null ? null : { row: shown.length, column: asked.column },
  };
}

function pinLine(state: TuiState, name: string, width: number): { line: Line; column: number | null } {
  const { prompt } = state;
  const current = currentApproval(state);
  if (prompt?.kind !== 'pin') {
    const how =
      current?.pinRequired === false ? '⏎ approve (its invite has proven it)' : '⏎ approve (asks for the PIN)';
    return { line: line(seg(cutText(`  ${how}   r reject   e name and labels`, width), DIM)), column: null };
  }
  if (current?.pinRequired === false)
    return { line: line(seg('  ⏎ once more approves it   Esc back', { bold: true })), column: null };
  const question = cutText(`  PIN shown on ${name}:  `, Math.max(8, width - 13));
  const { text, cursor } = prompt.field;
  const digits = text.padEnd(6, '_').split('').join(' ');
  return { line: line(question, seg(digits, { bold: true })), column: cells(question) + cursor * 2 };
}
