/**
 * Where a dispatch's question meets a person's answer.
 *
 *   ask ─► a rule allows it? ─► muted? ─► whom can we ask? ─► open ──answer / time-out / abort──► written down ─► yes or no
 *            └ yes, at once       └ no       └ nobody: no, at once
 *
 * The first channel that is there shows the question; a shell of the machine's user (`palyra node approvals`) may answer it too, and the first answer
 * counts. A channel that fails hands on to the next one.
 *
 * Always true (test/property/mediation.property.ts): a yes is in the policy's decisions, on disk, before anybody hears of it; without an answer it is no.
 */
import type { Clock } from '../../base/clock.js';
import { PalyraError, REASONS } from '../../base/errors.js';
import { Deferred } from '../../base/lifecycle.js';
import type { Log } from '../../base/log.js';
import type { Answer, AskingChannel, ChannelName, Question } from '../../base/questions.js';
import { isAnswer } from '../../base/questions.js';
import { exactInput } from '../capabilities/consent.js';
import type { MediationAnswer, MediationRequest, Mediator } from '../mediator.js';
import type { Decision, NodePolicy } from '../policy.js';

/** How long "deny and mute" lasts. */
export const MUTE_MS = 3_600_000;
/** A subject is shown whole; one longer than this cannot be read by anybody and is refused. */
const MAX_SUBJECT_LENGTH = 8_192;

export interface DeskDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly policy: NodePolicy;
  /** In the order they are tried. */
  readonly channels: readonly AskingChannel[];
}

export interface DeskOptions {
  readonly daemon: string;
  /** Whose machine it is: the user the node runs as. */
  readonly person: string;
  /** By capability, in milliseconds; else the default of one minute. */
  readonly timeoutMs: (capability: string) => number;
  /** Questions of this capability wait for `palyra node approvals` although nobody watches. */
  readonly mayWait: (capability: string) => boolean;
}

interface Given {
  readonly answer: Answer;
  readonly via: ChannelName;
  readonly by: string;
}

interface Open {
  readonly question: Question;
  readonly given: Deferred<Given>;
}

export class MediationDesk implements Mediator {
  readonly #deps: DeskDeps;
  readonly #options: DeskOptions;
  readonly #open = new Map<string, Open>();
  readonly #listeners = new Set<() => void>();
  #watchers = 0;

