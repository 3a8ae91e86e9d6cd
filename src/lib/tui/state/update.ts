/**
 * The one function that changes the state of the terminal UI: a message and the time in, the next state and what is to be done out. It waits for nothing
 * and asks nobody; whatever arrives in whatever order, the invariants of `state.ts` hold.
 */
import { joinedLine } from '../../cli/invite-report.js';
import { isSettled } from '../../cli/exit-codes.js';
import { outcomeLine } from '../../cli/dispatch-report.js';
import type { NodeEvent, WatchItem } from '../../client/control-plane-client.js';
import type { InviteView } from '../../base/model.js';
import type { ApprovalView } from '../../base/requests.js';
import { approvalsKey } from './approvals.js';
import { applyDispatchEvents, mergeListed, type DispatchEvent } from './dispatch-log.js';
import { applyNodeEvents, arranged, pendingOf, replaceNodes } from './fleet.js';
import { fleetKey, nodeKey } from './fleet-keys.js';
import { dispatchesKey, helpKey, inviteKey, invokeKey } from './form-keys.js';
import type { Effect, Message, Step } from './messages.js';
import { leave, notice } from './navigation.js';
import { promptKey } from './prompt-keys.js';
import { isLockedForGood, refusalOfEffect, seesWhat } from './rights.js';
import type { TuiState } from './state.js';
import type { Key } from '../keys/key-decoder.js';

/** A sentence leaves the footer after this time; a refusal stays until the next key. */
const NOTICE_MS = 6000;

export function update(before: TuiState, message: Message, now: number): Step {
  const [state, effects] = step({ ...before, now: Math.max(now, before.now) }, message);
  const refusal = effects.map((effect) => refusalOfEffect(state, effect)).find((why) => why !== null);
  if (refusal === undefined) return [state, effects];
  return [notice(state, 'error', refusal), effects.filter((effect) => refusalOfEffect(state, effect) === null)];
}

function step(state: TuiState, message: Message): Step {
  switch (message.type) {
    case 'watch':
      return watch(state, message.items);
    case 'connection':
      if (message.lost === null) return [{ ...state, connection: { state: 'live' } }, reload(state)];
      return [{ ...state, connection: { state: 'lost', since: state.now, why: message.lost } }, []];
    case 'session':
      return [session(state, message), []];
    case 'approvals':
      return approvals(state, message.requests);
    case 'dispatches':
      return [{ ...state, dispatches: mergeListed(state.dispatches, message.dispatches) }, []];
    case 'detail':
      return [{ ...state, detail: message.detail }, []];
    case 'dispatch':
      return dispatch(state, message);
    case 'run-failed':
      return [notice(stopRunning(state), 'error', message.text), []];
    case 'invite':
      if (state.screen.kind !== 'invite' || state.screen.invite !== null) return [state, []];
      return [{ ...state, screen: { ...state.screen, invite: message.invite } }, []];
    case 'invite-changed':
      return inviteChanged(state, message.invite);
    case 'approved': {
      const open = state.prompt?.kind === 'pin' && state.prompt.request === message.request;
      const next = open ? { ...state, prompt: null } : state;
      return [notice(next, 'done', message.text), [{ do: 'load', what: 'approvals' }]];
    }
    case 'pin-refused': {
      const { prompt } = state;
      const next =
        prompt?.kind === 'pin' && prompt.request === message.request
          ? { ...state, prompt: { ...prompt, field: { text: '', cursor: 0 } } }
          : state;
      return [notice(next, 'error', message.text), [{ do: 'load', what: 'approvals' }]];
    }
    case 'done':
      return [notice(state, 'done', message.text), []];
    case 'failed':
      return [notice(state, 'error', message.text), []];
    case 'edited': {
      const { screen } = state;
      if (screen.kind !== 'invoke' || message.text === null) return [state, [{ do: 'repaint' }]];
      const form = { ...screen.form, json: message.text };
      return [{ ...state, screen: { ...screen, form } }, [{ do: 'repaint' }]];
    }
    case 'key':
      return key(state, message.key);
    case 'resize':
      return [{ ...state, size: message.size }, []];
    case 'tick':
      return [expired(arranged(state)), []];
  }
}

/** Who one is may change while one looks on: a role was given or taken. */
function session(state: TuiState, { version, who }: Extract<Message, { type: 'session' }>): TuiState {
  const next = { ...state, daemon: { ...state.daemon, version }, who };
  return { ...next, locked: isLockedForGood(next) || (state.locked && !isLockedForGood(state)) };
}

function watch(state: TuiState, items: readonly WatchItem[]): Step {
  let next: TuiState = state.connection.state === 'live' ? state : { ...state, connection: { state: 'live' } };
  const effects = new Map<string, Effect>();
  let nodes: NodeEvent[] = [];
  let dispatches: DispatchEvent[] = [];
  const apply = () => {
    next = applyNodeEvents(next, nodes);
    next = { ...next, dispatches: applyDispatchEvents(next.dispatches, dispatches) };
    [nodes, dispatches] = [[], []];
  };
  for (const item of items) {
    if (item.type === 'node') nodes.push(item);
    else if (item.type === 'dispatch') {
      dispatches.push(item);
      if (changesQueue(next, item)) effects.set('approvals', { do: 'load', what: 'approvals' });
    } else if (item.type === 'snapshot' || item.type === 'resync') {
      apply();
      next = replaceNodes(next, item.nodes);
      for (const effect of reload(next)) effects.set(JSON.stringify(effect), effect);
    } else if (item.type === 'approval' && seesWhat(next.who, 'approvals'))
      effects.set('approvals', { do: 'load', what: 'approvals' });
    else if (item.type === 'invite' && shownInvite(next) === item.invite)
      effects.set('invite', { do: 'show-invite', id: item.invite });
  }
  apply();
  return [next, [...effects.values()]];
}

