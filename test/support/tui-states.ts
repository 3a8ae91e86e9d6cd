/** States of the terminal UI that look like life, made the way life makes them: by messages. Times are fixed, so that a frame is the same every day. */
import type { DispatchView, NewInviteView, NodeView } from '../../src/lib/base/model.js';
import type { ApprovalView } from '../../src/lib/base/requests.js';
import type { WatchItem } from '../../src/lib/client/control-plane-client.js';
import type { Key } from '../../src/lib/tui/keys/key-decoder.js';
import { KeyDecoder } from '../../src/lib/tui/keys/key-decoder.js';
import type { Message } from '../../src/lib/tui/state/messages.js';
import type { Who } from '../../src/lib/tui/state/rights.js';
import {
  initialState,
  type Daemon,
  type Detail,
  type Offer,
  type Size,
  type TuiState,
} from '../../src/lib/tui/state/state.js';
import { update } from '../../src/lib/tui/state/update.js';

export const NOW = Date.parse('2026-11-22T04:46:30.000Z');
const at = (secondsAgo: number) => new Date(NOW - secondsAgo * 1000).toISOString();

export function node(name: string, changes: Partial<NodeView> = {}): NodeView {
  return {
    ...{ id: `nod_${name}`, name, hostname: name, purpose: null, labels: {}, presence: 'online', presenceReason: null },
    ...{ presenceSince: at(270_000), lastSeenAt: at(4), trust: 'paired', platform: 'linux', arch: 'x64' },
    ...{
      version: '0.4.1',
      protocol: 1,
      outdated: false,
      address: '192.168.1.20',
      transport: 'grpc',
      asksThrough: null,
      capabilities: ['echo', 'system.health'],
    },
    certificate: { fingerprint: `sha256:${'ab'.repeat(32)}`, notAfter: at(-74 * 86_400), daysLeft: 74 },
    ...{ rival: null, ephemeralMs: null, replaces: null },
    ...{ queue: { waiting: 0, running: 0 }, pairedAt: at(900_000), pairedBy: 'eva' },
    ...changes,
  };
}

export const FOUR: readonly NodeView[] = [
  node('nas', { labels: { role: 'storage' } }),
  node('pi-lab', { arch: 'arm64', labels: { site: 'lab', room: '2' }, purpose: 'weather station' }),
  node('macbook', {
    ...{ platform: 'darwin', arch: 'arm64', version: '0.4.0', outdated: true, labels: { owner: 'eva' } },
    ...{ presence: 'offline', presenceReason: 'lost', lastSeenAt: at(3 * 3600), presenceSince: at(3 * 3600) },
  }),
  node('attic', { presence: 'never-seen', lastSeenAt: null, presenceSince: null, certificate: null, capabilities: [] }),
];

/** Names that are long, wide, joined from several code points, or made to deceive a terminal. */
export const NAMES: readonly NodeView[] = [
  node('a-name-of-exactly-forty-characters-in-all'),
  node('客厅的树莓派-3'),
  node('👩‍🚀 rocket 🚀', { labels: { site: '屋根裏' } }),
  node('네트워크-저장장치'),
  node('café-é', { presence: 'late' }),
  node('escape\u001b[31mred\u202e'),
];

export function many(count: number): NodeView[] {
  return Array.from({ length: count }, (_, index) =>
    node(`node-${String(index + 1).padStart(3, '0')}`, {
      ...(index % 7 === 3 ? { presence: 'offline', presenceReason: 'stopped', lastSeenAt: at(index * 60) } : {}),
      labels: { rack: String(index % 12) },
    }),
  );
}

export function request(id: string, changes: Partial<ApprovalView> = {}, name = 'win-pc'): ApprovalView {
  return {
    ...{ id: `req_${id}`, kind: 'join', state: 'pending', wants: ['echo', 'system.health'], replaces: null },
    takesPlace: false,
    subject: {
      ...{ name, hostname: name, platform: 'win32', arch: 'x64', version: '0.4.1', address: '192.168.1.52' },
      ...{ keyWords: '3XQ8 7KPM 2TWD 9RCN', purpose: 'front desk PC' },
    },
    ...{ requestedAt: at(60), expiresAt: at(-600), answerableHere: true, pinRequired: true, operator: null },
    ...{ asked: null, decidedAt: null, decidedBy: null, reason: null, nodeId: null },
    ...changes,
  };
}

/** A program on a laptop that asks for a session. */
export function login(id: string, changes: Partial<ApprovalView> = {}): ApprovalView {
  const asked = request(id, { kind: 'login', wants: [], requestedAt: at(20), ...changes }, 'laptop');
  return {
    ...asked,
    subject: { ...asked.subject, platform: 'linux', address: '192.168.1.77', keyWords: '', purpose: null },
  };
}

