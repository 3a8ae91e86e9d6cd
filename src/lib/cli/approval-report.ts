/** What an operator sees of a request to join: a line in the queue, the facts before the PIN is asked for, what became of it. */
import type { ApprovalView } from '../base/model.js';
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
    { header: 'WHAT', value: ({ subject }) => `join as "${subject.name}"` },
    { header: 'WHO / WHERE', value: ({ subject }) => `${whereOf(subject)} · key ${subject.keyWords.slice(0, 4)}` },
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

/** Everything there is to know before answering; the PIN is not among it. */
export function approvalLines(request: ApprovalView, now: number): string[] {
  const { subject, wants } = request;
  const asked = longDuration(Math.max(0, now - Date.parse(request.requestedAt)));
  return [
    `  join   ${subject.name} · ${subject.platform}/${subject.arch} · palyra ${subject.version} · from ${subject.address} · asked ${asked} ago`,
    `  key    ${subject.keyWords}`,
    ...(subject.purpose === null ? [] : [`  for    ${subject.purpose}`]),
    `  gets   ${wants.length === 0 ? 'nothing: it announces no capabilities' : wants.join(', ')}`,
    ...(request.state === 'pending' ? [] : [`  state  ${endOf(request)}`]),
  ].map(printable);
}

/** `rejected by eva: "not ours"` */
export function endOf({ state, decidedBy, reason }: ApprovalView): string {
  const word = state === 'issued' ? 'approved' : state;
  return `${word}${decidedBy === null ? '' : ` by ${decidedBy}`}${reason === null ? '' : `: "${reason}"`}`;
}

function whereOf(subject: ApprovalView['subject']): string {
  return `${subject.platform}/${subject.arch} · ${subject.address}`;
}

function answerOf(request: ApprovalView): string {
  if (request.state !== 'pending') return endOf(request);
  const command = `palyra approvals approve ${shortRequestId(request.id)}`;
  return request.pinRequired ? `${command}  (asks for PIN)` : command;
}
