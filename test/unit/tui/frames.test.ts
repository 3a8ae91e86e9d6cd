/**
 * Golden frames: what a person sees, through the views and Ink's layout, as text files. `PALYRA_TEST_UPDATE=1` writes them anew; a difference is then
 * looked at in the commit. In the coloured ones `␛` stands for the escape character.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFrameLayout, type FrameLayout } from '../../../src/lib/tui/run/ink-frames.js';
import type { Daemon, Size, TuiState } from '../../../src/lib/tui/state/state.js';
import type { ApprovalView } from '../../../src/lib/base/requests.js';
import type { Who } from '../../../src/lib/tui/state/rights.js';
import { ansiOf, cells } from '../../../src/lib/tui/views/segments.js';
import { view } from '../../../src/lib/tui/views/view.js';
import {
  after as afterMessages,
  busy,
  DEVICE,
  dispatch,
  DAEMON,
  INVITE,
  living,
  login,
  many,
  NAMES,
  node,
  NOW,
  OFFERS,
  request,
  start,
  type,
  type StateOptions,
} from '../../support/tui-states.js';

const FOLDER = fileURLToPath(new URL('../../fixtures/tui/', import.meta.url));
const SIZES: readonly Size[] = [
  { columns: 120, rows: 40 },
  { columns: 100, rows: 28 },
  { columns: 80, rows: 24 },
  { columns: 60, rows: 20 },
  { columns: 39, rows: 9 },
];
const QR = { possible: true, trueColour: false };
const SGR = /\u001b\[[0-9;]*m/g;

const MAX: Who = { operator: 'max', role: 'operator', scopes: null };
const AWAY: Daemon = { ...DAEMON, context: 'home', flags: ['--context', 'home'] };

/** Beside the machines that ask: a login as max, one as nobody in particular, a machine that wants more, and what this version does not know. */
function withLogins(size: Size, options: StateOptions = {}): TuiState {
  const newer = (kind: string, id: string) =>
    ({ ...request(id, { pinRequired: false, wants: ['camera.snap'] }, 'pi-lab'), kind }) as unknown as ApprovalView;
  const there = {
    ...request(
      '6',
      { kind: 'local', wants: ['desktop.open_url'], pinRequired: false, answerableHere: false },
      'macbook',
    ),
    ...{ id: 'dsp_6', expiresAt: new Date(NOW + 41_000).toISOString() },
    asked: {
      ...{ dispatch: 'dsp_6', capability: 'desktop.open_url', requestedBy: 'ci-bot', channel: 'dialog' as const },
      what: 'https://intra.corp.example/wiki/start?page=1',
    },
  };
  const requests = [
    request('M4XT9Q'),
    login('B7CK2P', { operator: 'max' }),
    login('Q2WW8Z'),
    newer('capabilities', '9DM4AB'),
    newer('firmware', 'H1H2H3'),
    there,
  ];
  return afterMessages(busy(size, options), { type: 'approvals', requests });
}