  constructor(deps: DeskDeps, options: DeskOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Whom a question would reach now, in that order. */
  channels(capability?: string): ChannelName[] {
    const names: ChannelName[] = this.#deps.channels.filter((channel) => channel.available()).map(({ name }) => name);
    const waits = capability !== undefined && this.#options.mayWait(capability);
    return this.#watchers > 0 || waits ? [...names, 'shell'] : names;
  }

  /** What waits for an answer, oldest first. */
  questions(): Question[] {
    return [...this.#open.values()].map(({ question }) => question);
  }

  /** Called when a question comes or goes, and when somebody starts or stops to watch. Returns what ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Somebody looks at the questions in a shell until the returned function is called. */
  watch(): () => void {
    this.#watchers += 1;
    this.#changed();
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#watchers -= 1;
      this.#changed();
    };
  }

  /** Answers from a shell; `text` is the id or its unique beginning or end. Throws APPROVAL_NOT_FOUND. */
  answer(text: string, answer: Answer): Question {
    const fits = [...this.#open.values()].filter(
      ({ question: { id } }) => id === text || id.endsWith(text.toUpperCase()),
    );
    const [only, ...others] = text === '' ? [] : fits;
    if (only === undefined || others.length > 0) {
      throw new PalyraError('APPROVAL_NOT_FOUND', {
        detail: `${text}${others.length > 0 ? ' fits several questions' : ' does not wait for an answer on this machine'}`,
        hint: 'See what waits: palyra node approvals list',
      });
    }
    only.given.resolve({ answer, via: 'shell', by: this.#options.person });
    return only.question;
  }

  async ask(request: MediationRequest, signal: AbortSignal): Promise<MediationAnswer> {
    const { policy, clock } = this.#deps;
    const { definition, requestedBy, id } = request;
    const question = this.#question(request);
    const facts = { dispatch: id, capability: definition.name, subject: question.subject, requestedBy };
    const rule = policy.allowedBy(definition, request.input);
    if (rule !== null) {
      await policy.decide({ ...facts, answer: 'always', via: 'rule', by: rule.by, at: clock.now() });
      return { allowed: true };
    }
    const mutedUntil = policy.mutedUntil(definition.name, requestedBy, clock.now());
    if (mutedUntil !== null) {
      return no(
        'MUTED_AT_MACHINE',
        `nobody is to be asked by ${requestedBy} until ${new Date(mutedUntil).toISOString()}`,
      );
    }
    const given = await this.#put(question, request, signal);
    if (given === null) return this.#nobody(question);
    const decision: Decision = { ...facts, answer: given.answer, via: given.via, by: given.by, at: clock.now() };
    await policy.decide(decision, this.#lasting(question, given.answer));
    signal.throwIfAborted();
    this.#deps.log.info('answered', {
      dispatch: id,
      capability: definition.name,
      answer: given.answer,
      via: given.via,
    });
    if (given.answer === 'once' || given.answer === 'always') return { allowed: true };
    if (given.by === '')
      return no(
        'NOT_ANSWERED',
        `nobody answered at the machine within ${Math.round((question.expiresAt - question.askedAt) / 1000)} s`,
      );
    return no('DENIED_AT_MACHINE', `refused at the machine ("${question.labels[given.answer]}", by ${given.by})`);
  }

  /** Null: there is nobody. Nobody answered in time: `deny` by nobody. */
  async #put(question: Question, request: MediationRequest, signal: AbortSignal): Promise<Given | null> {
    const { clock, channels } = this.#deps;
    const { capability, id } = question;
    const hasShell = () => this.channels(capability).includes('shell');
    const waiting = channels.filter((channel) => channel.available());
    if (waiting.length === 0 && !hasShell()) return null;
    signal.throwIfAborted();
    const entry: Open = { question, given: new Deferred() };
    entry.given.promise.catch(() => undefined);
    const over = new AbortController();
    const onAbort = () => entry.given.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const stopTimer = clock.schedule(question.expiresAt - question.askedAt, () =>
      entry.given.resolve({ answer: 'deny', via: waiting[0]?.name ?? 'shell', by: '' }),
    );
    this.#open.set(id, entry);
    this.#changed();
    const say = (channel: ChannelName) =>
      request.onAsking({ channel, timeLeftMs: Math.max(1, question.expiresAt - clock.now()) });
    const unheard = new Deferred<null>();
    let onlyShell = false;
    void this.#show(waiting, entry, over.signal, say).then((isShown) => {
      if (isShown || over.signal.aborted) return;
      onlyShell = true;
      if (hasShell()) say('shell');
      else unheard.resolve(null);
    });
    // Whoever watched has left: nobody sees it any more.
    const unlisten = this.onChange(() => {
      if (onlyShell && !hasShell()) unheard.resolve(null);
    });
    try {
      return await Promise.race([entry.given.promise, unheard.promise]);
    } finally {
      over.abort(new Error('The question is over'));
      stopTimer();
      unlisten();
      signal.removeEventListener('abort', onAbort);
      this.#open.delete(id);
      this.#changed();
    }
  }

  /** Tries one channel after the other. False when none of them could ask. */
  async #show(
    channels: readonly AskingChannel[],
    { question, given }: Open,
    over: AbortSignal,
    say: (channel: ChannelName) => void,
  ): Promise<boolean> {
    for (const channel of channels) {
      if (over.aborted) return true;
      say(channel.name);
      try {
        const answer = await channel.ask(question, over);
        given.resolve({ answer: isAnswer(answer) ? answer : 'deny', via: channel.name, by: this.#options.person });
        return true;
      } catch (error) {
        if (over.aborted) return true;
        this.#deps.log.warn('a way to ask failed', { channel: channel.name, problem: PalyraError.from(error).message });
      }
    }
    return false;
  }

  #question({ id, definition, input, requestedBy, timeLeftMs }: MediationRequest): Question {
    const consent = definition.consent ?? exactInput;
    const { text, emphasis, notes, pattern } = consent.subject(input);
    if (text.length > MAX_SUBJECT_LENGTH) {
      throw new PalyraError('INPUT_TOO_LARGE', { detail: 'it is too long for a person to read before they say yes' });
    }
    const now = this.#deps.clock.now();
    return {
      id,
      capability: definition.name,
      summary: definition.summary,
      requestedBy,
      daemon: this.#options.daemon,
      subject: text,
      emphasis,
      notes,
      pattern,
      labels: {
        once: `${consent.verb} once`,
        always: `Always for ${consent.scope}`,
        deny: 'Deny',
        mute: 'Deny and mute 1 h',
      },
      askedAt: now,
      // The no is said before the deadline of the dispatch passes, so that whoever waits hears why.
      expiresAt: now + Math.min(this.#options.timeoutMs(definition.name), timeLeftMs - Math.min(1_000, timeLeftMs / 5)),
    };
  }

  #lasting({ capability, pattern, requestedBy }: Question, answer: Answer) {
    const now = this.#deps.clock.now();
    if (answer === 'always') return { allow: { capability, pattern, addedAt: now, by: 'answer' as const } };
    if (answer === 'mute') return { mute: { capability, requestedBy, until: now + MUTE_MS } };
    return {};
  }

  #nobody({ capability, pattern }: Question): MediationAnswer {
    const { title } = REASONS.NO_ONE_CAN_BE_ASKED;
    const hint = `On that machine: palyra node run in a terminal, palyra node approvals watch, or palyra node capabilities allow ${capability} '${pattern}'`;
    return no('NO_ONE_CAN_BE_ASKED', `${title}. ${hint}`);
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

function no(code: string, message: string): MediationAnswer {
  return { allowed: false, error: { code, message } };
}
