/**
 * Nouns of what a person at a machine is asked before something happens there: the question, the four answers, the ways to reach somebody. Shared by the
 * node, which asks, and the terminal, which shows. Text in a question may come from far away: whoever shows it makes it harmless first.
 */

/** `once`: this one time. `always`: this and everything that `pattern` fits. `mute`: no, and for an hour nobody is asked again for this caller. */
export const ANSWERS = ['once', 'always', 'deny', 'mute'] as const;
export type Answer = (typeof ANSWERS)[number];

/** In the order they are tried. `shell` is `palyra node approvals` in any shell of the machine's user. */
export const CHANNELS = ['terminal', 'dialog', 'shell'] as const;
export type ChannelName = (typeof CHANNELS)[number];

export interface Question {
  /** Of the dispatch. */
  readonly id: string;
  readonly capability: string;
  readonly summary: string;
  /** Who asks, as the daemon names them, and the daemon. */
  readonly requestedBy: string;
  readonly daemon: string;
  /** All of what would be acted on, such as the whole URL. */
  readonly subject: string;
  /** The part of `subject` that decides whether it can be trusted, such as the host; null: all of it. */
  readonly emphasis: string | null;
  /** What a person should know beside it. */
  readonly notes: readonly string[];
  /** What `always` would remember. */
  readonly pattern: string;
  readonly labels: Readonly<Record<Answer, string>>;
  readonly askedAt: number;
  /** From then on the answer is no. */
  readonly expiresAt: number;
}

/** How a person can be asked: a terminal, a dialog. */
export interface AskingChannel {
  readonly name: Exclude<ChannelName, 'shell'>;
  /** Whether somebody would see a question now. */
  available(): boolean;
  /** Resolves with what the person chose; closing or ignoring it is `deny`. Rejects when nobody can be asked this way after all, and when `signal` aborts. */
  ask(question: Question, signal: AbortSignal): Promise<Answer>;
}

/** A question as programs see it; times are RFC 3339. */
export interface QuestionView extends Omit<Question, 'askedAt' | 'expiresAt' | 'labels'> {
  readonly askedAt: string;
  readonly expiresAt: string;
}

export function isAnswer(word: unknown): word is Answer {
  return ANSWERS.includes(word as Answer);
}
