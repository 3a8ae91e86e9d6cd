/** The command that does what the screen shows: it teaches scripting and makes reports of faults precise. Secrets are left out. */
import { shortRequestId } from '../../cli/approval-report.js';
import { shortInviteId } from '../../cli/invite-report.js';
import { printable } from '../../cli/text.js';
import { currentApproval } from './approvals.js';
import { currentDispatch } from './dispatch-selection.js';
import { currentNode } from './fleet.js';
import { pairsOf } from './invoke-form.js';
import { answerRefusal } from './rights.js';
import type { Screen, TuiState } from './state.js';

/** Null where there is nothing to do. */
export function commandOf(state: TuiState): string | null {
  const words = wordsOf(state);
  return words === null ? null : ['palyra', ...words, ...state.daemon.flags].map(quoted).join(' ');
}

function wordsOf(state: TuiState): readonly string[] | null {
  const { screen, prompt } = state;
  if (prompt?.kind === 'remove') return ['nodes', 'remove', prompt.name];
  if (prompt?.kind === 'pin') return [...approving(state, prompt.request), '--pin', '……'];
  if (prompt?.kind === 'reason')
    return ['approvals', 'reject', shortRequestId(prompt.request), '--reason', prompt.field.text || '…'];
  switch (screen.kind) {
    case 'fleet': {
      const node = currentNode(state);
      return node === null ? ['nodes', 'list'] : ['nodes', 'show', node.name];
    }
    case 'node': {
      const name = state.nodes.get(screen.id)?.name ?? screen.id;
      return screen.tab === 'logs' ? ['nodes', 'invoke', name, 'system.logs', 'lines=200'] : ['nodes', 'show', name];
    }
    case 'approvals': {
      const request = currentApproval(state);
      if (request === null) return ['approvals', 'list'];
      const isMine = answerRefusal(state.who, request, 'approve') === null;
      return isMine ? approving(state, request.id) : ['approvals', 'show', shortRequestId(request.id)];
    }
    case 'dispatches': {
      const row = screen.open ?? (screen.selected === null ? null : currentDispatch(state));
      return row === null ? ['dispatches', 'list'] : ['dispatches', 'show', row.id];
    }
    case 'invite':
      return screen.invite === null ? ['node', 'pair', '--qr'] : ['invites', 'revoke', shortInviteId(screen.invite.id)];
    case 'invoke':
      return invoking(state, screen);
    case 'help':
      return ['tui', '--help'];
  }
}

function approving(state: TuiState, id: string): readonly string[] {
  const words = state.naming?.request === id ? state.naming.text.split(/\s+/).filter(Boolean) : [];
  const isLogin = state.approvals.find((request) => request.id === id)?.kind === 'login';
  if (isLogin) return ['approvals', 'approve', shortRequestId(id), ...words.slice(0, 1).flatMap((as) => ['--as', as])];
  const name = words.find((word) => !word.includes('='));
  const labels = words.filter((word) => word.includes('=')).flatMap((label) => ['--label', label]);
  return ['approvals', 'approve', shortRequestId(id), ...(name === undefined ? [] : ['--name', name]), ...labels];
}

function invoking(state: TuiState, { node, form }: Extract<Screen, { kind: 'invoke' }>): readonly string[] {
  const name = state.nodes.get(node)?.name ?? node;
  if (form.offer === null) return ['nodes', 'show', name];
  const input = form.json === null ? pairsOf(form) : ['--input', form.json.trim()];
  return ['nodes', 'invoke', name, form.offer.name, ...input];
}

/** For a POSIX shell. */
function quoted(word: string): string {
  const text = printable(word);
  return /^[\w@%+=:,./…-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
