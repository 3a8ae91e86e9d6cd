/**
 * What `daemon status --deep` looks at: what costs something and is therefore not in the plain status. Everything is only looked at; the daemon goes on
 * with its work meanwhile. A check that cannot be made here says so and is skipped: it never passes for want of looking.
 */
import { PalyraError } from '../../base/errors.js';
import { MAX_QUEUE_PER_NODE } from '../../base/link-limits.js';
import type { ControlPlaneClient } from '../../client/control-plane-client.js';
import { plural } from '../daemon-report.js';
import { examine, toResult, type Check, type CheckResult, type Finding } from '../doctor/check.js';
import { alarmFinding, rotationFinding } from '../doctor/daemon-checks.js';
import { diskFinding } from '../doctor/machine-checks.js';
import { listenerChecks, type ListenerFacts } from './listener-checks.js';
import { vitalsChecks, type VitalsFacts } from './vitals-checks.js';

export interface DeepFacts extends ListenerFacts, VitalsFacts {
  readonly client: ControlPlaneClient;
  /** Of the files; throws what is wrong with them. */
  readonly inspect: () => Promise<{
    readonly records: number;
    readonly journalBytes: number;
    readonly previousProblem: string | null;
  }>;
}

/** All of the state, or all of the audit log, is read. */
const READ_WITHIN_MS = 60_000;
const QUESTIONS = 20;
/** A heartbeat is every few seconds and commands wait for an answer: what takes longer than this is felt. */
const SLOW_ANSWER_MS = 250;
const ANSWERS_WITHIN_MS = 20_000;
/** A snapshot is due at 8 MB; a journal that is many times as long says that none could be written. */
const LONG_JOURNAL_BYTES = 40_000_000;
/** Of the longest queue a node may have. */
const NEARLY_FULL = 0.8;
const MAX_NAMED = 8;

/** How fast it answers, and how busy and large it is, is measured before the others make it work. */
export async function examineDeeply(facts: DeepFacts): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const checks of [paceChecks(facts), workChecks(facts)])
    results.push(...(await examine(checks, facts.clock)).map(toResult));
  return results;
}

export function deepChecks(facts: DeepFacts): Check[] {
  return [...paceChecks(facts), ...workChecks(facts)];
}

function paceChecks(facts: DeepFacts): Check[] {
  return [
    { id: 'daemon.answers', timeoutMs: ANSWERS_WITHIN_MS, run: () => answersFinding(facts) },
    ...vitalsChecks(facts),
  ];
}

function workChecks(facts: DeepFacts): Check[] {
  const { status, client, inspect } = facts;
  return [
    { id: 'daemon.state', timeoutMs: READ_WITHIN_MS, run: () => stateFinding(inspect) },
    { id: 'daemon.storage', run: async () => storageFinding(facts) },
    { id: 'daemon.disk', run: () => diskFinding([status.stateDirectory]) },
    { id: 'daemon.audit', timeoutMs: READ_WITHIN_MS, run: (signal) => auditFinding(client, signal) },
    ...listenerChecks(facts),
    { id: 'daemon.queues', run: () => queueFinding(facts) },
    {
      id: 'daemon.certificates',
      run: async () =>
        alarmFinding(status) ?? rotationFinding(status) ?? { status: 'pass', detail: 'no certificate is near its end' },
    },
  ];
}

async function answersFinding({ client, clock }: DeepFacts): Promise<Finding> {
  let slowest = 0;
  for (let asked = 0; asked < QUESTIONS; asked++) {
    const askedAt = clock.monotonic();
    await client.daemonStatus();
    slowest = Math.max(slowest, clock.monotonic() - askedAt);
  }
  const detail = `the slowest of ${QUESTIONS} answers took ${Math.max(1, Math.round(slowest))} ms`;
  if (slowest < SLOW_ANSWER_MS) return { status: 'pass', detail };
  return { status: 'warn', detail, fix: 'The machine, or its disk, is busy: look what else runs on it' };
}

async function stateFinding(inspect: DeepFacts['inspect']): Promise<Finding> {
  try {
    const { records, previousProblem } = await inspect();
    if (previousProblem !== null)
      return {
        status: 'warn',
        detail: `the state can be read, but not the snapshot before it: ${previousProblem}`,
        fix: 'Check the disk; the next snapshot replaces the damaged file',
      };
    return { status: 'pass', detail: `snapshot and journal (${plural(records, 'record')}) are whole` };
  } catch (error) {
    const { reason, detail, title } = PalyraError.from(error);
    const words = detail ?? title;
    if (reason === 'STATE_NOT_OWNED' || isForbidden(error))
      return { status: 'skip', detail: `the state cannot be read by this user: ${words}` };
    if (reason === 'STATE_CORRUPT' || reason === 'STATE_VERSION_UNSUPPORTED')
      return {
        status: 'fail',
        detail: `another start could not read the state: ${words}`,
        fix: 'Keep it running, copy the state directory, check the disk; palyra daemon restart then writes the state anew from memory',
      };
    throw error;
  }
}

function storageFinding({ status: { storage } }: DeepFacts): Finding {
  if (!storage.accepting)
    return {
      status: 'fail',
      detail: 'the disk of the daemon is full: nothing new is accepted',
      fix: 'Free some space; it goes on by itself',
    };
  const megabytes = (storage.journalBytes / 1e6).toFixed(1);
  if (storage.journalBytes > LONG_JOURNAL_BYTES)
    return {
      status: 'warn',
      detail: `the journal has grown to ${megabytes} MB: no snapshot was written`,
      fix: 'See why in palyra daemon logs',
    };
  return { status: 'pass', detail: `the store takes writes; the journal has ${megabytes} MB` };
}

async function auditFinding(client: ControlPlaneClient, signal: AbortSignal): Promise<Finding> {
  const { entries, firstBad } = await client.verifyAudit({ signal });
  if (firstBad === null)
    return { status: 'pass', detail: `the audit log (${plural(entries, 'entry', 'entries')}) is whole and unchanged` };
  return {
    status: 'fail',
    detail: `the audit log was changed or damaged at line ${firstBad.line}: ${firstBad.problem}`,
    fix: 'palyra audit verify; keep a copy of the files below audit in the state directory',
  };
}

async function queueFinding({ client }: DeepFacts): Promise<Finding> {
  const { nodes } = await client.listNodes();
  const queues = nodes.map(({ name, queue }) => ({ name, ...queue }));
  const sum = (count: (queue: (typeof queues)[number]) => number) => queues.reduce((all, one) => all + count(one), 0);
  const detail = `${sum(({ running }) => running)} dispatches run, ${sum(({ waiting }) => waiting)} wait`;
  const full = queues.filter(({ waiting }) => waiting >= MAX_QUEUE_PER_NODE * NEARLY_FULL);
  if (full.length === 0) return { status: 'pass', detail };
  const named = full.slice(0, MAX_NAMED).map(({ name, waiting }) => `${name} (${waiting})`);
  const more = full.length > MAX_NAMED ? ` and ${full.length - MAX_NAMED} more` : '';
  return {
    status: 'warn',
    detail: `the queue of ${named.join(', ')}${more} is nearly full; ${MAX_QUEUE_PER_NODE} may wait for one node`,
    fix: 'palyra dispatches list --state queued',
  };
}

function isForbidden(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
}
