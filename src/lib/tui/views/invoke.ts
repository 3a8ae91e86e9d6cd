/** Running a capability: which one, with what, and what became of it. */
import { outcomeHint, outcomeLine, progressLine } from '../../cli/dispatch-report.js';
import { isSettled } from '../../cli/exit-codes.js';
import { graphemesOf, printableJson } from '../../cli/text.js';
import type { InvokeForm, Screen, TuiState } from '../state/state.js';
import { ageOf, DIM, row, scrolledText, windowStart, type Body } from './layout.js';
import { cells, cutText, fit, line, seg, wrapText, type Line } from './segments.js';

export function invokeView(
  state: TuiState,
  { node, form }: Extract<Screen, { kind: 'invoke' }>,
  width: number,
  height: number,
): Body {
  const name = state.nodes.get(node)?.name ?? node;
  if (form.step === 'pick') return pick(state, node, name, form, width, height);
  const head = line(
    '  ',
    seg(form.offer?.name ?? '', { bold: true }),
    ` on ${name}`,
    seg(form.offer?.mediation === 'ask' ? '  asks at the machine' : '', DIM),
  );
  if (form.step === 'fields') return fields(form, head, width, height);
  return { lines: [head, line(), ...outcome(state, form, width, height - 2)] };
}

function pick(state: TuiState, id: string, name: string, form: InvokeForm, width: number, height: number): Body {
  const offers = state.detail?.id === id ? state.detail.capabilities : null;
  const head = line(`  What shall ${name} do?`);
  if (offers === null) return { lines: [head, line(), line('   Asking the daemon…')] };
  if (offers.length === 0) return { lines: [head, line(), line('   It announces no capabilities.')] };
  const picked = Math.min(form.picked, offers.length - 1);
  const start = windowStart(picked, offers.length, Math.max(1, height - 2));
  const rows = offers.slice(start, start + Math.max(1, height - 2)).map((offer, index) => {
    const selected = start + index === picked;
    const nameWidth = Math.min(30, Math.max(12, Math.floor(width * 0.35)));
    const about = offer.granted ? offer.summary : `not granted · ${offer.summary}`;
    return row(
      selected ? ' ▸ ' : '   ',
      [{ text: offer.name }, { text: about }],
      [nameWidth, width - nameWidth - 3],
      selected ? { inverse: true } : {},
    );
  });
  return { lines: [head, line(), ...rows] };
}

function fields(form: InvokeForm, head: Line, width: number, height: number): Body {
  if (form.json !== null) {
    const text = form.json.split('\n').flatMap((one) => wrapText(one, Math.max(10, width - 3)));
    const rows = text.map((one) => line(`   ${one}`));
    return { lines: [head, line(seg('  input, as JSON (^E edits it)', DIM)), ...scrolledText(rows, 0, height - 2)] };
  }
  if (form.fields.length === 0) return { lines: [head, line(), line('   It takes no input. ⏎ runs it.')] };
  const labelWidth = Math.min(20, Math.max(...form.fields.map(({ name }) => cells(name))) + 4);
  const room = Math.max(8, width - labelWidth - 5);
  // A field takes two lines: the value, and below it what it wants.
  const visible = Math.max(1, Math.floor((height - 2) / 2));
  const start = windowStart(form.focus, form.fields.length, visible);
  let cursor: Body['cursor'] = null;
  const rows = form.fields.slice(start, start + visible).flatMap((field, index) => {
    const focused = start + index === form.focus;
    const shown = aroundCursor(field.value.text, field.value.cursor, room);
    if (focused) cursor = { row: 2 + index * 2, column: 3 + labelWidth + shown.column };
    return [
      line(
        focused ? ' ▸ ' : '   ',
        seg(fit(field.name + (field.required ? ' *' : ''), labelWidth), { bold: focused }),
        seg(shown.text === '' && !focused ? '…' : shown.text),
      ),
      line(seg(cutText(`   ${' '.repeat(labelWidth)}${field.hint}`, width), DIM)),
    ];
  });
  return { lines: [head, line(), ...rows], cursor };
}

/** The part of a long value that holds the cursor. */
export function aroundCursor(text: string, cursor: number, room: number): { text: string; column: number } {
  const parts = graphemesOf(text);
  let start = 0;
  while (start < cursor && cells(parts.slice(start, cursor).join('')) >= room) start++;
  const before = parts.slice(start, cursor).join('');
  return { text: cutText(parts.slice(start).join(''), room), column: cells(before) };
}

function outcome(state: TuiState, form: InvokeForm, width: number, height: number): readonly Line[] {
  const { dispatch } = form;
  if (dispatch === null) return [line('   Sending…')];
  if (!isSettled(dispatch.state))
    return [line(`   ${progressLine(dispatch)} · ${ageOf(dispatch.timings.queuedAt, state.now)}`)];
  const good = dispatch.state === 'succeeded';
  const head = wrapText(outcomeLine(dispatch), Math.max(10, width - 5)).map((text, index) =>
    line('  ', seg(index > 0 ? '  ' : good ? '✓ ' : '✗ ', { colour: good ? 'green' : 'red' }), text),
  );
  const hint = outcomeHint(dispatch);
  const output = good ? printableJson(dispatch.output).split('\n') : [];
  const rows = output.flatMap((text) => wrapText(text, Math.max(10, width - 4)).map((part) => line(`    ${part}`)));
  const lines = [...head, ...(hint === null ? [] : [line(seg(`    ${hint}`, DIM))]), line(), ...rows];
  return scrolledText(lines, form.scroll, height);
}
