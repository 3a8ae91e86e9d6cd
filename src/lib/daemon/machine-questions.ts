/**
 * What people at machines are being asked right now, as a part of the approvals queue: everybody sees what holds a run up, and where it is answered. Read
 * only: a question at a machine is answered there and nowhere else, by whom the machine asked.
 *
 * What a run would be done with is shown to those only who may see what runs are given.
 */
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { Caller, DispatchRecord, NodeView } from '../base/model.js';
import type { ApprovalView } from '../base/requests.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import { hasScope } from './policy.js';

/** Enough for a long URL; the whole input is shown with the dispatch. */
const MAX_WHAT = 500;
/** The shortest end of a dispatch's id that is looked up; the machine's own list shows six characters. */
const MIN_END = 6;

interface Asked {
  readonly record: DispatchRecord;
  readonly node: NodeView;
}

export class MachineQuestions {
  readonly #runtime: Pick<NodeRuntime, 'overview'>;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(runtime: Pick<NodeRuntime, 'overview'>, clock: Pick<Clock, 'now'>) {
    this.#runtime = runtime;
    this.#clock = clock;
  }

  /** Oldest first; as many at most as runs may be open. */
  list(caller: Caller): ApprovalView[] {
    const seesInput = hasScope(caller, 'dispatches:read');
    return this.#asked().map((asked) => viewOf(asked, seesInput));
  }

  /** By the id of the dispatch or the end of it that the machine shows; null: no such question is asked now. */
  find(caller: Caller, text: string): ApprovalView | null {
    const end = text.toUpperCase();
    const [only, ...others] = this.#asked().filter(
      ({ record: { id } }) => id === text || (end.length >= MIN_END && id.endsWith(end)),
    );
    return only === undefined || others.length > 0 ? null : viewOf(only, hasScope(caller, 'dispatches:read'));
  }

  /** Throws ANSWERED_AT_MACHINE, which says where. */
  assertNot(caller: Caller, text: string): void {
    const request = this.find(caller, text);
    if (request?.asked === undefined || request.asked === null) return;
    const { dispatch, capability } = request.asked;
    const node = request.subject.name;
    throw new PalyraError('ANSWERED_AT_MACHINE', {
      detail: `${node} asks whoever is there about ${capability}`,
      hint: `On ${node}: palyra node approvals list. To end the run instead: palyra dispatches cancel ${dispatch}`,
      details: { node, dispatch },
    });
  }

  #asked(): Asked[] {
    const now = this.#clock.now();
    return this.#runtime.overview.askedAtMachines().filter(({ record }) => endOf(record) > now);
  }
}

function viewOf({ record, node }: Asked, seesInput: boolean): ApprovalView {
  const { id, nodeId, capability, requestedBy, asked } = record;
  return {
    id,
    kind: 'local',
    state: 'pending',
    subject: subjectOf(node),
    operator: null,
    wants: [capability],
    replaces: null,
    takesPlace: false,
    requestedAt: new Date(asked?.at ?? record.queuedAt).toISOString(),
    expiresAt: new Date(endOf(record)).toISOString(),
    asked: {
      ...{ dispatch: id, capability, requestedBy, channel: asked?.channel ?? null },
      what: seesInput ? wordsOf(record.inputJson) : null,
    },
    answerableHere: false,
    pinRequired: false,
    decidedAt: null,
    decidedBy: null,
    reason: null,
    nodeId,
  };
}

/** Until when they can answer; a machine of an older version does not say. */
function endOf({ asked, deadlineAt }: DispatchRecord): number {
  return asked?.until ?? deadlineAt;
}

function subjectOf({ name, hostname, platform, arch, version, address, purpose }: NodeView): ApprovalView['subject'] {
  return { name, hostname, platform, arch, version, address: address ?? '', keyWords: '', purpose };
}

/** The one text of an input that has nothing else, such as a URL; otherwise the JSON. */
function wordsOf(inputJson: string): string {
  const input: unknown = JSON.parse(inputJson);
  const values = typeof input === 'object' && input !== null ? Object.values(input) : [];
  const text = values.length === 1 && typeof values[0] === 'string' ? values[0] : inputJson;
  return text.length <= MAX_WHAT ? text : `${text.slice(0, MAX_WHAT - 1)}…`;
}
