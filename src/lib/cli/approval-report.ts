/** What an operator sees of a request to join or to log in: a line in the queue, the facts before the PIN is asked for, what became of it. */
import type { ApprovalView } from '../base/requests.js';
import { longDuration } from './durations.js';
import type { Column } from './table.js';
import { printable } from './text.js';

/** The id as people type it; `req_M4XT9Q`, `m4xt9q` and `M4XT` are accepted too. */
export function shortRequestId(id: string): string {
  return id.replace(/^req_/, '');
}

export function approvalColumns(now: number): Column<ApprovalView>[] {
  return [
    { header: 'ID', value: ({ id }) => shortRequestId(id) },
    { header: 'WHAT', value: whatOf },
    { header: 'WHO / WHERE', value: whoOf },
    { header: 'ASKED', value: ({ requestedAt }) => longDuration(Math.max(0, now - Date.parse(requestedAt))) },
    { header: 'ANSWER', value: (request) => answerOf(request) },
  ];
}

export const PLAIN_APPROVAL_COLUMNS: readonly Column<ApprovalView>[] = [
  { header: 'ID', value: ({ id }) => id },
  { header: 'KIND', value: ({ kind }) => kind },
  { header: 'STATE', value: ({ state }) => state },
  { header: 'NAME', value: ({ subject }) => subject.name },
  { header: 'ADDRESS', value: ({ subject }) => subject.address },
  { header: 'KEY', value: ({ subject }) => subject.keyWords },
  { header: 'ASKED', value: ({ requestedAt }) => requestedAt },
];

/** What the person who answers has said on the command line; shown with the facts before the PIN is asked for. */
export interface Intended {
  readonly as?: string | undefined;
  readonly replaces?: Replaced | null | undefined;
}

type Replaced = Pick<NonNullable<ApprovalView['replaces']>, 'name' | 'presence' | 'lastSeenAt'>;

/** Everything there is to know before answering; the PIN is not among it. */
export function approvalLines(request: ApprovalView, now: number, intended: Intended = {}): string[] {
  const { subject, kind } = request;
  const asked = longDuration(Math.max(0, now - Date.parse(request.requestedAt)));
  const from = `${subject.platform}/${subject.arch} · palyra ${subject.version} · from ${subject.address} · asked ${asked} ago`;
  return [
    `  ${{ join: 'join  ', login: 'login ', capabilities: 'node  ' }[kind]} ${subject.name} · ${from}`,
    ...(kind === 'capabilities'
      ? [`  wants  ${request.wants.join(', ')}`]
      : kind === 'join'
        ? joinLines(request, now, intended)
        : loginLines(request, intended)),
    ...(request.state === 'pending' ? [] : [`  state  ${endOf(request)}`]),
  ].map(printable);
}

function joinLines(request: ApprovalView, now: number, intended: Intended): string[] {
  const { subject, wants, replaces, state } = request;
  const decided = state === 'pending' ? (intended.replaces ?? null) : replaces;
  const at = request.decidedAt === null ? now : Date.parse(request.decidedAt);
  const taken = state === 'pending' && decided === null ? replaces : null;
  return [
    `  key    ${subject.keyWords}`,
    ...(subject.purpose === null ? [] : [`  for    ${subject.purpose}`]),
    ...(decided === null ? [] : [`  replaces ${replacedWords(decided, at)}`]),
    ...(taken === null
      ? []
      : [`  taken  the name belongs to ${replacedWords(taken, now)}: --replace ${taken.name}, or --name`]),
    `  gets   ${wants.length === 0 ? 'nothing: it announces no capabilities' : wants.join(', ')}`,
  ];
}

function loginLines({ operator, state }: ApprovalView, { as }: Intended): string[] {
  if (state !== 'pending') return operator === null ? [] : [`  as     ${operator}`];
  const whom = as ?? operator;
  return [`  as     ${whom ?? 'you'}: the program can do what ${whom ?? 'you'} can do`];
}

/** `pi-lab, offline for 12 d` */
function replacedWords({ name, presence, lastSeenAt }: Replaced, at: number): string {
  if (presence === 'online' || presence === 'late') return `${name}, which is online now`;
  if (lastSeenAt === null) return `${name}, never seen`;
  return `${name}, offline for ${longDuration(Math.max(0, at - Date.parse(lastSeenAt)))}`;
}

/** What the person is asked. */
export function pinQuestion({ kind, subject }: ApprovalView): string {
  const where = printable(kind === 'join' ? subject.name : subject.hostname);
  return kind === 'join' ? `? PIN shown on ${where}: ` : `? PIN shown by palyra login on ${where}: `;
}

/** `rejected by eva: "not ours"` */
export function endOf({ kind, state, decidedBy, reason, operator }: ApprovalView): string {
  const isYes = state === 'issued' || state === 'approved';
  const word = `${isYes ? 'approved' : state}${isYes && kind === 'login' ? ` as ${operator ?? ''}` : ''}`;
  return `${word}${decidedBy === null ? '' : ` by ${decidedBy}`}${reason === null ? '' : `: "${reason}"`}`;
}

function whatOf({ kind, subject, operator, wants }: ApprovalView): string {
  if (kind === 'join') return `join as "${subject.name}"`;
  if (kind === 'capabilities') return `${subject.name} wants ${wants.join(', ')}`;
  return operator === null ? 'log in' : `log in as ${operator}`;
}

function whoOf({ kind, subject }: ApprovalView): string {
  const where = `${subject.platform}/${subject.arch} · ${subject.address}`;
  if (kind === 'capabilities') return `new since it joined · ${where}`;
  return kind === 'join' ? `${where} · key ${subject.keyWords.slice(0, 4)}` : `${subject.hostname} · ${where}`;
}

function answerOf(request: ApprovalView): string {
  if (request.state !== 'pending') return endOf(request);
  const command = `palyra approvals approve ${shortRequestId(request.id)}`;
  return request.pinRequired ? `${command}  (asks for PIN)` : command;
}
