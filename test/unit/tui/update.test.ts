/** What keys do: the effects they ask for, and the command in the footer that would do the same. */
import assert from 'node:assert/strict';
import { commandOf } from '../../../src/lib/tui/state/commands.js';
import { filterOf } from '../../../src/lib/tui/state/fleet.js';
import { inputOf } from '../../../src/lib/tui/state/invoke-form.js';
import type { Effect } from '../../../src/lib/tui/state/messages.js';
import type { TuiState } from '../../../src/lib/tui/state/state.js';
import { update } from '../../../src/lib/tui/state/update.js';
import { plainOf } from '../../../src/lib/tui/views/segments.js';
import { view } from '../../../src/lib/tui/views/view.js';
import { after as later, busy, FOUR, INVITE, keysOf, living, NOW, OFFERS, type } from '../../support/tui-states.js';

const SIZE = { columns: 100, rows: 28 };

/** The effects of the last key. */
function asked(state: TuiState, ...typed: readonly string[]): readonly Effect[] {
  const keys = typed.flatMap((bytes) => keysOf(bytes));
  const last = keys.pop()!;
  const before = later(state, ...keys.map((key) => ({ type: 'key', key }) as const));
  return update(before, { type: 'key', key: last }, NOW)[1];
}
const screenOf = (state: TuiState) =>
  view(state, { possible: false, trueColour: false })
    .lines.map((line) => plainOf(line))
    .join('\n');

describe('A key of the terminal UI', () => {
  it('approves only with six digits, and never shows them in the command', () => {
    assert.deepEqual(asked(busy(SIZE), 'a', '\r', '48291', '\r'), []);
    const [approve, ...others] = asked(busy(SIZE), 'a', '\r', '48a2-9x13', '\r');
    assert.deepEqual(others, []);
    assert.deepEqual(approve, { do: 'approve', id: 'req_M4XT9Q', pin: '482913', naming: '' });
    const typed = type(busy(SIZE), 'a', '\r', '482913');
    assert.equal(commandOf(typed), 'palyra approvals approve M4XT9Q --pin ……');
    const named = asked(busy(SIZE), 'a', 'e', '\u0015', 'desk site=lab', '\r', '\r', '482913', '\r');
    assert.deepEqual(named, [{ do: 'approve', id: 'req_M4XT9Q', pin: '482913', naming: 'desk site=lab' }]);
  });

  it('keeps the question open after a wrong PIN, and closes it when somebody else has answered', () => {
    const busyState = type(busy(SIZE), 'a', '\r', '111111', '\r');
    const refused = later(busyState, { type: 'pin-refused', request: 'req_M4XT9Q', text: 'This is not the PIN' });
    assert.deepEqual([refused.prompt?.kind, refused.prompt?.field.text], ['pin', '']);
    const answered = later(refused, { type: 'approvals', requests: [] });
    assert.equal(answered.prompt, null);
  });

  it('removes nothing unless the whole name is typed', () => {
    assert.deepEqual(asked(busy(SIZE), 'x', 'atti', '\r'), []);
    assert.deepEqual(asked(busy(SIZE), 'x', 'attic', '\r'), [{ do: 'remove', id: 'nod_attic' }]);
  });

  it('typed into a line is never a command', () => {
    const state = type(living(SIZE), '/', 'qnxadiw');
    assert.deepEqual([state.screen.kind, state.filter, state.locked], ['fleet', 'qnxadiw', false]);
    assert.deepEqual(asked(living(SIZE), '/', 'q'), []);
  });

  it('runs what the form says, as the command line would, and refuses JSON that is none', () => {
    const detail = { id: 'nod_attic', capabilities: OFFERS, recent: [] };
    const form = type(later(type(busy(SIZE), 'i'), { type: 'detail', detail }), '\r', '17', '\t', 'high', '\t', "it's");
    assert.equal(commandOf(form), String.raw`palyra nodes invoke attic gpio.write pin=17 level=high 'note=it'\''s'`);
    const input = { pin: 17, level: 'high', note: "it's" };
    assert.deepEqual(asked(form, '\r'), [{ do: 'run', node: 'nod_attic', capability: 'gpio.write', input }]);
    const broken = later(form, { type: 'edited', text: '{' });
    assert.deepEqual(asked(broken, '\r'), []);
    assert.match(type(broken, '\r').notice!.text, /not JSON/);
    const edited = later(form, { type: 'edited', text: '{"pin":[1]}' });
    assert.ok(edited.screen.kind === 'invoke');
    assert.deepEqual(inputOf(edited.screen.form), { pin: [1] });
    assert.match(screenOf(edited), /"pin":\[1\]/);
  });

  it('copies what the footer shows, and of an invite the line for the other machine', () => {
    assert.deepEqual(asked(busy(SIZE), 'y'), [{ do: 'copy', text: 'palyra nodes show attic' }]);
    const invited = later(type(living(SIZE), 'n'), { type: 'invite', invite: INVITE });
    assert.deepEqual(asked(invited, 'y'), [{ do: 'copy', text: `palyra join ${INVITE.link}` }]);
  });

  it('leaves the invite when the machine has joined, and forgets its link', () => {
    const invited = later(type(living(SIZE), 'n'), { type: 'invite', invite: INVITE });
    assert.match(screenOf(invited), /K7QF-2M9D-4TXW/);
    const redeemedBy = [{ nodeId: 'nod_nas', name: 'nas', at: new Date(NOW).toISOString() }];
    const joined = later(invited, { type: 'invite-changed', invite: { ...INVITE, state: 'used', redeemedBy } });
    assert.deepEqual([joined.screen.kind, joined.selected], ['fleet', 'nod_nas']);
    assert.doesNotMatch(JSON.stringify(joined), /K7QF/);
  });
});

describe('The filter', () => {
  const names = (text: string) => FOUR.filter(filterOf(text)).map(({ name }) => name);

  it('takes parts of names, labels and states, all of which must fit', () => {
    assert.deepEqual(names(''), ['nas', 'pi-lab', 'macbook', 'attic']);
    assert.deepEqual(names('A'), ['nas', 'pi-lab', 'macbook', 'attic']);
    assert.deepEqual(names('label:site=lab'), ['pi-lab']);
    assert.deepEqual(names('status:online'), ['nas', 'pi-lab']);
    assert.deepEqual(names('status:lost book'), ['macbook']);
    assert.deepEqual(names('status:online label:role nope'), []);
  });
});
