/**
 * The daemon as a node sees it, with a script instead of a runtime. Two carriers: in memory (`MemoryDaemon`) and gRPC over mutual TLS (`FakeDaemon`).
 * A test decides every answer; nothing is answered by itself but RegisterNode.
 */
import { PalyraError } from '../../src/lib/base/errors.js';
import { Deferred } from '../../src/lib/base/lifecycle.js';
import type { DownMessage, Hello, Offer, UpMessage, Welcome } from '../../src/lib/base/link-messages.js';
import type { LinkConnector, LinkHandlers, LinkStream, NodeLink, Registered } from '../../src/lib/node/link/link.js';
import { until } from './until.js';

export interface RegistrationSeen {
  readonly deviceId: string;
  readonly bootId: string;
  readonly storeId: string;
  readonly capabilities: readonly string[];
}

export interface NodeDaemon {
  readonly endpoint: string;
  readonly registrations: RegistrationSeen[];
  readonly sessions: DaemonSession[];
  /** May throw a PalyraError, or never answer. Default: welcomes everybody as `pi-lab`. */
  answer: (seen: RegistrationSeen) => Registered | Promise<Registered>;
}

export const acceptAll = ({ deviceId }: { readonly deviceId: string }): Registered => ({
  deviceId,
  name: 'pi-lab',
  protocol: 1,
  grantedCapabilities: [],
  daemonName: 'nas',
  daemonVersion: '1.0.0',
});

/** The daemon's end of one link. */
export class DaemonSession {
  readonly received: UpMessage[] = [];
  /** The node finished or dropped the link. */
  left = false;

  constructor(
    readonly send: (message: DownMessage) => void,
    readonly end: (error?: PalyraError) => void,
  ) {}

  get hello(): Hello {
    const [first] = this.received;
    if (first?.kind !== 'hello') throw new Error(`the first message is ${first?.kind}`);
    return first;
  }

  welcome(over: Partial<Welcome> = {}): void {
    this.send({
      kind: 'welcome',
      epoch: 1,
      heartbeatMs: 1_000,
      leaseMs: 15_000,
      keep: [],
      drop: [],
      wantResults: [],
      cancel: [],
      ...over,
    });
  }

  offer(over: Partial<Offer> = {}): void {
    this.send({
      kind: 'offer',
      id: 'dsp_000001',
      attempt: 1,
      epoch: 1,
      capability: 'test.run',
      inputJson: '{}',
      runTimeoutMs: 10_000,
      deadlineInMs: 60_000,
      requestedBy: 'eva',
      ...over,
    });
  }

  /** The first message of this kind, when it is there. */
  async next<K extends UpMessage['kind']>(kind: K): Promise<Extract<UpMessage, { kind: K }>> {
    const find = () => this.received.find((message) => message.kind === kind);
    await until(
      () => find() !== undefined,
      () => `${kind}; received: ${JSON.stringify(this.received)}`,
    );
    return find() as Extract<UpMessage, { kind: K }>;
  }
}

/** The session with this number, once its hello is there. */
export async function session(daemon: NodeDaemon, index = 0): Promise<DaemonSession> {
  await until(
    () => (daemon.sessions[index]?.received.length ?? 0) > 0,
    () => `session ${index}`,
  );
  return daemon.sessions[index]!;
}

export class MemoryDaemon implements NodeDaemon {
  readonly endpoint: string;
  readonly registrations: RegistrationSeen[] = [];
  readonly sessions: DaemonSession[] = [];
  answer: NodeDaemon['answer'] = acceptAll;

  constructor(endpoint = 'memory:1') {
    this.endpoint = endpoint;
  }

  readonly connect: LinkConnector = (endpoint) => {
    if (endpoint !== this.endpoint) return unreachableLink(endpoint);
    return this.#link();
  };

  #link(): NodeLink {
    let destroyed = false;
    let current: DaemonSession | null = null;
    return {
      endpoint: this.endpoint,
      register: async ({ deviceId, bootId, storeId, facts }, signal) => {
        signal.throwIfAborted();
        const aborted = new Deferred<never>();
        aborted.promise.catch(() => undefined);
        const onAbort = () => aborted.reject(signal.reason);
        signal.addEventListener('abort', onAbort, { once: true });
        const seen = { deviceId, bootId, storeId, capabilities: facts.capabilities.map(({ name }) => name) };
        this.registrations.push(seen);
        try {
          return await Promise.race([Promise.resolve(seen).then(this.answer), aborted.promise]);
        } finally {
          signal.removeEventListener('abort', onAbort);
        }
      },
      open: (hello: Hello, handlers: LinkHandlers): LinkStream => {
        let over = false;
        const later = (action: () => void) => setImmediate(() => (destroyed ? undefined : action()));
        const end = (error: PalyraError | null) => {
          if (over) return;
          over = true;
          later(() => handlers.ended(error));
        };
        const daemonSide = new DaemonSession(
          (message) => (over ? undefined : later(() => handlers.message(structuredClone(message)))),
          (error) => end(error ?? null),
        );
        current = daemonSide;
        this.sessions.push(daemonSide);
        const send = (message: UpMessage) =>
          over || destroyed ? undefined : daemonSide.received.push(structuredClone(message));
        send(hello);
        return {
          send: (message) => void send(message),
          congested: false,
          finish: () => {
            daemonSide.left = true;
            end(null);
          },
        };
      },
      destroy: () => {
        destroyed = true;
        if (current !== null) current.left = true;
      },
    };
  }
}

function unreachableLink(endpoint: string): NodeLink {
  return {
    endpoint,
    register: () =>
      Promise.reject(new PalyraError('DAEMON_UNREACHABLE', { detail: `${endpoint}: the connection was refused` })),
    open: () => {
      throw new Error('not registered');
    },
    destroy: () => undefined,
  };
}
