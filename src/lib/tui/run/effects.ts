/**
 * Does what the state asks for, through the same client calls as the command line, and tells what came of it as messages. Refusals are the daemon's own
 * words. Loads of one kind never overlap and are at least `LOAD_GAP_MS` apart: a storm of events asks for a list a few times a second, not once an event.
 */
import { sleep, type Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { NodeView } from '../../base/model.js';
import type { ApprovalView } from '../../base/requests.js';
import { inviteRequest } from '../../cli/invite-desk.js';
import { joinedLine } from '../../cli/invite-report.js';
import { followDispatch, sendDispatch } from '../../cli/dispatch-run.js';
import { endOf } from '../../cli/approval-report.js';
import { parseLabels } from '../../cli/flags.js';
import { messageOf } from '../../cli/output.js';
import type { ControlPlaneClient } from '../../client/control-plane-client.js';
import type { Effect, Message } from '../state/messages.js';

const LOAD_GAP_MS = 250;
/** As many rows as a screen and some scrolling need. */
const LISTED_DISPATCHES = 200;
/** How often a run is asked about its state. */
const SLICE_MS = 1000;

export type DaemonEffect = Exclude<Effect, { do: 'edit' | 'copy' | 'bell' | 'suspend' | 'repaint' | 'quit' }>;

export interface EffectDeps {
  readonly client: ControlPlaneClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly newKey: () => string;
  readonly send: (message: Message) => void;
}

export class Effects {
  readonly #deps: EffectDeps;
  readonly #loading = new Map<string, { again: boolean }>();

  constructor(deps: EffectDeps) {
    this.#deps = deps;
  }

  run(effect: DaemonEffect): void {
    if (effect.do === 'load' || effect.do === 'load-detail' || effect.do === 'show-invite') void this.#load(effect);
    else void this.#guarded(() => this.#do(effect), failureOf(effect));
  }

  /** One at a time, and once more when it was asked for meanwhile. */
  async #load(effect: DaemonEffect): Promise<void> {
    const kind = JSON.stringify(effect);
    const running = this.#loading.get(kind);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    const turn = { again: true };
    this.#loading.set(kind, turn);
    const { clock, signal } = this.#deps;
    while (turn.again && !signal.aborted) {
      turn.again = false;
      // A daemon that is away says so in the header; the lists come again when it is back.
      await this.#guarded(
        () => this.#do(effect),
        (error) => (isAway(error) ? null : failed(error)),
      );
      await sleep(clock, LOAD_GAP_MS, signal).catch(() => undefined);
    }
    this.#loading.delete(kind);
  }

  async #guarded(action: () => Promise<void>, told: (error: PalyraError) => Message | null): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (this.#deps.signal.aborted) return;
      const message = told(PalyraError.from(error));
      if (message !== null) this.#deps.send(message);
    }
  }

  async #do(effect: DaemonEffect): Promise<void> {
    const { client, send } = this.#deps;
    switch (effect.do) {
      case 'load':
        return this.#list(effect.what);
      case 'load-detail': {
        const [{ capabilities, recentDispatches }, device] = await Promise.all([
          client.showNode(effect.id),
          client.inventoryDevice(effect.id),
        ]);
        send({ type: 'detail', detail: { id: effect.id, capabilities, recent: recentDispatches, device } });
        return;
      }
      case 'show-dispatch':
        send({ type: 'dispatch', dispatch: await client.showDispatch(effect.id), purpose: 'show' });
        return;
      case 'approve':
        return this.#approve(effect);
      case 'reject': {
        const { request, changed } = await client.reject(
          effect.id,
          effect.reason === '' ? {} : { reason: effect.reason },
        );
        const name = request.kind === 'login' ? `Login on ${request.subject.hostname}` : request.subject.name;
        send({ type: 'done', text: changed ? `${name} rejected` : `${name}: already ${endOf(request)}` });
        send({ type: 'approvals', requests: await client.listApprovals() });
        return;
      }
      case 'remove': {
        const { node, changed } = await client.removeNode(effect.id);
        const what = changed ? 'removed; its certificate is no longer accepted' : 'was already removed';
        send({ type: 'done', text: `${node.name} ${what}` });
        return;
      }
      case 'invite':
        send({ type: 'invite', invite: await client.createInvite(inviteRequest({})) });
        return;
      case 'show-invite': {
        const invite = await client.showInvite(effect.id);
        send({ type: 'invite-changed', invite });
        return;
      }
      case 'run':
        return this.#dispatch(effect);
    }
  }

  async #list(what: 'session' | 'approvals' | 'dispatches'): Promise<void> {
    const { client, send } = this.#deps;
    if (what === 'session') {
      const { operator, role, scopes, daemon } = await client.getSession();
      send({ type: 'session', version: daemon.version, who: { operator, role, scopes } });
    } else if (what === 'approvals') send({ type: 'approvals', requests: await client.listApprovals() });
    else {
      const { dispatches } = await client.listDispatches({ limit: LISTED_DISPATCHES });
      send({ type: 'dispatches', dispatches });
    }
  }

  async #approve({ id, kind, pin, naming }: Extract<Effect, { do: 'approve' }>): Promise<void> {
    const words = naming.split(/\s+/).filter(Boolean);
    const [as] = kind === 'login' ? words.splice(0) : [];
    const name = words.find((word) => !word.includes('='));
    const labels = words.filter((word) => word.includes('='));
    const { node, request, changed } = await this.#deps.client.approve(id, {
      ...(pin === null ? {} : { pin }),
      noPin: false,
      ...(as === undefined ? {} : { as }),
      ...(name === undefined ? {} : { name }),
      ...(labels.length === 0 ? {} : { labels: parseLabels(labels) }),
    });
    const text = changed ? approvedText(request, node) : `${request.subject.name}: already ${endOf(request)}`;
    this.#deps.send({ type: 'approved', request: id, text });
  }

  async #dispatch({ node, capability, input }: Extract<Effect, { do: 'run' }>): Promise<void> {
    const { client, clock, signal, send, newKey } = this.#deps;
    const options = { clock, signal };
    const request = { node, capability, input, timeoutMs: undefined, queueMs: undefined, idempotencyKey: newKey() };
    const accepted = await sendDispatch(client, request, options);
    const onState = (dispatch: typeof accepted) => send({ type: 'dispatch', dispatch, purpose: 'run' });
    await followDispatch(client, accepted, { ...options, sliceMs: SLICE_MS, onState });
  }
}

function approvedText({ subject, operator, wants, ...request }: ApprovalView, node: NodeView | null): string {
  const kind: string = request.kind;
  if (kind === 'login') return `palyra on ${subject.hostname} is logged in as ${operator ?? ''}`;
  if (kind === 'capabilities') return `${subject.name} may now do ${wants.join(', ') || 'nothing'}`;
  return node === null ? `${subject.name} approved` : joinedLine(node);
}

const isAway = ({ reason }: PalyraError) => reason === 'DAEMON_UNREACHABLE' || reason === 'DAEMON_NOT_RUNNING';

const textOf = (error: PalyraError) => (error.hint === '' ? messageOf(error) : `${messageOf(error)} · ${error.hint}`);

const failed = (error: PalyraError): Message => ({ type: 'failed', text: textOf(error) });

function failureOf(effect: DaemonEffect): (error: PalyraError) => Message {
  if (effect.do === 'run') return (error) => ({ type: 'run-failed', text: textOf(error) });
  if (effect.do === 'approve') return (error) => ({ type: 'pin-refused', request: effect.id, text: textOf(error) });
  return failed;
}
