/** The services of this machine, put together from the process: who the user is, where things live, how each service tells that it is ready. */
import { homedir, platform, uptime, userInfo } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { ControlPlaneClient } from '../../client/control-plane-client.js';
import { runningDaemon } from '../daemon-control.js';
import { directoriesOf, type Directories } from '../directories.js';
import { readVariable } from '../environment.js';
import { readNodeSummary } from '../host-socket.js';
import { runProgram } from './programs.js';
import type { Probe } from './readiness.js';
import { serviceSpec, type ServiceRole, type ServiceSpec } from './service-spec.js';
import { Service } from './service.js';
import type { ServiceFile, Supervisor } from './supervisor.js';
import type { ServicePlace } from './supervisors.js';
import { keptVariables } from './wrapper-plan.js';
import { powershellWrapper } from './wrapper-ps1.js';
import { shellWrapper } from './wrapper-sh.js';

export function nodeService(directories: Directories): Service {
  return new Service({ ...deps(), probe: nodeProbe }, specOf('node', directories));
}

export function daemonService(directories: Directories, client: ControlPlaneClient): Service {
  return new Service({ ...deps(), probe: daemonProbe(client) }, specOf('daemon', directories));
}

export function specOf(role: ServiceRole, { data, logs }: Directories): ServiceSpec {
  return serviceSpec({ role, data, logs, home: readVariable('PALYRA_HOME') ?? null, platform: platform() });
}

/** The wrapper that starts `palyra <role> run` with these words, as a file. `root` is the directory of package.json. */
export function wrapperOf(
  spec: ServiceSpec,
  root: string,
  words: readonly string[],
): (supervisor: Supervisor) => ServiceFile {
  return (supervisor) => {
    const plan = {
      role: spec.role,
      node: process.execPath,
      entry: join(root, 'bin', 'run.js'),
      words: [spec.role, 'run', '--log-file', spec.log, ...words],
      environment: keptVariables(process.env),
      endsQuietlyWhenFinal: supervisor.name === 'launchd',
    };
    const text = platform() === 'win32' ? powershellWrapper(plan, spec.log) : shellWrapper(plan);
    return { path: spec.wrapper, text, mode: 0o700 };
  };
}

export function thisPlace(): ServicePlace {
  const { username, uid } = userInfo();
  const domain = readVariable('USERDOMAIN');
  const configHome = readVariable('XDG_CONFIG_HOME');
  return {
    platform: platform(),
    home: homedir(),
    user: username,
    uid,
    configHome: configHome?.startsWith('/') === true ? configHome : join(homedir(), '.config'),
    account: domain === undefined ? username : `${domain}\\${username}`,
  };
}

/** Milliseconds since the epoch at which this machine came up. */
export function bootedAt(): number {
  return Date.now() - uptime() * 1000;
}

function deps() {
  return { run: runProgram, clock: systemClock, place: thisPlace() };
}

/** Looked up each time: where the socket is found may change when the service makes it. */
const nodeProbe: Probe = async () => {
  const summary = await readNodeSummary(directoriesOf().nodeSocketPath);
  if (summary === null) return null;
  return { pid: summary.pid, ready: summary.state === 'online', why: summary.lastError?.message ?? null };
};

function daemonProbe(client: ControlPlaneClient): Probe {
  return async () => {
    try {
      const status = await runningDaemon(client);
      return status === null ? null : { pid: status.pid, ready: true, why: null };
    } catch (error) {
      // Between the socket and the first answer.
      if (['DAEMON_UNREACHABLE', 'DAEMON_STOPPING'].includes(PalyraError.from(error).reason)) return null;
      throw error;
    }
  };
}
