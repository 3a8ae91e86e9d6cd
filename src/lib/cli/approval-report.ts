/**
 * What an operator sees of a request: a line in the queue, the facts before the PIN is asked for, what became of it. A daemon may be newer than this and
 * know requests that this does not: they are shown for what they are, never as something else.
 */
import type { ApprovalView } from '../base/requests.js';
import { longDuration, shortDuration } from './durations.js';
import { isHere } from './node-columns.js';
import { shortQuestionId } from './question-report.js';
import type { Column } from './table.js';
import { printable } from './text.js';

/** The id as people type it; `req_M4XT9Q`, `m4xt9q` and `M4XT` are accepted too. A question at a machine goes by the id that the machine shows. */
export function shortRequestId(id: string): string {
  return id.startsWith('dsp_') ? shortQuestionId(id) : id.replace(/^req_/, '');
}

const KNOWN_KINDS: readonly string[] = ['join', 'login', 'capabilities', 'local'];
/** Of what a run is given, in a row of a list. */
const MAX_ROW_WORDS = 60;

/** Whether this version knows what such a request asks for, and how it is answered. */
export function isKnownKind(kind: string): boolean {
  return KNOWN_KINDS.includes(kind);
}

export function approvalColumns(now: number): Column<ApprovalView>[] {
  return [
    { header: 'ID', value: ({ id }) => shortRequestId(id) },
    { header: 'WHAT', value: whatOf },
    { header: 'WHO / WHERE', value: whoOf },
    { header: 'ASKED', value: ({ requestedAt }) => longDuration(Math.max(0, now - Date.parse(requestedAt))) },
    { header: 'ANSWER', value: (request) => answerOf(request, now) },
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
  const { subject } = request;
  const kind: string = request.kind;
  if (request.kind === 'local') return localLines(request, now).map(printable);
  const asked = longDuration(Math.max(0, now - Date.parse(request.requestedAt)));
  const from = `${subject.platform}/${subject.arch} · palyra ${subject.version} · from ${subject.address} · asked ${asked} ago`;
  return [
    `  ${KIND_WORDS[kind] ?? 'asks  '} ${subject.name} · ${from}`,
    ...(kind === 'join'
      ? joinLines(request, now, intended)
      : kind === 'login'
        ? loginLines(request, intended)
        : [
            `  wants  ${request.wants.join(', ') || '—'}`,
            ...(isKnownKind(kind) ? [] : [`  kind   ${kind}: this version of palyra does not know it`]),
          ]),
    ...(request.state === 'pending' ? [] : [`  state  ${endOf(request)}`]),
  ].map(printable);
}

const KIND_WORDS: Readonly<Record<string, string>> = { join: 'join  ', login: 'login ', capabilities: 'node  ' };

function joinLines(request: ApprovalView, now: number, intended: Intended): string[] {
  const { subject, wants, replaces, state } = request;
  const byInvite = request.takesPlace ? replaces : null;
  const decided = state === 'pending' ? (intended.replaces ?? byInvite) : replaces;
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

function localLines({ id, subject, asked, ...request }: ApprovalView, now: number): string[] {
  const ago = longDuration(Math.max(0, now - Date.parse(request.requestedAt)));
  const left = shortDuration(Date.parse(request.expiresAt) - now);
  return [
    `  there  ${subject.name} · ${subject.platform}/${subject.arch} · palyra ${subject.version} · from ${subject.address} · asked ${ago} ago`,
    `  run    ${asked?.capability ?? request.wants.join(', ')} for ${asked?.requestedBy ?? '—'}`,
    ...(asked === null || asked.what === null ? [] : [`  with   ${asked.what}`]),
    `  answer ${whereOf(subject.name, asked?.channel ?? null)}; in ${left} it is no`,
    `  there: palyra node approvals approve ${shortRequestId(id)}`,
  ];
}

/** Where somebody is asked. */
function whereOf(node: string, channel: NonNullable<ApprovalView['asked']>['channel']): string {
  if (channel === 'terminal') return `only at ${node}, in the terminal of its node`;
  return channel === 'dialog' ? `only at ${node}, in a window` : `only at ${node}`;
}

function loginLines({ operator, state }: ApprovalView, { as }: Intended): string[] {
  if (state !== 'pending') return operator === null ? [] : [`  as     ${operator}`];
  const whom = as ?? operator;
  return [`  as     ${whom ?? 'you'}: the program can do what ${whom ?? 'you'} can do`];
}

/** `pi-lab, offline for 12 d` */
export function replacedWords({ name, presence, lastSeenAt }: Replaced, at: number): string {
  if (isHere({ presence })) return `${name}, which is online now`;
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

/** What is asked for, in a few words. */
export function whatOf({ subject, operator, wants, ...request }: ApprovalView): string {
  const kind: string = request.kind;
  if (kind === 'join') return `join as "${subject.name}"`;
  if (kind === 'capabilities') return `${subject.name} wants ${wants.join(', ')}`;
  if (kind === 'local') return `${subject.name}: ${localWords(wants, request.asked, MAX_ROW_WORDS)}`;
  if (kind !== 'login') return `${subject.name} asks for ${kind}`;
  return operator === null ? 'log in' : `log in as ${operator}`;
}

/** Who asks, and from where. */
export function whoOf({ subject, ...request }: ApprovalView): string {
  const kind: string = request.kind;
  const where = `${subject.platform}/${subject.arch} · ${subject.address}`;
  if (kind === 'local') return `asked by ${request.asked?.requestedBy ?? '—'} · at the machine`;
  if (kind === 'capabilities') return `new since it joined · ${where}`;
  return kind === 'join' ? `${where} · key ${subject.keyWords.slice(0, 4)}` : `${subject.hostname} · ${where}`;
}

/** `desktop.open_url https://intra.corp/…` */
function localWords(wants: readonly string[], asked: ApprovalView['asked'] | undefined, longest: number): string {
  const what = asked?.what ?? '';
  return `${wants.join(', ')} ${what.length > longest ? `${what.slice(0, longest - 1)}…` : what}`.trimEnd();
}

function answerOf(request: ApprovalView, now: number): string {
  if (request.state !== 'pending') return endOf(request);
  if (request.kind === 'local')
    return `only on ${request.subject.name}, ${shortDuration(Date.parse(request.expiresAt) - now)} left`;
  if (!isKnownKind(request.kind)) return 'needs a newer palyra';
  const command = `palyra approvals approve ${shortRequestId(request.id)}`;
  return request.pinRequired ? `${command}  (asks for PIN)` : command;
}
