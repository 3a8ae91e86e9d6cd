/**
 * The terminal UI as a conversation, for screen readers, serial consoles and terminals that cannot draw. It is the same state and the same effects as
 * the screens; only what is said is its own. Output is appended, never redrawn; what happens unasked is told at most once a second.
 */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { JsonValue } from '../../base/model.js';
import { outcomeHint, outcomeLine } from '../../cli/dispatch-report.js';
import { isSettled } from '../../cli/exit-codes.js';
import { joinCommand, typedCommand } from '../../cli/invite-report.js';
import { inputFromPairs } from '../../cli/invoke-input.js';
import type { LineTalk } from '../../cli/line-talk.js';
import { messageOf } from '../../cli/output.js';
import { printable, printableJson } from '../../cli/text.js';
import type { ControlPlaneClient } from '../../client/control-plane-client.js';
import { Effects, type DaemonEffect } from '../run/effects.js';
import { watchDaemon } from '../run/watcher.js';
import { shownApprovals } from '../state/approvals.js';
import type { Message } from '../state/messages.js';
import { answerRefusal, refusalOfEffect, seesWhat, type Who } from '../state/rights.js';
import { initialState, type TuiState } from '../state/state.js';
import { update } from '../state/update.js';
import { Announcer } from './announcer.js';
import * as say from './sentences.js';

export interface LineModeDeps {
  readonly client: ControlPlaneClient;
  readonly clock: Clock;
  readonly talk: LineTalk;
  readonly newKey: () => string;
}

export interface LineModeOptions {
  readonly daemon: TuiState['daemon'];
  readonly who: Who;
  readonly readOnly: boolean;
}

/** Lines of a list that are read out at once. */
const LISTED = 40;
const LISTED_DISPATCHES = 10;
/** Every request listens to the end. */
const MAX_LISTENERS = 200;

/** What the next line answers. */
type Topic =
  | { readonly kind: 'menu' }
  | { readonly kind: 'request'; readonly id: string }
  | { readonly kind: 'reason'; readonly id: string };

/** Until `q`, the end of input or the signal. */
export async function runLineMode(deps: LineModeDeps, options: LineModeOptions, signal: AbortSignal): Promise<void> {
  return new LineMode(deps, options).run(signal);
}

class LineMode {
  readonly #deps: LineModeDeps;
  readonly #ended = new AbortController();
  readonly #effects: Effects;
  readonly #announcer: Announcer;
  #state: TuiState;
  #topic: Topic = { kind: 'menu' };
  #greeted = false;
  #failure: PalyraError | null = null;

