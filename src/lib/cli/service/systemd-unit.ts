/** The systemd unit of a service as text: for the user's own manager, or for the system's with `--system`. Source: systemd.unit(5), systemd.service(5). */
import { describeRole, type ServiceSpec } from './service-spec.js';

/** Between two starts of a service that fails: often enough for a machine that comes back, seldom enough for a log. */
const RESTART_SECONDS = 5;
/** Longer than the drain of a daemon and the grace of a node, both of which end by themselves. */
const STOP_SECONDS = 45;

/** Many times the start of a daemon with the largest state on a slow disk. One that hangs is started again. */
const START_SECONDS = 300;
/** Longer than any pause a healthy daemon makes. A node watches itself, and knows a pause of its machine from standing still (`cli/watchdog.ts`). */
const WATCHDOG_SECONDS = 120;

export interface UnitOptions {
  /** The account a system service runs as, null for a user unit. */
  readonly user: string | null;
  /** Whether the service can tell this machine's systemd that it is ready (`notify-program.ts`). If not, it counts as started when its program is. */
  readonly tellsReady: boolean;
}

/** Exit code 78 says that a person must act: a restart would only repeat it. */
export function systemdUnit(spec: ServiceSpec, { user, tellsReady }: UnitOptions): string {
  const unit = [
    `Description=${describeRole(spec.role)}`,
    // A user manager cannot wait for the network of the system; palyra itself waits for it.
    ...(user === null ? [] : ['Wants=network-online.target', 'After=network-online.target']),
    'StartLimitIntervalSec=0',
  ];
  const service = [
    ...(tellsReady ? readiness(spec) : ['Type=exec']),
    `ExecStart=${quoted(spec.wrapper)}`,
    ...(user === null ? [] : [`User=${user}`, 'WorkingDirectory=~']),
    'Restart=on-failure',
    `RestartSec=${RESTART_SECONDS}`,
    'RestartPreventExitStatus=78',
    'SuccessExitStatus=130 143',
    `TimeoutStopSec=${STOP_SECONDS}`,
    'KillMode=mixed',
    'UMask=0077',
    // Only what the runtime itself says when it crashes; palyra writes its own log.
    `StandardError=append:${specifiersEscaped(spec.log)}`,
  ];
  const install = [`WantedBy=${user === null ? 'default.target' : 'multi-user.target'}`];
  return `${section('Unit', unit)}\n${section('Service', service)}\n${section('Install', install)}`;
}

function readiness({ role }: ServiceSpec): string[] {
  return [
    'Type=notify',
    // The words come from systemd-notify, a child of the service.
    'NotifyAccess=all',
    `TimeoutStartSec=${START_SECONDS}`,
    // The usual signal leaves a core file, and with it the keys, on the disk.
    ...(role === 'daemon' ? [`WatchdogSec=${WATCHDOG_SECONDS}`, 'WatchdogSignal=SIGKILL'] : []),
  ];
}

function section(name: string, lines: readonly string[]): string {
  return `[${name}]\n${lines.map((line) => `${line}\n`).join('')}`;
}

/** A command word: C-style escapes in quotes, `%` and `$` doubled. */
function quoted(word: string): string {
  const escaped = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$');
  return `"${specifiersEscaped(escaped)}"`;
}

function specifiersEscaped(text: string): string {
  return text.replaceAll('%', '%%');
}
