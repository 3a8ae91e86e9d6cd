/** What `node run` says about its connection: one line a change that a person would want to know, not one an attempt. */
import type { LinkTransport, TransportMode } from '../base/transports.js';
import { END_OF_CONFLICT } from './conflict-words.js';
import { shortDuration } from './durations.js';
import type { Output } from './output.js';
import { printable } from './text.js';
import { enableCommand } from './waiting-words.js';

export interface HostMoment {
  readonly state: 'connecting' | 'online' | 'offline' | 'stopping' | 'conflict';
  readonly daemon: { readonly name: string; readonly endpoint: string | null };
  readonly transport: {
    readonly mode: TransportMode;
    readonly used: LinkTransport | null;
    readonly why: string;
  };
  readonly attempts: number;
  readonly nextTryAt: string | null;
  readonly lastError: { readonly reason: string; readonly message: string } | null;
  readonly capabilities: readonly string[];
  /** Of plugins, off until somebody switches them on here. */
  readonly waiting?: readonly string[];
}

const STATE_WORDS: Readonly<Record<HostMoment['state'], string>> = {
  connecting: 'connecting to',
  online: 'connected to',
  offline: 'not connected to',
  stopping: 'leaving',
  conflict: 'held back by',
};

/** `pi-lab: connected to nas over quic`, for lists of services. */
export function statusWords({
  name,
  state,
  daemon,
  transport,
  lastError,
}: HostMoment & { readonly name: string }): string {
  const words = `${name}: ${STATE_WORDS[state]} ${daemon.name}`;
  if (state === 'online') return transport.used === null ? words : `${words} over ${transport.used}`;
  return lastError === null ? words : `${words} (${lastError.message})`;
}

/** After the first line of an outage: again after a minute, ten minutes, then hourly. */
const REMINDERS_MS = [60_000, 600_000, 3_600_000];

export class HostStory {
  readonly #output: Output;
  readonly #now: () => number;
  #online = false;
  #begun = false;
  #over: string | null = null;
  #awaySince: number | null = null;
  #reminders = 0;
  #lastReason: string | null = null;

  constructor(output: Output, now: () => number) {
    this.#output = output;
    this.#now = now;
  }

  tell(moment: HostMoment): void {
    if (moment.state === 'online') this.#tellOnline(moment);
    else if (moment.state === 'offline' || moment.state === 'conflict') this.#tellAway(moment);
  }

  #tellOnline(moment: HostMoment): void {
    const over = this.#overWords(moment.transport);
    if (this.#online) {
      // The link changed over: nothing was lost, and nobody waited.
      if (over !== '') this.#output.say(printable(`● Still online.${over}`));
      return;
    }
    const away =
      this.#awaySince === null || !this.#begun ? '' : ` again after ${shortDuration(this.#now() - this.#awaySince)}`;
    this.#online = true;
    this.#awaySince = null;
    this.#lastReason = null;
    if (this.#begun) {
      this.#output.say(printable(`● Online${away}.${over}`));
      return;
    }
    this.#begun = true;
    this.#output.say(printable(`● Online. Capabilities: ${moment.capabilities.join(', ') || 'none'}`));
    const { waiting = [] } = moment;
    if (waiting.length > 0) {
      this.#output.say(printable(`! Off until you allow them on this machine: ${waiting.join(', ')}`));
      this.#output.say(printable(`  ${enableCommand(waiting)}`));
    }
    this.#output.say('  Ctrl-C to stop');
  }

  /** When what carries the link was another before, and nobody asked for one. */
  #overWords({ mode, used, why }: HostMoment['transport']): string {
    const before = this.#over;
    if (mode !== 'auto' || used === null || used === before) return '';
    this.#over = used;
    return before === null ? '' : ` Over ${used}: ${why}.`;
  }

  #tellAway(moment: HostMoment): void {
    const now = this.#now();
    this.#online = false;
    this.#awaySince ??= now;
    const reason = moment.lastError?.reason ?? null;
    const due = now - this.#awaySince >= (REMINDERS_MS[this.#reminders] ?? Infinity);
    if (due) this.#reminders = Math.min(this.#reminders + 1, REMINDERS_MS.length - 1);
    if (!due && this.#lastReason !== null && reason === this.#lastReason && !this.#output.verbose) return;
    this.#lastReason = reason ?? 'none';
    const why = moment.lastError === null ? 'the connection was lost' : moment.lastError.message;
    const waitMs = moment.nextTryAt === null ? 0 : Date.parse(moment.nextTryAt) - now;
    const next = waitMs < 1000 ? '' : ` · next try in ${shortDuration(waitMs)}`;
    const word = moment.state === 'conflict' ? 'Conflict' : 'Offline';
    this.#output.say(printable(`○ ${word}: ${why}${next}; it keeps trying`));
    if (reason === 'NODE_CONFLICT') this.#output.say(`  ${END_OF_CONFLICT}`);
  }
}