  constructor(deps: LineModeDeps, { daemon, who, readOnly }: LineModeOptions) {
    const { client, clock, newKey, talk } = deps;
    setMaxListeners(MAX_LISTENERS, this.#ended.signal);
    this.#deps = deps;
    this.#announcer = new Announcer(clock, (text) => talk.print(`\n${text}\n> `));
    const send = (message: Message) => this.#take(message);
    this.#effects = new Effects({ client, clock, newKey, signal: this.#ended.signal, send });
    this.#state = initialState({ now: clock.now(), size: { columns: 80, rows: 24 }, readOnly, daemon, who });
  }

  async run(signal: AbortSignal): Promise<void> {
    const end = () => this.#ended.abort();
    if (signal.aborted) return;
    signal.addEventListener('abort', end, { once: true });
    const { client, clock, talk } = this.#deps;
    const watching = watchDaemon({ client, clock, signal: this.#ended.signal, send: (message) => this.#take(message) });
    watching.catch((error: unknown) => {
      this.#failure ??= PalyraError.from(error);
      end();
    });
    try {
      for await (const line of talk.lines(this.#ended.signal)) {
        if (['q', 'quit', 'exit'].includes(line.trim().toLowerCase())) break;
        this.#read(line.trim());
      }
    } finally {
      end();
      this.#announcer.stop();
      signal.removeEventListener('abort', end);
    }
    await watching.catch(() => undefined);
    if (this.#failure !== null) throw this.#failure;
  }

  /** An answer to the operator, and the prompt after it. */
  #say(...lines: readonly string[]): void {
    this.#deps.talk.print([...lines.map(printable), '> '].join('\n'));
  }

  #take(message: Message): void {
    if (this.#ended.signal.aborted) return;
    const [state, effects] = update(this.#state, message, this.#deps.clock.now());
    const before = this.#state;
    // Sentences of the footer belong to screens.
    this.#state = { ...state, notice: null, prompt: null };
    for (const effect of effects) if ('what' in effect) this.#effects.run(effect);
    this.#tell(message, before);
  }

  #tell(message: Message, before: TuiState): void {
    switch (message.type) {
      case 'watch':
        if (this.#greeted) for (const item of message.items) this.#announcer.add(say.eventSentence(item));
        return;
      case 'approvals':
        for (const request of this.#greeted ? newIn(this.#state, before) : [])
          this.#announcer.add(say.requestSentence(request, this.#state));
        return this.#greet();
      case 'session':
        return this.#greet();
      case 'connection':
        if (message.lost === null)
          this.#announcer.add({ subject: 'daemon', text: 'Connected again.', about: 'daemon' });
        else if (before.connection.state !== 'lost')
          this.#announcer.add({
            subject: 'daemon',
            text: `Connection to the daemon lost: ${message.lost}.`,
            about: 'daemon',
          });
        return;
      case 'done':
      case 'failed':
      case 'approved':
      case 'pin-refused':
      case 'run-failed':
        return this.#say(message.text);
      case 'dispatch': {
        const { dispatch } = message;
        if (!isSettled(dispatch.state)) return;
        const hint = outcomeHint(dispatch);
        const output = dispatch.state === 'succeeded' ? printableJson(dispatch.output).split('\n') : [];
        return this.#say(outcomeLine(dispatch), ...(hint === null ? [] : [hint]), ...output);
      }
      case 'invite':
        return this.#say(
          'On the other machine type:',
          joinCommand(message.invite),
          `or the code: ${typedCommand(message.invite)}`,
        );
    }
  }

  /** Once everything that may be seen was listed. */
  #greet(): void {
    if (this.#greeted || !(this.#state.heard || !seesWhat(this.#state.who, 'approvals'))) return;
    this.#greeted = true;
    this.#say(say.greeting(this.#state), say.menu(this.#state));
  }

  #read(line: string): void {
    const topic = this.#topic;
    this.#topic = { kind: 'menu' };
    if (topic.kind === 'reason') return this.#do({ do: 'reject', id: topic.id, reason: line });
    if (topic.kind === 'request' && this.#answered(topic.id, line)) return;
    const [word = '', ...rest] = line.split(/\s+/);
    switch (word.toLowerCase()) {
      case '':
        return this.#say(say.menu(this.#state));
      case '1':
      case 'nodes':
        return this.#nodes();
      case '2':
      case 'approvals':
        return this.#request(0);
      case '3':
      case 'dispatches':
        return this.#dispatches();
      case 'node':
        return this.#node(rest.join(' '));
      case 'run':
        return void this.#run(rest);
      case 'n':
      case 'new':
        return this.#do({ do: 'invite' });
      case 'h':
      case '?':
      case 'help':
        return this.#say(...say.HELP);
      default:
        return this.#say(`"${word}" is not known here. ${say.menu(this.#state)}`);
    }
  }

  #do(effect: DaemonEffect): void {
    const refusal = refusalOfEffect(this.#state, effect);
    if (refusal !== null) return this.#say(`${refusal}.`);
    this.#effects.run(effect);
  }

  #nodes(): void {
    const { order, nodes, now, connection } = this.#state;
    const live = connection.state === 'live';
    const lines = order.slice(0, LISTED).map((id) => say.nodeSentence(nodes.get(id)!, now, live));
    const more = order.length > LISTED ? [`And ${order.length - LISTED} more; type node and a name.`] : [];
    const away = live ? [] : ['The daemon cannot be reached; this is how it was.'];
    this.#say(...away, ...(lines.length === 0 ? ['No nodes yet. Type n to invite one.'] : lines), ...more);
  }

  #node(name: string): void {
    const { nodes, now, connection } = this.#state;
    const node = [...nodes.values()].find((candidate) => candidate.name === name || candidate.id === name);
    if (node === undefined) return this.#say(`There is no node called "${name}".`);
    this.#say(...say.nodeSentences(node, now, connection.state === 'live'));
  }

  #dispatches(): void {
    const rows = this.#state.dispatches.slice(-LISTED_DISPATCHES).map((row) => say.dispatchSentence(row));
    if (!seesWhat(this.#state.who, 'dispatches')) return this.#say(say.NO_SIGHT);
    this.#say(...(rows.length === 0 ? ['Nothing was run yet.'] : rows));
  }

  #request(index: number): void {
    if (!seesWhat(this.#state.who, 'approvals')) return this.#say(say.NO_SIGHT);
    const pending = shownApprovals(this.#state);
    const request = pending[index];
    if (request === undefined)
      return this.#say(
        index === 0 ? 'Nothing waits for an answer.' : `That was the last one. ${say.menu(this.#state)}`,
      );
    this.#topic = { kind: 'request', id: request.id };
    this.#say(say.approvalSentence(request, index, pending.length, this.#state));
  }

  /** Whether the line was an answer to the request, and not a word of the menu. */
  #answered(id: string, line: string): boolean {
    const pending = shownApprovals(this.#state);
    const index = pending.findIndex((request) => request.id === id);
    const request = pending[index];
    if (line === '') {
      this.#request(index + 1);
      return true;
    }
    if (request === undefined) return false;
    const digits = line.replace(/[\s-]/g, '');
    const isPin = request.pinRequired && /^\d{6}$/.test(digits);
    if (isPin || (!request.pinRequired && line.toLowerCase() === 'yes')) {
      // After a wrong PIN the next line is another attempt.
      this.#topic = { kind: 'request', id };
      this.#do({ do: 'approve', id, kind: request.kind, pin: isPin ? digits : null, naming: '' });
      return true;
    }
    if (line.toLowerCase() !== 'r') return false;
    const refusal = answerRefusal(this.#state.who, request, 'reject');
    if (refusal !== null) {
      this.#say(`${refusal}.`);
      return true;
    }
    this.#topic = { kind: 'reason', id };
    this.#say(
      `Why? ${request.kind === 'login' ? 'The program' : request.subject.name} is told. Enter alone gives no reason.`,
    );
    return true;
  }

  async #run([name, capability, ...pairs]: readonly string[]): Promise<void> {
    if (name === undefined || capability === undefined)
      return this.#say('Type it like this: run pi-lab echo text=hello');
    let input: JsonValue;
    let node: string;
    try {
      const shown = await this.#deps.client.showNode(name);
      node = shown.node.id;
      const offer = shown.capabilities.find((candidate) => candidate.name === capability);
      input = inputFromPairs(pairs, offer?.inputSchema ?? null);
    } catch (error) {
      return this.#say(messageOf(PalyraError.from(error)));
    }
    this.#do({ do: 'run', node, capability, input });
  }
}

/** Requests that wait and did not before. */
function newIn(state: TuiState, before: TuiState) {
  const known = new Set(before.approvals.map(({ id }) => id));
  return shownApprovals(state).filter(({ id }) => !known.has(id));
}