/** A run that begins to wait for the person at its machine is in the approvals queue, and leaves it when it goes on. */
function changesQueue(state: TuiState, { dispatch: id, state: now }: DispatchEvent): boolean {
  if (!seesWhat(state.who, 'approvals')) return false;
  return now === 'awaiting-approval' || state.approvals.some((request) => request.id === id);
}

/** What a snapshot of the nodes does not tell. */
function reload(state: TuiState): readonly Effect[] {
  const shown = state.screen.kind === 'node' ? state.screen.id : null;
  const invite = shownInvite(state);
  return [
    { do: 'load', what: 'session' },
    ...(['approvals', 'dispatches'] as const)
      .filter((what) => seesWhat(state.who, what))
      .map((what) => ({ do: 'load', what }) as const),
    ...(shown === null ? [] : [{ do: 'load-detail', id: shown } as const]),
    ...(invite === null ? [] : [{ do: 'show-invite', id: invite } as const]),
  ];
}

const shownInvite = ({ screen }: TuiState) => (screen.kind === 'invite' ? (screen.invite?.id ?? null) : null);

/** The bell rings once for a request; not for those that waited already when the screen was opened. */
function approvals(state: TuiState, requests: readonly ApprovalView[]): Step {
  const known = new Set(state.approvals.map(({ id }) => id));
  const next = closeAnswered({ ...state, approvals: requests, heard: true });
  const isNew = state.heard && pendingOf(next).some(({ id }) => !known.has(id));
  return [next, isNew ? [{ do: 'bell' }] : []];
}

/** A prompt about a request that somebody else answered meanwhile has nothing to ask any more. */
function closeAnswered(state: TuiState): TuiState {
  const { prompt } = state;
  if (prompt === null || !('request' in prompt)) return state;
  const request = state.approvals.find(({ id }) => id === prompt.request);
  if (request !== undefined && request.state === 'pending') return state;
  const closed = { ...state, prompt: null, naming: null };
  return state.notice === null ? notice(closed, 'error', 'This request was answered or ended meanwhile') : closed;
}

function dispatch(state: TuiState, message: Extract<Message, { type: 'dispatch' }>): Step {
  const { screen } = state;
  const { dispatch: shown, purpose } = message;
  if (purpose === 'show') {
    if (screen.kind !== 'dispatches') return [state, []];
    return [{ ...state, screen: { ...screen, open: shown, scroll: 0 } }, []];
  }
  const over = isSettled(shown.state);
  if (screen.kind === 'invoke' && screen.node === shown.nodeId && screen.form.step !== 'pick') {
    const form = { ...screen.form, dispatch: shown, step: over ? ('result' as const) : ('running' as const) };
    return [{ ...state, screen: { ...screen, form } }, []];
  }
  if (!over) return [state, []];
  const told = notice(state, shown.state === 'succeeded' ? 'done' : 'error', outcomeLine(shown));
  return [told, screen.kind === 'node' ? [{ do: 'load-detail', id: screen.id }] : []];
}

function stopRunning(state: TuiState): TuiState {
  const { screen } = state;
  if (screen.kind !== 'invoke' || screen.form.step !== 'running') return state;
  return { ...state, screen: { ...screen, form: { ...screen.form, step: 'fields' } } };
}

/** The invite's screen closes itself when the machine has joined. */
function inviteChanged(state: TuiState, invite: InviteView): Step {
  const { screen } = state;
  if (screen.kind !== 'invite' || screen.invite?.id !== invite.id) return [state, []];
  const joined = invite.redeemedBy.at(-1);
  if (joined !== undefined) {
    const node = state.nodes.get(joined.nodeId);
    const text = node === undefined ? `${joined.name} joined` : joinedLine(node);
    return [notice({ ...leave(state), selected: node?.id ?? state.selected, movedAt: state.now }, 'done', text), []];
  }
  if (invite.state === 'open') return [state, []];
  return [notice(leave(state), 'error', `The invite is ${invite.state}; nobody joined with it`), []];
}

function key(state: TuiState, pressed: Key): Step {
  if (pressed.name === 'ctrl-c') return [state, [{ do: 'quit' }]];
  if (pressed.name === 'ctrl-z') return [state, [{ do: 'suspend' }]];
  if (pressed.name === 'ctrl-l') return [state, [{ do: 'repaint' }]];
  if (state.prompt !== null) return promptKey(state, state.prompt, pressed);
  const { screen } = state;
  switch (screen.kind) {
    case 'fleet':
      return fleetKey(state, pressed);
    case 'node':
      return nodeKey(state, screen, pressed);
    case 'approvals':
      return approvalsKey(state, screen, pressed);
    case 'dispatches':
      return dispatchesKey(state, screen, pressed);
    case 'invite':
      return inviteKey(state, pressed);
    case 'invoke':
      return invokeKey(state, screen, pressed);
    case 'help':
      return helpKey(state, screen, pressed);
  }
}

function expired(state: TuiState): TuiState {
  const { notice: shown, now } = state;
  return shown !== null && shown.kind === 'done' && now - shown.at > NOTICE_MS ? { ...state, notice: null } : state;
}
