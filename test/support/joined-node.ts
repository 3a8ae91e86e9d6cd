/** A machine that joined a test daemon for real, with a node host that can be started and stopped. */
import { join } from 'node:path';
import { systemClock, type Clock } from '../../src/lib/base/clock.js';
import type { TransportMode } from '../../src/lib/base/transports.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { parseInviteLink } from '../../src/lib/identity/invite-link.js';
import type { NodeTimings } from '../../src/lib/node/config.js';
import { enroll } from '../../src/lib/node/enroll.js';
import { createNodeHost, type NodeHost } from '../../src/lib/node/host.js';
import { capability, registration } from './capabilities.js';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { PalyraError } from '../../src/lib/base/errors.js';
import { describeMachine } from '../../src/lib/node/facts.js';
import type { TestDaemon } from './test-daemon.js';
import { invite } from './test-node.js';

export class JoinedNode {
  readonly stateDirectory: string;
  readonly #target: TestDaemon;
  readonly #name: string;
  #stop: AbortController | null = null;
  #running: Promise<void> = Promise.resolve();
  host: NodeHost | null = null;

  private constructor(target: TestDaemon, name: string, directory = `node-${name}`) {
    this.#target = target;
    this.#name = name;
    this.stateDirectory = join(target.home, directory);
  }

  /** Another machine of the same name; what its directory holds is the test's business. */
  twin(): JoinedNode {
    return new JoinedNode(this.#target, this.#name, `node-${this.#name}-twin`);
  }

  static async join(
    target: TestDaemon,
    name: string,
    clock: Clock = systemClock,
    invited: Parameters<typeof invite>[1] = {},
  ): Promise<JoinedNode> {
    const node = new JoinedNode(target, name);
    const { link } = await invite(target, { name, ...invited });
    await enroll(
      {
        target: { kind: 'link', link: parseInviteLink(link) },
        stateDirectory: node.stateDirectory,
        name,
        facts: describeMachine('1.0.0', REGISTRATIONS).facts,
      },
      { clock, random: systemRandom, log: silentLog },
    );
    return node;
  }

  /** Runs it; `running` of the returned host rejects when it ends for good. */
  start(
    clock: Clock = systemClock,
    options: { timings?: Partial<NodeTimings>; directory?: string; transport?: TransportMode } = {},
  ): Promise<void> {
    this.#stop = new AbortController();
    this.host = createNodeHost(
      {
        stateDirectory: options.directory ?? this.stateDirectory,
        controlSocketPath: join(this.#target.home, `${this.#name}-${sockets++}.sock`),
        version: '1.0.0',
        transport: options.transport ?? 'grpc',
        timings: {
          backoffBaseMs: 50,
          backoffCapMs: 200,
          connectTimeoutMs: 3_000,
          slowRetryMs: 200,
          ...options.timings,
        },
      },
      { clock, random: systemRandom, log: silentLog, registrations: REGISTRATIONS },
    );
    this.#running = this.host.run(this.#stop.signal);
    this.#running.catch(() => undefined);
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#stop?.abort();
    await this.#running.catch(() => undefined);
  }

  /** One dispatch, waited for: its final state, or the reason why it was not accepted. */
  async run(): Promise<string> {
    const client = new ControlPlaneClient({ socketPath: this.#target.socketPath, requestTimeoutMs: 30_000 });
    try {
      const body = { capability: 'test.run', input: {}, timeoutMs: 20_000, wait: true };
      return (await client.createDispatch(this.#name, body)).state;
    } catch (error) {
      return PalyraError.from(error).reason;
    } finally {
      await client.close();
    }
  }
}

const REGISTRATIONS = [registration(capability())];
let sockets = 0;