describe('The frames of the terminal UI', () => {
  let layout: FrameLayout;
  let zone: string | undefined;
  before(() => {
    zone = process.env['TZ'];
    process.env['TZ'] = 'UTC';
    layout = createFrameLayout();
  });
  after(() => {
    layout.close();
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });

  const draw = (state: TuiState, colour: boolean): readonly string[] => {
    const { lines } = view(state, QR);
    const rows = layout.layOut(
      lines.map((line) => ansiOf(line, colour)),
      state.size.columns,
    );
    assert.ok(rows.length <= state.size.rows - 1, 'a frame leaves the last row free');
    for (const row of rows) assert.ok(cells(row.replace(SGR, '')) <= state.size.columns, `too wide: ${row}`);
    return rows;
  };

  const golden = (
    name: string,
    make: (size: Size) => TuiState,
    options: { colour?: boolean; sizes?: readonly Size[] } = {},
  ) => {
    const text = (options.sizes ?? SIZES)
      .map((size) => {
        const rows = draw(make(size), options.colour ?? false).map(
          (row) => `|${row.trimEnd().replaceAll('\u001b', '␛')}`,
        );
        return [`== ${size.columns}x${size.rows}`, ...rows, ''].join('\n');
      })
      .join('\n');
    const file = join(FOLDER, `${name}.txt`);
    if (process.env['PALYRA_TEST_UPDATE'] === '1') {
      mkdirSync(FOLDER, { recursive: true });
      writeFileSync(file, text);
    }
    assert.equal(text, readFileSync(file, 'utf8'), `${name}: PALYRA_TEST_UPDATE=1 writes the frames anew`);
  };

  it('show no machine, one and three hundred', () => {
    golden('fleet-0', (size) => living(size, []));
    golden('fleet-1', (size) => living(size, [node('nas')]));
    golden('fleet-0-colour', (size) => living(size, []), { colour: true });
    golden('fleet-1-colour', (size) => living(size, [node('nas')]), { colour: true });
    golden('fleet-300', (size) => type(living(size, many(300)), '\u001b[6~', '\u001b[6~'));
    golden('fleet-300-colour', (size) => type(living(size, many(300)), '\u001b[6~', '\u001b[6~'), { colour: true });
  });

  it('show a fleet in which something waits, with and without colour', () => {
    golden('fleet', (size) => type(busy(size), '\u001b[B'));
    golden('fleet-colour', (size) => type(busy(size), '\u001b[B'), { colour: true });
  });

  it('keep columns straight with wide, long and hostile names', () => {
    golden('fleet-names', (size) => living(size, NAMES));
    golden('fleet-revoked', (size) => living(size, [node('lost-pi', { presence: 'revoked', trust: 'revoked' })]));
    golden('fleet-names-colour', (size) => living(size, NAMES), { colour: true });
  });

  it('say so when the daemon is away, and claim nothing', () => {
    const lost = (size: Size) => ({
      ...afterMessages(busy(size), { type: 'connection', lost: 'the daemon ended the stream' }),
    });
    golden('fleet-lost', (size) => {
      const state = lost(size);
      return { ...state, now: state.now + 12_000 };
    });
    for (const size of SIZES) {
      const text = draw(lost(size), false).join('\n');
      assert.doesNotMatch(text, /● |live|\bnow\b/, text);
    }
    golden('connecting', start);
  });

  it('are what the README shows', () => {
    const frame = readFileSync(join(FOLDER, 'fleet.txt'), 'utf8').split('== 80x24\n')[1]!.split('\n\n==')[0]!;
    const shown = frame.split('\n').map((row) => row.slice(1));
    const readme = readFileSync(fileURLToPath(new URL('../../../README.md', import.meta.url)), 'utf8');
    assert.ok(readme.includes(shown.join('\n').trimEnd()), 'the frame in README.md is not the one of fleet.txt');
  });

  it('show every screen', () => {
    const sizes = SIZES.slice(0, 4);
    const detail = {
      id: 'nod_nas',
      capabilities: OFFERS,
      device: {
        ...DEVICE,
        warnings: [{ code: 'certificate-expiring' as const, message: 'the certificate ends in 9 d' }],
      },
      recent: [dispatch('9', { capability: 'system.health', output: { load: [1, 2, 3] } })],
    };
    const nas = (size: Size, ...keys: readonly string[]) =>
      type(afterMessages(type(busy(size), '\u001b[B', '\u001b[B', '\r'), { type: 'detail', detail }), ...keys);
    golden('node', (size) => nas(size), { sizes });
    golden('node-health', (size) => nas(size, '2'), { sizes });
    golden('node-capabilities', (size) => nas(size, '3'), { sizes });
    golden('node-dispatches', (size) => nas(size, '4'), { sizes });
    golden('node-logs', (size) => nas(size, '5'), { sizes: sizes.slice(1, 2) });
    const offer = { ...OFFERS[0]!, name: 'system.logs', granted: true };
    const entries = [
      { time: new Date(NOW - 9_000).toISOString(), level: 'info', scope: 'link', msg: 'online', transport: 'quic' },
      { time: null, level: 'error', scope: 'runtime', msg: 'Error: \u001b[31mno space\u001b[0m' },
    ];
    const logged = dispatch('8', { capability: 'system.logs', output: { entries, truncated: false } });
    golden(
      'node-logs-asked',
      (size) =>
        afterMessages(nas(size, '5'), {
          ...{ type: 'detail', detail: { ...detail, capabilities: [offer], recent: [logged] } },
        }),
      { sizes: sizes.slice(1, 3) },
    );
    golden('approvals', (size) => type(busy(size), 'a'), { sizes });
    golden('approvals-pin', (size) => type(busy(size), 'a', '\r', '482'), { sizes });
    golden('approvals-reason', (size) => type(busy(size), 'a', 'r', 'not ours'), { sizes });
    golden('approvals-login', (size) => type(withLogins(size), 'a', 'j'), { sizes });
    golden('approvals-login-pin', (size) => type(withLogins(size), 'a', 'j', '\r', '482'), { sizes });
    golden('approvals-operator', (size) => type(withLogins(size, { who: MAX }), 'a', 'j'), { sizes });
    golden('approvals-viewer', (size) => type(withLogins(size, { who: { ...MAX, role: 'viewer' } }), 'a'), { sizes });
    golden('approvals-unknown', (size) => type(withLogins(size), 'a', 'G'), { sizes });
    golden('fleet-operator', (size) => withLogins(size, { who: MAX, daemon: AWAY }), { sizes });
    golden('fleet-login-colour', (size) => withLogins(size), { sizes: SIZES.slice(1, 3), colour: true });
    golden('dispatches', (size) => type(busy(size), 'd'), { sizes });
    golden('dispatches-chosen', (size) => type(busy(size), 'd', 'k', 'k'), { sizes });
    golden('invite', (size) => afterMessages(type(living(size), 'n'), { type: 'invite', invite: INVITE }), { sizes });
    golden('invoke-pick', (size) => nas(size, 'i'), { sizes });
    golden('invoke-fields', (size) => nas(size, 'i', '\r', '17', '\t', 'high'), { sizes });
    golden(
      'invoke-result',
      (size) =>
        afterMessages(nas(size, 'i', '\r', '17', '\r'), {
          ...{ type: 'dispatch', purpose: 'run' },
          dispatch: dispatch('7', { capability: 'gpio.write', output: { was: 'low', is: 'high' } }),
        }),
      { sizes },
    );
    golden('remove', (size) => type(busy(size), 'x', 'at'), { sizes });
    golden('help', (size) => type(living(size), '?'), { sizes });
    golden('read-only', (size) => type(busy(size, { readOnly: true }), 'n'), { sizes });
  });
});
