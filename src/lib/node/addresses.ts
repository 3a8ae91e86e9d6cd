/**
 * The addresses of one daemon, in the order in which they are worth trying: the last that worked, then what the daemon says, then where this machine met it. When
 * there are several, all of them are tried side by side and the first that shows the daemon is the one; the connections of the others are closed.
 */
import type { Clock } from '../base/clock.js';
import { raceWithHeadStart } from '../base/head-start.js';
import { isLoopbackHost, placeOf, toAuthority } from '../base/proxy.js';
import type { NodeIdentity } from '../identity/node-identity.js';
import { withDeadline } from './deadline.js';
import { PalyraError } from '../base/errors.js';

/** When none has answered by then, they are taken as they come: over another transport one may answer. */
const REACH_WITHIN_MS = 3_000;

/** Resolves when the daemon itself answers at this address, and leaves nothing open. */
export type Reach = (endpoint: string, signal: AbortSignal) => Promise<void>;

export interface AddressesDeps {
  readonly clock: Clock;
  /** Absent: nothing is tried beforehand. */
  readonly reach?: Reach | undefined;
}

export class DaemonAddresses {
  readonly #deps: AddressesDeps;
  #last: string | null = null;

  constructor(deps: AddressesDeps) {
    this.#deps = deps;
  }

  /** It carried a link, or an answer. */
  worked(endpoint: string): void {
    this.#last = endpoint;
  }

  /** Never rejects. */
  async inOrder(endpoints: readonly string[], signal: AbortSignal | undefined): Promise<readonly string[]> {
    const { clock, reach } = this.#deps;
    const known = first(endpoints, this.#last);
    if (reach === undefined || known.length < 2) return known;
    const late = () => new PalyraError('DAEMON_UNREACHABLE');
    const tries = known.map((endpoint) => async (own: AbortSignal) => {
      await reach(endpoint, own);
      return endpoint;
    });
    try {
      const best = await withDeadline(clock, { timeoutMs: REACH_WITHIN_MS, signal, late }, (limit) =>
        raceWithHeadStart(tries, { clock, signal: limit, discard: () => undefined }),
      );
      return first(known, best);
    } catch {
      return known;
    }
  }
}

/** What the daemon tells its nodes, and the host where this machine was paired: the daemon does not know by which name it is met from outside. */
export function nodeEndpointsOf({
  nodeEndpoints,
  publicEndpoint,
}: Pick<NodeIdentity, 'nodeEndpoints' | 'publicEndpoint'>): readonly string[] {
  const [told] = nodeEndpoints;
  const { host } = placeOf(`${new URL(publicEndpoint).hostname}:0`);
  if (told === undefined || isLoopbackHost(host)) return nodeEndpoints;
  return [...new Set([...nodeEndpoints, toAuthority({ host, port: placeOf(told).port })])];
}

function first(endpoints: readonly string[], best: string | null): readonly string[] {
  return best === null || !endpoints.includes(best) ? endpoints : [best, ...endpoints.filter((each) => each !== best)];
}
