/** A service as `node status`, `daemon status` and the service verbs show it, for people and programs. */
import { toTimestamp } from '../../base/clock.js';
import { shortDuration } from '../durations.js';
import type { Supervisor, SupervisorName, SupervisorState } from './supervisor.js';

export interface ServiceView {
  readonly manager: SupervisorName;
  /** Starts by itself. */
  readonly enabled: boolean;
  readonly running: boolean;
  /** Null when nobody can tell. */
  readonly survivesLogout: boolean | null;
  readonly unit: string | null;
  readonly pidFile: string | null;
  readonly lastStart: { readonly at: string; readonly because: 'reboot' | 'failure' | 'request' } | null;
}

/** A service that is enabled is started within this after the machine came up. */
const BOOT_MS = 3 * 60_000;

/** Null when nothing is installed. */
export async function viewService(supervisor: Supervisor | null, bootedAt: number): Promise<ServiceView | null> {
  if (supervisor === null) return null;
  const [state, survivesLogout] = await Promise.all([supervisor.state(), supervisor.survivesLogout()]);
  const isDetached = supervisor.name === 'detached';
  return {
    manager: supervisor.name,
    enabled: state.enabled,
    running: state.running,
    survivesLogout,
    unit: isDetached ? null : supervisor.place,
    pidFile: isDetached ? supervisor.place : null,
    lastStart: lastStartOf(state, bootedAt),
  };
}

function lastStartOf({ startedAt, restarts, enabled }: SupervisorState, bootedAt: number): ServiceView['lastStart'] {
  const at = toTimestamp(startedAt);
  if (startedAt === null || at === null) return null;
  if (restarts !== null && restarts > 0) return { at, because: 'failure' };
  return { at, because: enabled && startedAt - bootedAt < BOOT_MS ? 'reboot' : 'request' };
}

const KINDS: Readonly<Record<SupervisorName, string>> = {
  'systemd-user': 'user service',
  'systemd-system': 'system service',
  launchd: 'launch agent',
  'task-scheduler': 'scheduled task',
  detached: 'background process',
};

/** `user service, starts at boot · last restart 3 d ago (reboot)` */
export function serviceSentence(view: ServiceView, now: number): string {
  const words = `${KINDS[view.manager]}, ${lifeOf(view)}`;
  if (view.lastStart === null) return words;
  const ago = shortDuration(now - Date.parse(view.lastStart.at));
  return `${words} · ${view.lastStart.because === 'request' ? 'started' : 'last restart'} ${ago} ago${view.lastStart.because === 'request' ? '' : ` (${view.lastStart.because})`}`;
}

function lifeOf({ manager, enabled, survivesLogout }: ServiceView): string {
  if (manager === 'detached') return 'does not start by itself after a reboot';
  if (!enabled) return 'does not start by itself (not enabled)';
  if (manager === 'launchd' || manager === 'task-scheduler') return 'starts at login, stops at logout';
  if (survivesLogout === null) return 'starts at login; whether it outlives the session is not known';
  return survivesLogout ? 'starts at boot' : 'stops at logout (lingering is off; see palyra doctor)';
}
