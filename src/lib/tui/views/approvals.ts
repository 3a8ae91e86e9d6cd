/** What waits for a person: the requests, the facts about the selected one, and the field for its PIN. What others answer is below, to be seen only. */
import type { ApprovalView } from '../../base/requests.js';
import { approvalLines, pinQuestion, shortRequestId, whatOf } from '../../cli/approval-report.js';
import { shortDuration } from '../../cli/durations.js';
import { currentApproval, isNameable, shownApprovals } from '../state/approvals.js';
import { askedThere } from '../state/fleet.js';
import { answerRefusal, lockWords, mayAnswer, seesWhat } from '../state/rights.js';
import type { TuiState } from '../state/state.js';
import { ageOf, DIM, NOT_SEEN, row, windowStart, type Body } from './layout.js';
import { cells, cutText, line, seg, wrapText, type Line } from './segments.js';

/** Requests that are listed above the facts. */
const MAX_LISTED = 6;
/** Runs that wait for somebody at their machine. */
const MAX_THERE = 3;
/** Cells of `  join   `. */
const LABEL = 9;

export function approvalsView(state: TuiState, width: number, height: number): Body {
  if (!seesWhat(state.who, 'approvals')) return { lines: [line(), line(`   ${NOT_SEEN} approvals:read.`)] };
  const shown = shownApprovals(state);
  const current = currentApproval(state);
  const there = askedThere(state)
    .slice(0, MAX_THERE)
    .map((run) => line(seg(cutText(`   ${thereText(run, state.now)}`, width), DIM)));
  if (current === null) return { lines: [line(), line('   Nothing waits for an answer.'), line(), ...there] };
  const list = listOf(state, shown, current, width, Math.max(1, height - 8));
  const as = current.kind === 'login' && state.naming?.request === current.id ? state.naming.text : undefined;
  const facts = approvalLines(current, state.now, { as }).flatMap((text) =>
    wrapText(text, Math.max(10, width - LABEL)).map((part, index) =>
      line(index === 0 ? part : `${' '.repeat(LABEL)}${part}`),
    ),
  );
  const naming =
    as === undefined && state.naming?.request === current.id
      ? [line('  name   ', seg(state.naming.text, { bold: true }))]
      : [];
  const asked = answerLine(state, current, width);
  const head: Line[] = [...list, line(), ...facts, ...naming, line()];
  // The question stays on the screen whatever else has to go.
  const room = Math.max(0, height - 1);
  const kept = head.length > room ? head.slice(0, room) : head;
  const more = shown.length > list.length ? [line(seg(`   ${shown.length} requests in all`, DIM))] : [];
  return {
    lines: [...kept, asked.line, ...(kept.length < room - 2 ? [line(), ...more, ...there] : [])],
    cursor: asked.column === null ? null : { row: kept.length, column: asked.column },
  };
}

function listOf(
  state: TuiState,
  shown: readonly ApprovalView[],
  current: ApprovalView,
  width: number,
  height: number,
): readonly Line[] {
  const live = state.connection.state === 'live';
  const listed = Math.min(shown.length, MAX_LISTED, height);
  const start = windowStart(shown.indexOf(current), shown.length, listed);
  return shown.slice(start, start + listed).map((request) => {
    const selected = request === current;
    const mine = mayAnswer(state.who, request);
    const values = [
      { text: shortRequestId(request.id) },
      { text: `${mine ? '' : 'elsewhere (read only): '}${whatOf(request)}` },
      { text: ageOf(request.requestedAt, state.now) },
    ];
    const over = { ...(live && mine ? {} : DIM), ...(selected ? { inverse: true } : {}) };
    return row(selected ? ' ▸ ' : '   ', values, [9, Math.max(10, Math.min(50, width - 3 - 9 - 9)), 9], over);
  });
}

/** A run that the person at the machine is asked about. */
function thereText({ subject, wants, asked, expiresAt }: ApprovalView, now: number): string {
  const left = shortDuration(Date.parse(expiresAt) - now);
  const what = asked === null || asked.what === null ? '' : ` · ${asked.what}`;
  return `elsewhere (read only): at ${subject.name}, ${left} left · ${wants.join(', ')} for ${asked?.requestedBy ?? '—'}${what}`;
}

/** How it is answered, the field in which it is, or why it is not. */
function answerLine(state: TuiState, current: ApprovalView, width: number): { line: Line; column: number | null } {
  const { prompt, who } = state;
  if (prompt?.kind !== 'pin') {
    const [approve, reject] = [answerRefusal(who, current, 'approve'), answerRefusal(who, current, 'reject')];
    const words = state.locked
      ? [lockWords(state)]
      : [
          ...(approve === null ? [approveWords(current)] : []),
          ...(reject === null ? ['r reject'] : []),
          ...(approve === null && isNameable(state, current)
            ? [current.kind === 'login' ? 'e log in as somebody else' : 'e name and labels']
            : []),
          ...(approve === null ? [] : [approve]),
        ];
    return { line: line(seg(cutText(`  ${words.join('   ')}`, width), DIM)), column: null };
  }
  if (!current.pinRequired)
    return { line: line(seg('  ⏎ once more approves it   Esc back', { bold: true })), column: null };
  const asked = pinQuestion(current).replace(/^\? /, '').trimEnd();
  const question = cutText(`  ${asked}  `, Math.max(8, width - 13));
  const { text, cursor } = prompt.field;
  const digits = text.padEnd(6, '_').split('').join(' ');
  return { line: line(question, seg(digits, { bold: true })), column: cells(question) + cursor * 2 };
}

function approveWords({ kind, pinRequired }: ApprovalView): string {
  if (pinRequired) return '⏎ approve (asks for the PIN)';
  return kind === 'join' ? '⏎ approve (its invite has proven it)' : '⏎ approve';
}
