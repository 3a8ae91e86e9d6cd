/** Whatever arrives and in whatever order: the state of the terminal UI keeps its invariants, every frame fits, and the screen shows the frame. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { NodeView } from '../../src/lib/base/model.js';
import type { WatchItem } from '../../src/lib/client/control-plane-client.js';
import { Painter } from '../../src/lib/tui/run/painter.js';
import { MAX_ROWS } from '../../src/lib/tui/state/dispatch-log.js';
import { currentNode, REST_MS, shownNodes } from '../../src/lib/tui/state/fleet.js';
import { CHANGING, type Effect, type Message } from '../../src/lib/tui/state/messages.js';
import type { TuiState } from '../../src/lib/tui/state/state.js';
import { update } from '../../src/lib/tui/state/update.js';
import { plainOf } from '../../src/lib/tui/views/segments.js';
import { view } from '../../src/lib/tui/views/view.js';
import { TestScreen } from '../support/screen.js';
import {
  DEVICE,
  dispatch,
  INVITE,
  keysOf,
  living,
  node,
  NOW,
  OFFERS,
  request,
  snapshot,
} from '../support/tui-states.js';

const NAMES = ['alpha', 'beta', 'gamma', '客厅', '👩‍🚀'];
const QR = { possible: true, trueColour: false };

const nodes = fc
  .record({ name: fc.constantFrom(...NAMES), presence: fc.constantFrom('online', 'late', 'offline', 'never-seen') })
  .map(({ name, presence }): NodeView => node(name, { presence: presence as NodeView['presence'] }));
const at = new Date(NOW).toISOString();
const event = (fields: object) => ({ id: '1-1', seq: 1, at, by: null, ...fields }) as unknown as WatchItem;
const item: fc.Arbitrary<WatchItem> = fc.oneof(
  fc.array(nodes, { maxLength: 5 }).map((list) => snapshot([...new Map(list.map((one) => [one.id, one])).values()])),
  fc
    .tuple(nodes, fc.constantFrom('joined', 'presence', 'facts', 'removed', 'renamed'))
    .map(([view, change]) => event({ type: 'node', change, node: view })),
  fc.tuple(fc.nat(900), fc.constantFrom('queued', 'running', 'succeeded', 'failed')).map(([id, state]) =>
    event({
      ...{ type: 'dispatch', change: 'state', dispatch: `dsp_${id}`, node: 'alpha', nodeId: 'nod_alpha' },
      ...{ capability: 'echo', state, totalMs: state === 'succeeded' ? 5 : null },
    }),
  ),
  fc.constant(event({ type: 'approval', change: 'requested', approval: 'req_A', state: 'pending' })),
  fc.constant(event({ type: 'invite', change: 'changed', invite: INVITE.id })),
);
const TYPED = [
  ...[
    '\u001b[A',
    '\u001b[B',
    '\u001b[C',
    '\u001b[D',
    '\u001b[6~',
    '\u001b[H',
    '\u001b[F',
    '\r',
    '\t',
    '\u001b',
    '\u007f',
  ],
  ...'/siaxdnwey?qjkgGAR1234 客'.split(''),
  '482913',
];
const message: fc.Arbitrary<Message> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(...TYPED).map((bytes): Message => ({ type: 'key', key: keysOf(bytes)[0]! })),
  },
  { weight: 3, arbitrary: fc.array(item, { maxLength: 4 }).map((items): Message => ({ type: 'watch', items })) },
  fc
    .subarray([
      request('AAAAAA'),
      request('BBBBBB', { pinRequired: false }),
      request('CCCCCC', { answerableHere: false }),
    ])
    .map((requests): Message => ({ type: 'approvals', requests })),
  fc.constantFrom<Message>(
    ...([{ type: 'connection', lost: 'gone' }, { type: 'connection', lost: null }, { type: 'tick' }] as const),
    ...([
      { type: 'invite', invite: INVITE },
      { type: 'invite-changed', invite: { ...INVITE, state: 'expired' } },
    ] as const),
    { type: 'detail', detail: { id: 'nod_alpha', capabilities: OFFERS, recent: [], device: DEVICE } },
    ...(['run', 'show'] as const).map((purpose) => ({ type: 'dispatch', dispatch: dispatch('1'), purpose }) as const),
    ...([
      { type: 'failed', text: 'no' },
      { type: 'run-failed', text: 'no' },
      { type: 'edited', text: '{"a":1}' },
    ] as const),
    { type: 'approved', request: 'req_AAAAAA', text: 'joined' },
    { type: 'pin-refused', request: 'req_AAAAAA', text: 'wrong' },
  ),
  fc
    .record({ columns: fc.integer({ min: 0, max: 130 }), rows: fc.integer({ min: 0, max: 45 }) })
    .map((size): Message => ({ type: 'resize', size })),
);
const timed = fc.tuple(message, fc.nat(3000));

function play(
  steps: readonly (readonly [Message, number])[],
  readOnly: boolean,
  each: (state: TuiState, effects: readonly Effect[]) => void,
) {
  let state = living({ columns: 80, rows: 24 }, [node('alpha'), node('beta')], { readOnly });
  let now = NOW;
  for (const [next, pause] of steps) {
    now += pause;
    const [after, effects] = update(state, next, now);
    state = after;
    each(state, effects);
  }
}

describe('The state of the terminal UI', () => {
  it('orders every known node once, selects a known one, and bounds its log', () => {
    fc.assert(
      fc.property(fc.array(timed, { maxLength: 60 }), (steps) =>
        play(steps, false, (state) => {
          assert.deepEqual([...state.order].sort(), [...state.nodes.keys()].sort());
          assert.ok(state.selected === null || state.nodes.has(state.selected));
          assert.ok(state.dispatches.length <= MAX_ROWS);
          assert.equal(new Set(state.dispatches.map(({ id }) => id)).size, state.dispatches.length);
          const shown = shownNodes(state);
          assert.ok(shown.length === 0 || shown.includes(currentNode(state)!));
        }),
      ),
    );
  });

  it('never changes anything at the daemon while it is locked', () => {
    fc.assert(
      fc.property(fc.array(timed, { maxLength: 60 }), (steps) =>
        play(steps, true, (state, effects) => {
          assert.ok(state.locked);
          assert.deepEqual(
            effects.filter((effect) => CHANGING.has(effect.do)),
            [],
          );
        }),
      ),
    );
  });

  it('has a frame that fits for every terminal and every state', () => {
    fc.assert(
      // The view asserts height and width itself.
      fc.property(fc.array(timed, { maxLength: 40 }), (steps) => play(steps, false, (state) => void view(state, QR))),
    );
  });

  it('does not move rows while the cursor is in use, and sorts when it rests', () => {
    let state = living(
      { columns: 80, rows: 24 },
      ['b', 'd', 'f'].map((name) => node(name)),
    );
    const press = (bytes: string, now: number) =>
      ([state] = update(state, { type: 'key', key: keysOf(bytes)[0]! }, now));
    const join = (name: string, now: number) => {
      const items = [event({ type: 'node', change: 'joined', node: node(name) })];
      [state] = update(state, { type: 'watch', items }, now);
    };
    press('\u001b[B', NOW);
    join('a', NOW + 500);
    assert.deepEqual(state.order, ['nod_b', 'nod_d', 'nod_f', 'nod_a']);
    [state] = update(state, { type: 'tick' }, NOW + REST_MS);
    assert.deepEqual(state.order, ['nod_a', 'nod_b', 'nod_d', 'nod_f']);
    assert.equal(state.selected, 'nod_d');
  });
});

describe('The bell', () => {
  it('rings once for a request, and not for those that waited before', () => {
    let state = living({ columns: 80, rows: 24 });
    const list = (...ids: readonly string[]): boolean => {
      const requests = ids.map((id) => request(id));
      const [next, effects] = update(state, { type: 'approvals', requests }, NOW);
      state = next;
      return effects.some((effect) => effect.do === 'bell');
    };
    assert.deepEqual(
      [list('AAAAAA'), list('AAAAAA'), list('AAAAAA', 'BBBBBB'), list('BBBBBB')],
      [false, false, true, false],
    );
  });
});

describe('The painter', () => {
  it('makes the screen show each frame, whatever was shown before, and writes nothing for the same frame', () => {
    fc.assert(
      fc.property(fc.array(timed, { maxLength: 30 }), (steps) => {
        const screen = new TestScreen();
        const painter = new Painter((text) => screen.write(text));
        painter.enter();
        let size = { columns: 80, rows: 24 };
        play(steps, false, (state) => {
          if (state.size !== size) painter.forget();
          size = state.size;
          const { lines, cursor } = view(state, { ...QR, possible: false });
          const rows = lines.map((line) => plainOf(line).trimEnd());
          painter.paint({ rows, cursor }, state.size.columns);
          const shown = screen.rows.slice(0, rows.length);
          assert.deepEqual(shown.concat(Array.from({ length: rows.length - shown.length }, () => '')), rows);
          assert.ok(screen.rows.slice(rows.length).every((row) => row === ''));
          assert.equal(screen.cursorVisible, cursor !== null);
          const { frames } = painter;
          painter.paint({ rows, cursor }, state.size.columns);
          assert.equal(painter.frames, frames);
        });
        painter.leave();
        painter.leave();
        assert.deepEqual([screen.entered, screen.alternate, screen.cursorVisible, screen.wraps], [1, 0, true, true]);
      }),
      { numRuns: 60 },
    );
  });
});
