/** Questions of the node on this machine, seen and answered in another shell of its user. */
import { PalyraError } from '../base/errors.js';
import type { Answer, AskingChannel, QuestionView } from '../base/questions.js';
import type { Output } from './output.js';
import { subjectOf, waitingLines } from './question-report.js';
import { terminalChannel } from './terminal-questions.js';
import { printable } from './text.js';

export type AskHost = (path: string, request: { [key: string]: string }) => Promise<unknown>;

const LABELS: Readonly<Record<Answer, string>> = {
  once: 'Yes, once',
  always: 'Yes, always',
  deny: 'Deny',
  mute: 'Deny and mute 1 h',
};

export function noNodeHere(): PalyraError {
  return new PalyraError('DAEMON_UNREACHABLE', {
    detail: 'no node runs on this machine',
    hint: 'Start it: palyra node run',
  });
}

/** Throws APPROVAL_NOT_FOUND when it is over. */
export async function answerQuestion(ask: AskHost, path: string, output: Output, id: string, answer: Answer) {
  const given = (await ask(path, { op: 'answer', id, answer })) as { question: QuestionView } | null;
  if (given === null) throw noNodeHere();
  const { question } = given;
  output.done(printable(`${LABELS[answer]}: ${question.capability} ${subjectOf(question, (text) => text)}`));
  return { schema: 'palyra.node.approval/v1', question, answer };
}

export interface WatchOptions {
  readonly path: string;
  readonly askHost: AskHost;
  readonly canAsk: boolean;
  /** The watch is over: nothing is asked any more. */
  readonly signal: AbortSignal;
}

/** Tells each question once, and when it is over; asks in the terminal when there is one. */
export class QuestionWatch {
  readonly #output: Output;
  readonly #options: WatchOptions;
  /** One for all questions: they come one after the other. */
  readonly #channel: AskingChannel | null;
  readonly #known = new Map<string, { readonly question: QuestionView; readonly over: AbortController }>();

  constructor(output: Output, options: WatchOptions) {
    this.#output = output;
    this.#options = options;
    this.#channel = terminalChannel({ input: process.stdin, output: process.stderr }, options.canAsk);
  }

  /** One line of the node: everything that waits now. */
  take(line: unknown): void {
    const questions = (line as { questions?: QuestionView[] } | null)?.questions ?? [];
    for (const [id, { question, over }] of this.#known) {
      if (questions.some((other) => other.id === id)) continue;
      this.#known.delete(id);
      over.abort(new Error('It is over'));
      if (this.#output.json) this.#output.line({ type: 'over', question });
    }
    for (const question of questions) if (!this.#known.has(question.id)) this.#tell(question);
  }

  #tell(question: QuestionView): void {
    const over = new AbortController();
    this.#known.set(question.id, { question, over });
    if (this.#output.json) {
      this.#output.line({ type: 'question', question });
      return;
    }
    const channel = this.#channel;
    if (channel === null) {
      for (const line of waitingLines(question, Date.now(), (text) => text)) this.#output.result(line);
      return;
    }
    void this.#ask(channel, question, AbortSignal.any([over.signal, this.#options.signal]));
  }

  async #ask(channel: AskingChannel, view: QuestionView, signal: AbortSignal) {
    const { path, askHost } = this.#options;
    try {
      const times = { askedAt: Date.parse(view.askedAt), expiresAt: Date.parse(view.expiresAt) };
      const answer = await channel.ask({ ...view, ...times, labels: LABELS }, signal);
      await askHost(path, { op: 'answer', id: view.id, answer });
    } catch (error) {
      if (!signal.aborted) this.#output.say(`  ${PalyraError.from(error).message}`);
    }
  }
}
