/**
 * Lingering: whether the user's systemd manager, and with it a user service, runs without a session: from boot on and after logout.
 * Turning it on for oneself needs no password on many systems, and is refused on others; then a person gets the exact command. Source: loginctl(1).
 */
import type { RunProgram } from './programs.js';

export type Lingering = 'on' | 'off' | 'unknown';

/** `already`: it was on. `enabled`: palyra turned it on. `refused`: it needs a password. `unknown`: no login manager answers. */
export type LingeringAnswer = 'already' | 'enabled' | 'refused' | 'unknown';

const NO_LOGIND = /Failed to connect to bus|not been booted|Host is down|No such file or directory|Could not activate/i;

export async function lingeringOf(user: string, run: RunProgram): Promise<Lingering> {
  const { code, stdout, stderr } = await run('loginctl', ['show-user', user, '--property=Linger']);
  if (code === 0) return /^Linger=yes$/m.test(stdout) ? 'on' : 'off';
  // A user without a session and without lingering is not known to the login manager; that is an answer too.
  return code === 127 || code === 124 || NO_LOGIND.test(stderr) ? 'unknown' : 'off';
}

/** Turns it on for this user if that takes no password, and looks again: what counts is what is so afterwards. */
export async function ensureLingering(user: string, run: RunProgram): Promise<LingeringAnswer> {
  const before = await lingeringOf(user, run);
  if (before !== 'off') return before === 'on' ? 'already' : 'unknown';
  await run('loginctl', ['--no-ask-password', 'enable-linger']);
  return (await lingeringOf(user, run)) === 'on' ? 'enabled' : 'refused';
}

export function lingeringCommand(user: string): string {
  return `sudo loginctl enable-linger ${user}`;
}
