/** What the control socket answers beside the status: questions that wait, answers to them, and changes of what this machine allows. */
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { Deferred } from '../base/lifecycle.js';
import { isAnswer, type Question, type QuestionView } from '../base/questions.js';
import type { Catalog } from './capabilities/catalog.js';
import { capabilitySettings, changeSetting, type SettingChange } from './capability-settings.js';
import { WATCH_BEAT_MS, type ControlHandler } from './control.js';
import type { MediationDesk } from './mediation/desk.js';
import type { NodePolicy } from './policy.js';

export interface ControlParts {
  readonly clock: Clock;
  readonly catalog: Catalog;
  readonly policy: NodePolicy;
  /** Null: an embedder asks in its own way. */
  readonly desk: MediationDesk | null;
}

/** `{ op: 'approvals' | 'answer' | 'watch' | 'capabilities' | 'change', … }`. Anything else is REQUEST_INVALID. */
export function controlHandler({ clock, catalog, policy, desk }: ControlParts): ControlHandler {
  const views = () => (desk?.questions() ?? []).map(toView);
  return async (request, send, gone) => {
    const fields = (typeof request === 'object' && request !== null ? request : {}) as Record<string, unknown>;
    const text = (name: string): string => {
      const value = fields[name];
      if (typeof value !== 'string') throw new PalyraError('REQUEST_INVALID', { detail: `"${name}" is missing` });
      return value;
    };
    switch (fields['op']) {
      case 'approvals':
        return send({ questions: views() });
      case 'answer': {
        const answer = fields['answer'];
        if (!isAnswer(answer)) throw new PalyraError('REQUEST_INVALID', { detail: '"answer" is not one of the four' });
        if (desk === null) throw new PalyraError('APPROVAL_NOT_FOUND', { detail: text('id') });
        return send({ question: toView(desk.answer(text('id'), answer)), answer });
      }
      case 'watch':
        return watch(desk, clock, () => send({ questions: views() }), gone);
      case 'capabilities':
        return send({ capabilities: capabilitySettings(catalog, policy) });
      case 'change':
        return send(await changeSetting({ catalog, policy }, toChange(fields, text), clock.now()));
      default:
        throw new PalyraError('REQUEST_INVALID', { detail: 'the node does not know this request' });
    }
  };
}

/** Says what waits now, after each change, and often enough that both sides notice when the other is gone. */
async function watch(desk: MediationDesk | null, clock: Clock, say: () => void, gone: AbortSignal): Promise<void> {
  const over = new Deferred<void>();
  const unwatch = desk?.watch();
  const unlisten = desk?.onChange(say);
  let stopBeat = () => {};
  const beat = () => {
    say();
    stopBeat = clock.schedule(WATCH_BEAT_MS, beat);
  };
  gone.addEventListener('abort', () => over.resolve(), { once: true });
  if (!gone.aborted) {
    beat();
    await over.promise;
  }
  stopBeat();
  unlisten?.();
  unwatch?.();
}

function toChange(fields: Record<string, unknown>, text: (name: string) => string): SettingChange {
  const capability = text('capability');
  switch (fields['action']) {
    case 'enable':
    case 'disable':
      return { action: fields['action'], capability };
    case 'allow':
      return { action: 'allow', capability, pattern: text('pattern') };
    case 'forget':
      return { action: 'forget', capability, pattern: (fields['pattern'] ?? null) === null ? null : text('pattern') };
    default:
      throw new PalyraError('REQUEST_INVALID', { detail: 'the node does not know this change' });
  }
}

function toView({ labels: _labels, askedAt, expiresAt, ...question }: Question): QuestionView {
  return { ...question, askedAt: new Date(askedAt).toISOString(), expiresAt: new Date(expiresAt).toISOString() };
}
