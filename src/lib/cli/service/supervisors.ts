/** Which supervisor a service has, and which it gets. One that is there already stays the one, whatever would be chosen today. */
import { join } from 'node:path';
import { DetachedSupervisor } from './detached-supervisor.js';
import { LaunchdSupervisor } from './launchd-supervisor.js';
import type { RunProgram } from './programs.js';
import type { ServiceSpec } from './service-spec.js';
import type { Supervisor } from './supervisor.js';
import { SYSTEM_UNITS, SystemdSupervisor, hasUserManager } from './systemd-supervisor.js';
import { TaskSupervisor } from './task-supervisor.js';

export interface ServicePlace {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  readonly user: string;
  readonly uid: number;
  /** XDG_CONFIG_HOME or `~/.config`. */
  readonly configHome: string;
  /** `DOMAIN\user` on Windows. */
  readonly account: string;
}

/** The supervisor this service is installed with, or null. */
export function installedSupervisor(spec: ServiceSpec, place: ServicePlace, run: RunProgram): Supervisor | null {
  return candidates(spec, place, run).find((supervisor) => supervisor.isInstalled()) ?? null;
}

/** The best this machine has. */
export async function bestSupervisor(spec: ServiceSpec, place: ServicePlace, run: RunProgram): Promise<Supervisor> {
  if (place.platform === 'darwin') return new LaunchdSupervisor(run, { spec, ...place });
  if (place.platform === 'win32') return new TaskSupervisor(run, { spec, ...place });
  return place.platform === 'linux' && (await hasUserManager(run))
    ? systemd('user', spec, place, run)
    : new DetachedSupervisor(run, spec);
}

/** A unit of the system, for `--system`: its text and where it goes. */
export function systemSupervisor(spec: ServiceSpec, place: ServicePlace, run: RunProgram): SystemdSupervisor {
  return systemd('system', spec, place, run);
}

function candidates(spec: ServiceSpec, place: ServicePlace, run: RunProgram): Supervisor[] {
  if (place.platform === 'darwin') return [new LaunchdSupervisor(run, { spec, ...place })];
  if (place.platform === 'win32') return [new TaskSupervisor(run, { spec, ...place })];
  const units =
    place.platform === 'linux' ? [systemd('user', spec, place, run), systemd('system', spec, place, run)] : [];
  return [...units, new DetachedSupervisor(run, spec)];
}

function systemd(scope: 'user' | 'system', spec: ServiceSpec, place: ServicePlace, run: RunProgram): SystemdSupervisor {
  const units = scope === 'user' ? join(place.configHome, 'systemd', 'user') : SYSTEM_UNITS;
  return new SystemdSupervisor(run, { spec, scope, units, user: place.user });
}
