/** What keys do: the effects they ask for, and the command in the footer that would do the same. */
import assert from 'node:assert/strict';
import { commandOf } from '../../../src/lib/tui/state/commands.js';
import { filterOf, pendingOf } from '../../../src/lib/tui/state/fleet.js';
import { inputOf } from '../../../src/lib/tui/state/invoke-form.js';
import type { Effect } from '../../../src/lib/tui/state/messages.js';
import type { ApprovalView } from '../../../src/lib/base/requests.js';
import type { Who } from '../../../src/lib/tui/state/rights.js';
import type { TuiState } from '../../../src/lib/tui/state/state.js';
import { update } from '../../../src/lib/tui/state/update.js';
import { plainOf } from '../../../src/lib/tui/views/segments.js';
import { view } from '../../../src/lib/tui/views/view.js';
import {
  after as later,
  busy,
  DEVICE,
  FOUR,
  INVITE,
  keysOf,
  living,
  NOW,
  OFFERS,
  type,
  login,
  request,
  snapshot,
} from '../../support/tui-states.js';

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
    assert.deepEqual(approve, { do: 'approve', id: 'req_M4XT9Q', kind: 'join', pin: '482913', naming: '' });
    const typed = type(busy(SIZE), 'a', '\r', '482913');
    assert.equal(commandOf(typed), 'palyra approvals approve M4XT9Q --pin ……');
    const named = asked(busy(SIZE), 'a', 'e', '\u0015', 'desk site=lab', '\r', '\r', '482913', '\r');
    assert.deepEqual(named, [
      { do: 'approve', id: 'req_M4XT9Q', kind: 'join', pin: '482913', naming: 'desk site=lab' },
    ]);
  });

  it('runs nothing on a machine that was removed while its screen is open', () => {
    const open = type(busy(SIZE), '\r');
    assert.equal(open.screen.kind, 'node');
    const gone = later(open, { type: 'watch', items: [snapshot([])] });
    for (const typed of ['i', 'x', '4', '5']) assert.deepEqual(asked(gone, typed), []);
    const refused = type(gone, 'i');
    assert.deepEqual([refused.screen.kind, refused.selected], ['node', null]);
    assert.equal(refused.notice?.text, 'This machine is no longer part of the fleet');
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
    const detail = { id: 'nod_attic', capabilities: OFFERS, recent: [], device: DEVICE };
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

  it('asks a machine for its log when it is told to, and never because its tab is shown', () => {
    const node = type(living(SIZE), '\r');
    assert.deepEqual(asked(node, '5'), []);
    assert.deepEqual(asked(type(node, '5'), '1', '5'), []);
    const [run, ...others] = asked(node, '5', '\r');
    assert.deepEqual(others, []);
    assert.deepEqual(run?.do === 'run' && [run.capability, run.input], ['system.logs', { lines: 200 }]);
    assert.match(commandOf(type(node, '5')) ?? '', /nodes invoke \S+ system\.logs lines=200$/);
    assert.deepEqual(asked(type(node, '5', 'w'), '\r'), [], 'not with a read-only screen');
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

describe('What the role does not allow', () => {
  const as = (role: Who['role'], scopes: Who['scopes'] = null): Who => ({ operator: 'max', role, scopes });
  const withLogins = (who: Who) =>
    later(busy(SIZE, { who }), {
      type: 'approvals',
      requests: [request('M4XT9Q'), login('B7CK2P', { operator: 'Max' }), login('Q2WW8Z', { operator: 'eva' })],
    });
  const told = (state: TuiState, ...typed: readonly string[]) => type(state, ...typed).notice?.text ?? '';

  it('is neither offered nor done, and the reason is told', () => {
    const operator = withLogins(as('operator'));
    assert.doesNotMatch(screenOf(operator), /n new node/);
    assert.match(screenOf(operator), /i invoke/);
    assert.match(told(operator, 'n'), /Inviting machines takes the role approver; you are operator/);
    assert.match(told(operator, 'x'), /takes the role owner/);
    assert.equal(type(operator, 'i').screen.kind, 'invoke');
    const approver = withLogins(as('approver'));
    assert.equal(type(approver, 'n').screen.kind, 'invite');
    assert.doesNotMatch(screenOf(type(approver, '\r')), /x remove/);
    const viewer = withLogins(as('viewer'));
    for (const key of ['i', 'n', 'x', 'w']) assert.match(told(viewer, key), /Read-only: you are a viewer here/);
    const token = withLogins(as('owner', ['nodes:read', 'events:read', 'invoke:echo']));
    assert.equal(type(token, 'i').screen.kind, 'invoke');
    assert.match(told(token, 'n'), /lacks the scope invites:write/);
    assert.match(screenOf(type(token, 'a')), /lacks the scope approvals:read/);
    assert.match(screenOf(type(token, 'd')), /lacks the scope dispatches:read/);
  });

  it('leaves each operator the requests that are theirs to answer', () => {
    const mine = (who: Who) => pendingOf(withLogins(who)).map(({ id }) => id.slice(4));
    assert.deepEqual(mine(as('owner')), ['M4XT9Q', 'B7CK2P', 'Q2WW8Z']);
    assert.deepEqual(mine(as('approver')), ['M4XT9Q', 'B7CK2P', 'Q2WW8Z']);
    assert.deepEqual(mine(as('operator')), ['B7CK2P']);
    assert.deepEqual(mine(as('owner', ['approvals:read'])), []);
    // Somebody else's login may be turned away by an approver, not let in.
    const approver = type(withLogins(as('approver')), 'a', 'G');
    assert.match(told(approver, '\r'), /Only eva or the owner approves it/);
    assert.equal(type(approver, 'r').prompt?.kind, 'reason');
    assert.equal(commandOf(approver), 'palyra approvals show Q2WW8Z');
    const operator = withLogins(as('operator'));
    assert.match(told(type(operator, 'a', 'j'), '\r'), /takes the role approver; you are operator/);
    assert.match(told(type(operator, 'a', 'j'), 'r'), /takes the role approver; you are operator/);
  });

  it('is known again when the role changes while one looks on', () => {
    const before = withLogins(as('owner'));
    const viewer = later(before, { type: 'session', version: '2', who: as('viewer') });
    assert.deepEqual([viewer.locked, viewer.daemon.version], [true, '2']);
    assert.equal(later(viewer, { type: 'session', version: '2', who: as('owner') }).locked, false);
    const locked = type(before, 'w');
    assert.equal(later(locked, { type: 'session', version: '2', who: as('owner') }).locked, true);
  });
});

describe('A login that asks', () => {
  const asking = (...requests: ApprovalView[]) => later(busy(SIZE), { type: 'approvals', requests });

  it('is no row of the fleet, rings once, and is approved with its PIN', () => {
    const [state, effects] = update(
      living(SIZE),
      { type: 'approvals', requests: [login('B7CK2P', { operator: 'max' })] },
      NOW,
    );
    assert.deepEqual(effects, [], 'it waited before');
    const later = update(state, { type: 'approvals', requests: [...state.approvals, login('Q2WW8Z')] }, NOW);
    assert.deepEqual(later[1], [{ do: 'bell' }]);
    assert.doesNotMatch(screenOf(state), /asking to join/);
    assert.match(screenOf(state), /waiting for you \(1\)[^]*log in as max · laptop/);
    assert.deepEqual(asked(state, 'a', '\r', '482913', '\r'), [
      { do: 'approve', id: 'req_B7CK2P', kind: 'login', pin: '482913', naming: '' },
    ]);
  });

  it('is approved as somebody else by the owner, unless it says itself who it is', () => {
    const free = asking(login('Q2WW8Z'));
    const named = type(free, 'a', 'e', 'ci-bot', '\r');
    assert.match(screenOf(named), /as {5}ci-bot: the program can do what ci-bot can do/);
    assert.equal(commandOf(named), 'palyra approvals approve Q2WW8Z --as ci-bot');
    assert.deepEqual(asked(named, '\r', '482913', '\r'), [
      { do: 'approve', id: 'req_Q2WW8Z', kind: 'login', pin: '482913', naming: 'ci-bot' },
    ]);
    assert.equal(type(asking(login('B7CK2P', { operator: 'max' })), 'a', 'e').prompt, null);
  });

  it('of a kind that nobody here knows is shown, and nothing can be said to it', () => {
    const kind = { kind: 'firmware' } as unknown as Partial<ApprovalView>;
    const state = type(asking(request('H1H2H3', { ...kind, pinRequired: false })), 'a');
    assert.match(screenOf(state), /win-pc asks for firmware[^]*this version of palyra does not know it/);
    for (const keys of [['\r', '\r'], ['r', 'no', '\r'], ['e']]) {
      assert.deepEqual(asked(state, ...keys), []);
      assert.equal(type(state, ...keys).prompt, null);
    }
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
