/** Checks of this machine as a node: its pairing, its process, its service and whether that outlives a session; and of the units of palyra here. */
import { existsSync } from 'node:fs';
import { PalyraError } from '../../base/errors.js';
import type { Directories } from '../directories.js';
import { END_OF_CONFLICT } from '../conflict-words.js';
import { readNodeSummary } from '../host-socket.js';
import { ensureLingering, lingeringCommand, lingeringOf } from '../service/lingering.js';
import type { RunProgram } from '../service/programs.js';
import type { Service } from '../service/service.js';
import type { Supervisor } from '../service/supervisor.js';
import type { Check, Finding } from './check.js';
import { certificateFinding } from './daemon-checks.js';
import type { PairingFacts } from './pairing-facts.js';

export interface NodeFacts {
  readonly directories: Directories;
  readonly service: Service;
  /** The daemon's, which may be on this machine too. */
  readonly daemonService: Service;
  readonly run: RunProgram;
  readonly user: string;
  readonly version: string;
  readonly now: () => number;
  readonly pairing: () => Promise<PairingFacts | null>;
}

const DAY_MS = 86_400_000;
const START_WITHIN_MS = 20_000;

export function nodeChecks(facts: NodeFacts): Check[] {
  const { directories, service, pairing, now, version } = facts;
  return [
    {
      id: 'node.certificate',
      async run() {
        const paired = await pairing().catch((error: unknown) => PalyraError.from(error, 'STATE_CORRUPT'));
        if (paired instanceof PalyraError)
          return {
            status: 'fail',
            detail: `the pairing of this machine cannot be used: ${paired.message}`,
            fix: paired.hint,
          };
        if (paired === null) return { status: 'skip', detail: 'this machine is not paired' };
        const days = Math.floor((paired.certificate.notAfter - now()) / DAY_MS);
        return certificateFinding(days, 'the certificate of this machine');
      },
    },
    {
      id: 'node.connection',
      async run() {
        const summary = await readNodeSummary(directories.nodeSocketPath);
        if (summary === null) {
          return (await pairing()) === null
            ? { status: 'skip', detail: 'this machine is not paired' }
            : { status: 'warn', detail: 'the node of this machine does not run', fix: startCommand(service) };
        }
        if (summary.state === 'online')
          return { status: 'pass', detail: `"${summary.name}" is connected to ${summary.daemon.name}` };
        const why =
          summary.lastError === null || summary.lastError === undefined ? '' : `: ${summary.lastError.message}`;
        const isCopy = summary.lastError?.reason === 'NODE_CONFLICT';
        const fix = isCopy ? END_OF_CONFLICT : 'palyra node status';
        return { status: 'fail', detail: `"${summary.name}" is ${summary.state}${why}`, fix };
      },
    },
    { id: 'service.node', run: () => serviceFinding(facts) },
    { id: 'service.unit', run: () => unitFinding([service, facts.daemonService]) },
    { id: 'service.lingering', run: () => lingeringFinding(service.installed(), facts) },
    {
      id: 'service.version',
      async run() {
        const summary = await readNodeSummary(directories.nodeSocketPath);
        const running = (summary as { version?: unknown } | null)?.version;
        if (typeof running !== 'string') return { status: 'skip', detail: 'no node runs here' };
        return running === version
          ? { status: 'pass', detail: `the node that runs is the installed ${version}` }
          : {
              status: 'warn',
              detail: `the node that runs is ${running}, installed is ${version}`,
              fix: 'palyra node restart',
            };
      },
    },
  ];
}

async function serviceFinding({ service, pairing }: NodeFacts): Promise<Finding> {
  const supervisor = service.installed();
  if (supervisor === null) {
    const detail = 'the node is not installed as a service: it ends with its terminal';
    return (await pairing()) === null
      ? { status: 'skip', detail: 'this machine is not paired' }
      : { status: 'warn', detail, fix: 'palyra node install' };
  }
  if (!existsSync(service.spec.wrapper)) {
    const detail = `the wrapper that the service starts is missing (${service.spec.wrapper})`;
    return { status: 'fail', detail, fix: 'palyra node install' };
  }
  const state = await supervisor.state();
  if (state.running) {
    const often =
      state.restarts !== null && state.restarts > 0 ? `, started again ${state.restarts} times after a failure` : '';
    if (supervisor.name === 'detached' || state.enabled)
      return {
        status: often === '' ? 'pass' : 'warn',
        detail: `the service of the node runs (${supervisor.name})${often}`,
      };
    return {
      status: 'warn',
      detail: 'the service of the node runs but does not start by itself',
      fix: 'palyra node install',
    };
  }
  const repair = async () => {
    const { pid } = await service.start({ timeoutMs: START_WITHIN_MS, signal: AbortSignal.timeout(START_WITHIN_MS) });
    return `started the service of the node (pid ${pid})`;
  };
  return { status: 'fail', detail: 'the service of the node does not run', fix: 'palyra node start', repair };
}

/** A unit that does not fit the machine any more may fail at the next boot, when nobody looks. */
async function unitFinding(services: readonly Service[]): Promise<Finding> {
  const units: string[] = [];
  for (const service of services) {
    const manager = service.installed()?.name ?? 'detached';
    if (manager === 'detached') continue;
    const { role, name } = service.spec;
    const [path] = await service.differing();
    if (path !== undefined) {
      const detail = `${path} is not as this version would write it for this machine`;
      return {
        status: 'warn',
        detail,
        fix: `palyra ${role} install${manager === 'systemd-system' ? ' --system' : ''}`,
      };
    }
    units.push(name);
  }
  return units.length === 0
    ? { status: 'skip', detail: 'no service manager has a unit of palyra' }
    : { status: 'pass', detail: `as this version writes it: ${units.join(', ')}` };
}

async function lingeringFinding(supervisor: Supervisor | null, { run, user }: NodeFacts): Promise<Finding> {
  if (supervisor?.name !== 'systemd-user')
    return { status: 'skip', detail: 'it matters only for a user service of systemd' };
  const lingering = await lingeringOf(user, run);
  if (lingering === 'on') return { status: 'pass', detail: 'the service starts at boot and goes on after logout' };
  const fix = lingeringCommand(user);
  if (lingering === 'unknown')
    return {
      status: 'warn',
      detail: 'no login manager answers: it is not known whether the service outlives a session',
      fix,
    };
  const repair = async () => {
    const answer = await ensureLingering(user, run);
    if (answer !== 'enabled' && answer !== 'already') throw new Error(`it needs a password; run once: ${fix}`);
    return 'turned lingering on';
  };
  return { status: 'fail', detail: 'service stops at logout: lingering is off', fix, repair };
}

function startCommand(service: Service): string {
  return service.installed() === null ? 'palyra node install' : 'palyra node start';
}
