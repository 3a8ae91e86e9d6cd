/** Keys of the fleet and of one machine. */
import { joinCommand } from '../../cli/invite-report.js';
import type { Key } from '../keys/key-decoder.js';
import { commandOf } from './commands.js';
import { currentNode, resorted, shownNodes } from './fleet.js';
import type { Step } from './messages.js';
import { leave, lockedNotice, motionOf, moveId, moveIndex, notice, open, pageOf } from './navigation.js';
import { isLockedForGood, refusalOf, seesWhat } from './rights.js';
import type { JsonValue } from '../../base/model.js';
import { emptyForm, SORTS, TABS, type Screen, type Tab, type TuiState } from './state.js';
import { emptyField, fieldOf } from './text-field.js';

const LETTER_SCREENS: Readonly<Record<string, Screen>> = {
  a: { kind: 'approvals', selected: null },
  d: { kind: 'dispatches', selected: null, open: null, scroll: 0 },
  '?': { kind: 'help', scroll: 0 },
};

/** What works on every screen that is not a form; null when the key means nothing here. */
export function commonKey(state: TuiState, key: Key): Step | null {
  if (key.name === 'escape' || key.name === 'left') return [leave(state), []];
  if (key.name !== 'text') return null;
  const screen = LETTER_SCREENS[key.text];
  if (screen !== undefined && screen.kind !== state.screen.kind) return [open(state, screen), loadsOf(state, screen)];
  switch (key.text) {
    case 'q':
      return [state, [{ do: 'quit' }]];
    case 'n':
      return newNode(state);
    case 'y': {
      const command = copied(state);
      return command === null ? [state, []] : [notice(state, 'done', 'Copied'), [{ do: 'copy', text: command }]];
    }
    case 'w':
      if (isLockedForGood(state)) return [lockedNotice(state), []];
      return [
        notice({ ...state, locked: !state.locked }, 'done', state.locked ? 'Unlocked' : 'Read-only; w unlocks'),
        [],
      ];
    default:
      return null;
  }
}

/** The shown command; of an invite the line for the other machine, which is too long to be marked with a mouse. */
function copied(state: TuiState): string | null {
  const { screen } = state;
  return screen.kind === 'invite' && screen.invite !== null ? joinCommand(screen.invite) : commandOf(state);
}

function loadsOf({ who }: TuiState, screen: Screen): Step[1] {
  if (screen.kind !== 'approvals' && screen.kind !== 'dispatches') return [];
  return seesWhat(who, screen.kind) ? [{ do: 'load', what: screen.kind }] : [];
}

function newNode(state: TuiState): Step {
  if (state.screen.kind === 'invite') return [state, []];
  const refusal = refusalOf(state, 'invite');
  if (refusal !== null) return [notice(state, 'error', refusal), []];
  return [open(state, { kind: 'invite', invite: null, seen: 0 }), [{ do: 'invite' }]];
}

export function fleetKey(state: TuiState, key: Key): Step {
  const motion = motionOf(key);
  const node = currentNode(state);
  if (motion !== null) {
    const ids = shownNodes(state).map(({ id }) => id);
    const selected = moveId(ids, node?.id ?? null, motion, pageOf(state));
    return [{ ...state, selected, movedAt: state.now, notice: null }, []];
  }
  if (key.name === 'escape') return [{ ...state, filter: '', notice: null }, []];
  if (key.name === 'enter' || key.name === 'right') return node === null ? [state, []] : openNode(state, node.id);
  if (key.name === 'text') {
    switch (key.text) {
      case '/':
        return [{ ...state, prompt: { kind: 'filter', field: fieldOf(state.filter) }, notice: null }, []];
      case 's': {
        const sort = SORTS[(SORTS.indexOf(state.sort) + 1) % SORTS.length] ?? 'name';
        return [notice(resorted({ ...state, sort }), 'done', `Sorted by ${sort}`), []];
      }
      case 'i':
        return invoke(state, node?.id ?? null);
      case 'x':
        return remove(state, node?.id ?? null);
    }
  }
  return commonKey(state, key) ?? [state, []];
}

function openNode(state: TuiState, id: string): Step {
  const next = open({ ...state, selected: id }, { kind: 'node', id, tab: 'overview', scroll: 0 });
  return [{ ...next, detail: keepDetail(state, id) }, [{ do: 'load-detail', id }]];
}

const keepDetail = (state: TuiState, id: string) => (state.detail?.id === id ? state.detail : null);

/** As much as somebody reads on a screen. */
const LOG_INPUT = { lines: 200 };

/** Why nothing can be run on a machine; null when it can be tried. */
export function refusalToRun(state: TuiState, id: string): string | null {
  const node = state.nodes.get(id);
  if (node === undefined) return 'This machine is no longer part of the fleet';
  if (node.trust === 'revoked') return `${node.name} was revoked and runs nothing; palyra nodes restore ${node.name}`;
  return refusalOf(state, 'run');
}

function invoke(state: TuiState, id: string | null): Step {
  if (id === null) return [state, []];
  const refusal = refusalToRun(state, id);
  if (refusal !== null) return [notice(state, 'error', refusal), []];
  const next = open(
    { ...state, selected: id, detail: keepDetail(state, id) },
    { kind: 'invoke', node: id, form: emptyForm },
  );
  return [next, [{ do: 'load-detail', id }]];
}

function remove(state: TuiState, id: string | null): Step {
  const node = id === null ? undefined : state.nodes.get(id);
  if (node === undefined) return [state, []];
  const refusal = refusalOf(state, 'remove');
  if (refusal !== null) return [notice(state, 'error', refusal), []];
  return [
    { ...state, prompt: { kind: 'remove', node: node.id, name: node.name, field: emptyField }, notice: null },
    [],
  ];
}

export function nodeKey(state: TuiState, screen: Extract<Screen, { kind: 'node' }>, key: Key): Step {
  const show = (tab: Tab): Step => [{ ...state, screen: { ...screen, tab, scroll: 0 } }, []];
  const turn = (by: number) => show(TABS[(TABS.indexOf(screen.tab) + by + TABS.length) % TABS.length] ?? 'overview');
  const motion = motionOf(key);
  if (motion !== null) {
    const scroll = Math.max(
      0,
      moveIndex(screen.scroll, 10_000, motion === 'end' ? 'page-down' : motion, pageOf(state)),
    );
    return [{ ...state, screen: { ...screen, scroll } }, []];
  }
  if (key.name === 'tab' || key.name === 'right') return turn(1);
  if (key.name === 'back-tab') return turn(-1);
  if (key.name === 'enter' && screen.tab === 'health') return askMachine(state, screen.id, 'system.health', {});
  if (key.name === 'enter' && screen.tab === 'logs') return askMachine(state, screen.id, 'system.logs', LOG_INPUT);
  if (key.name === 'text') {
    const tab = TABS[Number(key.text) - 1];
    if (tab !== undefined) return show(tab);
    if (key.text === 'i') return invoke(state, screen.id);
    if (key.text === 'x') return remove(state, screen.id);
  }
  return commonKey(state, key) ?? [state, []];
}

/** A fresh run: what the tab shows is the last one of its capability. */
function askMachine(state: TuiState, id: string, capability: string, input: JsonValue): Step {
  const refusal = refusalToRun(state, id);
  if (refusal !== null) return [notice(state, 'error', refusal), []];
  return [notice(state, 'busy', 'Asking the machine…'), [{ do: 'run', node: id, capability, input }]];
}
