/** What `install`, `uninstall` and the verbs beside them say to people; shared by the node and the daemon. */
import { homedir } from 'node:os';
import { PalyraError } from '../../base/errors.js';
import type { Output } from '../output.js';
import { ensureLingering, lingeringCommand } from './lingering.js';
import { runProgram } from './programs.js';
import type { ServiceSpec } from './service-spec.js';
import type { Installed } from './service.js';
import type { Supervisor } from './supervisor.js';
import { systemSupervisor } from './supervisors.js';
import { thisPlace } from './this-machine.js';

/** `~/.config/…` */
export function shortPath(path: string, home = homedir()): string {
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

export function tellWritten(output: Output, spec: ServiceSpec, supervisor: Supervisor): void {
  if (supervisor.name === 'detached') {
    output.say('  No service manager answers here (a container, or no user session): it runs as a background process.');
    output.done(`Wrote ${shortPath(spec.wrapper)}`);
  } else output.done(`Wrote ${shortPath(supervisor.place)} (runs: ${shortPath(spec.wrapper)})`);
}

export function tellReady({ pid, readyMs }: Installed, what: string, output: Output): void {
  const took = readyMs === null ? '' : ` in ${(readyMs / 1000).toFixed(1)} s`;
  output.done(`${what}${took}${pid === null ? '' : ` (pid ${pid})`}`);
}

/** Tells why a service did not start, with the end of its log, and that nothing of it is left. */
export function tellFailure(output: Output, error: unknown, rolledBack: boolean): void {
  const { reason, details } = PalyraError.from(error);
  for (const line of (details['log'] as readonly string[] | undefined) ?? []) output.say(`  ${line}`);
  if (rolledBack && reason !== 'SERVICE_NOT_READY') output.say('  What was written for the service was taken back.');
}

/**
 * Whether the service outlives the session, made so where that takes no password; else said with the one command that does it. Returns what is so now,
 * null when nobody can tell.
 */
export async function settleLogout(supervisor: Supervisor, output: Output): Promise<boolean | null> {
  if (supervisor.name === 'detached') {
    output.warn(
      'It does not start again after a crash or a reboot: let the container restart it, or run palyra there in the foreground',
    );
    return supervisor.survivesLogout();
  }
  if (supervisor.name !== 'systemd-user') return supervisor.survivesLogout();
  const { user } = thisPlace();
  const answer = await ensureLingering(user, runProgram);
  if (answer === 'already' || answer === 'enabled') {
    output.done(
      `Starts at boot without you logging in (lingering ${answer === 'already' ? 'is on' : 'was turned on'})`,
    );
    return true;
  }
  if (answer === 'unknown') {
    output.warn('No login manager answers, so it is not known whether the service goes on when you log out');
    return null;
  }
  output.warn(
    `It will stop when you log out: lingering is off for "${user}", and turning it on needs a password. Run once: ${lingeringCommand(user)}`,
  );
  output.say('  Check any time:  palyra doctor');
  return false;
}

/** The unit of a system service and the lines that install it. palyra never runs sudo. */
export async function systemRecipe(
  spec: ServiceSpec,
): Promise<{ unit: string; text: string; commands: readonly string[] }> {
  const supervisor = systemSupervisor(spec, thisPlace(), runProgram);
  const [file] = await supervisor.files();
  const unit = supervisor.place;
  return {
    unit,
    text: String(file?.text ?? ''),
    commands: [
      `palyra ${spec.role} install --system --quiet | sudo tee ${unit} >/dev/null`,
      `sudo systemctl daemon-reload && sudo systemctl enable --now ${spec.name}.service`,
    ],
  };
}
