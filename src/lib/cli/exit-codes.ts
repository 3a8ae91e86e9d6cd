/** The exit codes, one meaning each, the same with and without `--json`. A number is never reused. */
import { TERMINAL_STATES, type DispatchStateName } from '../base/model.js';

export const EXIT_CODES: readonly { readonly code: number; readonly meaning: string; readonly retry: string }[] = [
  { code: 0, meaning: 'done; also: it was already so, or the list is empty', retry: '' },
  { code: 1, meaning: 'an unexpected error; also: doctor found a problem', retry: 'look first' },
  { code: 2, meaning: 'flags, arguments, input or a missing --yes; nothing was sent', retry: 'after a correction' },
  { code: 3, meaning: 'not found or ambiguous', retry: 'after a correction' },
  { code: 4, meaning: 'not logged in, or not allowed', retry: 'after a login' },
  { code: 5, meaning: 'the daemon cannot be reached', retry: 'later' },
  { code: 6, meaning: 'the node cannot be reached; nothing was delivered', retry: 'safe' },
  { code: 7, meaning: 'denied by a person or a policy, or cancelled', retry: 'no' },
  { code: 8, meaning: 'waited long enough; it is still pending and its id is printed', retry: 'wait again' },
  { code: 9, meaning: 'delivered, but the outcome is unknown: it may have run', retry: 'not blindly' },
  { code: 10, meaning: 'the capability ran and failed', retry: 'depends on it' },
  { code: 11, meaning: 'the two versions cannot talk to each other', retry: 'after an upgrade' },
  { code: 12, meaning: 'nodes ended differently; the results say how each one did', retry: 'see the results' },
  { code: 78, meaning: 'a person must act before this can work (service managers must not restart it)', retry: 'no' },
  { code: 127, meaning: 'there is no such command', retry: 'after a correction' },
  { code: 130, meaning: 'stopped by Ctrl-C', retry: '' },
  { code: 143, meaning: 'stopped by SIGTERM', retry: '' },
];

/** How a settled dispatch ends the process; one that is not settled is still pending. */
export function exitCodeOf(state: DispatchStateName): number {
  switch (state) {
    case 'succeeded':
      return 0;
    case 'failed':
    case 'timed-out':
      return 10;
    case 'denied':
    case 'cancelled':
      return 7;
    case 'expired':
      return 6;
    case 'unknown':
      return 9;
    default:
      return 8;
  }
}

/** How a run on many nodes ends the process: the code they share, 12 when they differ. */
export function commonExitCode(codes: readonly number[]): number {
  const [first = 0] = codes;
  return codes.every((code) => code === first) ? first : 12;
}

export function isSettled(state: DispatchStateName): boolean {
  return (TERMINAL_STATES as readonly string[]).includes(state);
}