export function dispatch(id: string, changes: Partial<DispatchView> = {}, secondsAgo = 60): DispatchView {
  return {
    ...{ id: `dsp_${id}`, node: 'nas', nodeId: 'nod_nas', capability: 'echo', state: 'succeeded', attempt: 1 },
    ...{ input: { text: 'hi' }, output: { text: 'hi' }, error: null, sideEffects: 'none', idempotent: true },
    retrySafe: true,
    timings: {
      ...{ queuedAt: at(secondsAgo), deliveredAt: at(secondsAgo), startedAt: at(secondsAgo) },
      ...{ finishedAt: at(secondsAgo), totalMs: 11 },
    },
    ...{ deadlineAt: at(-60), requestedBy: 'eva', approval: null },
    ...changes,
  };
}

const open = { deliveredAt: at(2), startedAt: at(2), finishedAt: null, totalMs: null };
export const DISPATCHES: readonly DispatchView[] = [
  dispatch('1', {}, 400),
  dispatch('2', { node: 'macbook', nodeId: 'nod_macbook', capability: 'desktop.open_url', state: 'denied' }, 300),
  dispatch('3', { node: 'pi-lab', nodeId: 'nod_pi-lab', capability: 'system.health', state: 'unknown' }, 90),
  dispatch('4', { capability: 'system.health', output: { load: [0.2, 0.31, 0.3], memory: 0.3 } }, 13),
  dispatch('5', {
    ...{ node: 'pi-lab', nodeId: 'nod_pi-lab', capability: 'system.health', state: 'running' },
    timings: { queuedAt: at(2), ...open },
  }),
];

export const INVITE: NewInviteView = {
  ...{ id: 'inv_7H2K9Q', state: 'open', createdAt: at(30), createdBy: 'eva', expiresAt: at(-570) },
  ...{ uses: { max: 1, left: 1 }, approval: 'none', name: null, labels: {}, purpose: null, redeemedBy: [] },
  ...{ replaces: null, ephemeral: false, ephemeralMs: null },
  link: 'https://192.168.1.20:7443/j/K7QF2M9D4TXW-9Q3MZ8XHCV2R5T7WK4NBD6YJPE',
  ...{ code: 'K7QF-2M9D-4TXW', caFingerprint: `sha256:${'4f'.repeat(32)}`, addresses: ['192.168.1.20:7443'] },
};

export const OFFERS: readonly Offer[] = [
  {
    ...{ name: 'gpio.write', summary: 'Sets a pin', sideEffects: 'external', mediation: 'ask', granted: true },
    inputSchema: {
      type: 'object',
      required: ['pin', 'level'],
      properties: {
        pin: { type: 'integer', minimum: 0, maximum: 27, description: 'number on the header' },
        level: { enum: ['high', 'low'] },
        note: { type: 'string' },
        more: { type: 'object' },
      },
    },
  },
  {
    ...{ name: 'echo', summary: 'Gives back its input', sideEffects: 'none', mediation: 'none', granted: false },
    inputSchema: { type: 'object' },
  },
];

export const DEVICE: Detail['device'] = {
  actions: ['invoke', 'queue', 'wait', 'rename', 'label', 'revoke', 'remove'],
  warnings: [],
};

export function snapshot(nodes: readonly NodeView[]): WatchItem {
  return { type: 'snapshot', id: '1-0', seq: 0, at: at(0), nodes: [...nodes] } as WatchItem;
}

export const EVA: Who = { operator: 'eva', role: 'owner', scopes: null };
export const DAEMON: Daemon = { name: 'nas', version: '0.4.1', context: null, flags: [] };

export interface StateOptions {
  readonly readOnly?: boolean;
  readonly who?: Who;
  readonly daemon?: Daemon;
}

export function start(size: Size, { readOnly = false, who = EVA, daemon = DAEMON }: StateOptions = {}): TuiState {
  return initialState({ now: NOW, size, readOnly, daemon, who });
}

/** The state after these messages; effects are left undone. */
export function after(state: TuiState, ...messages: readonly Message[]): TuiState {
  return messages.reduce((before, message) => update(before, message, NOW)[0], state);
}

export const keysOf = (bytes: string): Key[] => {
  const decoder = new KeyDecoder();
  return [...decoder.push(bytes), ...decoder.flush()];
};

/** As typed; `\u001b` alone is Escape. */
export function type(state: TuiState, ...typed: readonly string[]): TuiState {
  return after(state, ...typed.flatMap((bytes) => keysOf(bytes).map((key): Message => ({ type: 'key', key }))));
}

/** A fleet that is connected. */
export function living(size: Size, nodes: readonly NodeView[] = FOUR, options: StateOptions = {}): TuiState {
  return after(start(size, options), { type: 'watch', items: [snapshot(nodes)] });
}

/** With requests and dispatches too. */
export function busy(size: Size, options: StateOptions = {}): TuiState {
  const requests = [request('M4XT9Q'), request('9DM4AB', { pinRequired: false, requestedAt: at(300) }, 'kiosk')];
  return after(
    living(size, FOUR, options),
    { type: 'approvals', requests },
    { type: 'dispatches', dispatches: DISPATCHES },
  );
}
