/**
 * Why a node was away: the words of it, the same wherever it is told. A reason is what the daemon saw, corrected by what the node knew when it came back.
 */
export const ABSENCE_REASONS = [
  'stopped',
  'lost',
  'silent',
  'restarted',
  'paused',
  'daemon-away',
  'clock',
  'certificate',
  'conflict',
  'incompatible',
  'revoked',
] as const;
export type AbsenceReason = (typeof ABSENCE_REASONS)[number];

/** Wall milliseconds. The last of a node has no end while the node is away. */
export interface AbsenceRecord {
  readonly from: number;
  readonly to: number | null;
  readonly reason: AbsenceReason;
  /** What the node said about it when it was back; null when it said nothing. */
  readonly said: string | null;
  /** How often the link was lost in that time, when it came back only for moments in between. */
  readonly times: number;
}

export interface AbsenceView {
  readonly from: string;
  readonly to: string | null;
  readonly reason: AbsenceReason;
  readonly message: string;
  readonly times: number;
}

/** What a node knows about its own absence when it says hello again. */
export interface Away {
  /** It did not run for so long: the process was stopped, or the machine slept. 0: not noticed. */
  readonly pausedMs: number;
  /** Its clock went on by that much more than its uptime: it was set, or the machine was suspended. */
  readonly clockMs: number;
  /** Reason and words of the error that kept it away; empty when there was none. */
  readonly reason: string;
  readonly message: string;
}

const WORDS: Readonly<Record<AbsenceReason, string>> = {
  stopped: 'the node was stopped there',
  lost: 'the connection was lost, without a goodbye',
  silent: 'nothing was heard from it',
  restarted: 'its process ended without a goodbye and was started again',
  paused: 'the node did not run: its machine slept, or its process was paused',
  'daemon-away': 'the daemon was away',
  clock: 'its clock and that of the daemon were too far apart',
  certificate: 'its certificate was not accepted until it was renewed',
  conflict: 'another process used its identity',
  incompatible: 'it asked to connect, but its version does not go with that of the daemon',
  revoked: 'its trust was withdrawn',
};

/** A sentence without its full stop. */
export function absenceWords({ reason, said }: Pick<AbsenceRecord, 'reason' | 'said'>): string {
  return said === null || said === '' ? WORDS[reason] : `${WORDS[reason]} (there: ${said})`;
}
