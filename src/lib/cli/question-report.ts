/** A question to the person at this machine, as text: who asks, the whole of what would be acted on, what decides whether to trust it. */
import type { Answer, Question, QuestionView } from '../base/questions.js';
import { longDuration } from './durations.js';
import { printable } from './text.js';

type Shown = Pick<Question, 'capability' | 'requestedBy' | 'daemon' | 'subject' | 'emphasis' | 'notes' | 'labels'>;

export const ANSWER_KEYS = 'o/a/d/m, Enter is no';

const WORDS: Readonly<Record<string, Answer>> = {
  '': 'deny',
  o: 'once',
  once: 'once',
  y: 'once',
  yes: 'once',
  a: 'always',
  always: 'always',
  d: 'deny',
  n: 'deny',
  no: 'deny',
  deny: 'deny',
  m: 'mute',
  mute: 'mute',
};

/** Null for a word that is no answer: it is asked for again. */
export function answerOfWord(line: string): Answer | null {
  const word = line.trim().toLowerCase();
  return Object.hasOwn(WORDS, word) ? WORDS[word]! : null;
}

export function questionLines(question: Shown, emphasise: (text: string) => string): string[] {
  const { labels } = question;
  return [
    '',
    printable(`? ${question.requestedBy} asks through ${question.daemon}: ${question.capability}`),
    `  ${subjectOf(question, emphasise)}`,
    ...question.notes.map((note) => printable(`  ! ${note}`)),
    `  [o] ${labels.once}   [a] ${labels.always}   [d] ${labels.deny}   [m] ${labels.mute}`,
  ];
}

/** The whole of it, the part that counts made to stand out. */
export function subjectOf(
  { subject, emphasis }: Pick<Question, 'subject' | 'emphasis'>,
  emphasise: (text: string) => string,
): string {
  const text = printable(subject);
  const part = emphasis === null ? '' : printable(emphasis);
  const at = part === '' ? -1 : text.indexOf(part);
  if (at === -1) return text;
  return `${text.slice(0, at)}${emphasise(part)}${text.slice(at + part.length)}`;
}

/** Of a list: the end of the dispatch's id is enough to answer it by. */
export function shortQuestionId(id: string): string {
  return id.slice(-6);
}

export function waitingLines(question: QuestionView, now: number, emphasise: (text: string) => string): string[] {
  const id = shortQuestionId(question.id);
  const left = longDuration(Math.max(0, Date.parse(question.expiresAt) - now));
  return [
    printable(`${id}  ${question.requestedBy} asks through ${question.daemon}: ${question.capability} · no in ${left}`),
    `        ${subjectOf(question, emphasise)}`,
    ...question.notes.map((note) => printable(`        ! ${note}`)),
    `        palyra node approvals approve ${id} [--always]   ·   palyra node approvals deny ${id} [--mute]`,
  ];
}
