/** The background daemon of a sandbox over several lives: killed without warning, started again where it listened, asked through its local socket. */
import { join } from 'node:path';
import type { DispatchView, JsonValue, NodeView, Presence } from '../../src/lib/base/model.js';
import { isAlive } from '../../src/lib/cli/daemon-process.js';
import { isSettled } from '../../src/lib/cli/exit-codes.js';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { eventually } from './eventually.js';
import type { Document, Sandbox } from './palyra.js';

export interface Asked {
  readonly capability: string;
  readonly input: JsonValue;
  readonly timeoutMs?: number;
  readonly queueMs?: number;
  readonly idempotencyKey?: string;
}

export class LiveDaemon {
  readonly #sandbox: Sandbox;
  readonly #home: string;
  #pid: number;
  /** Flags that make the next life listen where this one does. */
  readonly #portFlags: readonly string[];

  private constructor(sandbox: Sandbox, home: string, started: Document) {
    this.#sandbox = sandbox;
    this.#home = home;
    this.#pid = started.pid as number;
    const port = (purpose: string) => new URL(started.urls[purpose] as string).port;
    this.#portFlags = [
      ...['--port', port('public'), '--node-port', port('node-rpc')],
      ...['--console-port', port('console')],
    ];
  }

  /** One that was started otherwise: `started` is the document of `daemon start`. */
  static of(sandbox: Sandbox, home: string, started: Document): LiveDaemon {
    return new LiveDaemon(sandbox, home, started);
  }

  static async start(sandbox: Sandbox, options: { home?: string; args?: readonly string[] } = {}): Promise<LiveDaemon> {
    return new LiveDaemon(sandbox, options.home ?? 'daemon', await sandbox.startDaemon(options));
  }

  get pid(): number {
    return this.#pid;
  }

  get stateDirectory(): string {
    return join(this.#sandbox.home(this.#home), 'state', 'daemon');
  }

  /** Where its state is between two lives. */
  get files(): { readonly snapshot: string; readonly journal: string } {
    const at = (name: string) => join(this.stateDirectory, `node-runtime.v1.${name}`);
    return { snapshot: at('json'), journal: at('journal') };
  }

  /** A machine that is paired, under this home and name, and does not run. */
  async pair(name: string): Promise<void> {
    const { link } = await this.#sandbox.invite(['--name', name]);
    const { code, document } = await this.#sandbox.json(['node', 'pair', link as string], { home: name });
    if (code !== 0) throw new Error(`${name} was not paired: ${JSON.stringify(document)}`);
  }

  /** Over a connection of its own, closed afterwards. */
  async with<T>(use: (client: ControlPlaneClient) => Promise<T>): Promise<T> {
    const socketPath = join(this.#sandbox.home(this.#home), 'run', 'daemon.sock');
    const client = new ControlPlaneClient({ socketPath, requestTimeoutMs: 20_000 });
    try {
      return await use(client);
    } finally {
      await client.close();
    }
  }

  /** SIGKILL, and gone when it resolves. */
  async kill(): Promise<void> {
    process.kill(this.#pid, 'SIGKILL');
    await eventually(() => !isAlive(this.#pid), 'the daemon is gone');
  }

  /** On the same home and ports. */
  async startAgain(args: readonly string[] = []): Promise<void> {
    const command = ['daemon', 'start', ...this.#portFlags, ...args];
    const { code, document } = await this.#sandbox.json(command, { home: this.#home });
    if (code !== 0) throw new Error(`the daemon did not start again: ${JSON.stringify(document)}`);
    this.#pid = document.pid as number;
  }

  /** Accepted when it resolves. */
  dispatch(node: string, asked: Asked): Promise<DispatchView> {
    return this.with((client) => client.createDispatch(node, { timeoutMs: 60_000, ...asked, wait: false }));
  }

  /** The dispatch when it is over. */
  async settled(id: string, timeoutMs = 60_000): Promise<DispatchView> {
    const dispatch = await this.with((client) => client.showDispatch(id, { waitMs: timeoutMs }));
    if (!isSettled(dispatch.state)) throw new Error(`${id} is still ${dispatch.state} after ${timeoutMs} ms`);
    return dispatch;
  }

  /** A node as soon as it is seen so. */
  nodeWhen(name: string, presence: Presence, timeoutMs = 15_000): Promise<NodeView> {
    return this.with((client) =>
      eventually(
        async () => {
          const { node } = await client.showNode(name);
          return node.presence === presence && node;
        },
        `${name} is ${presence}`,
        timeoutMs,
      ),
    );
  }

  /** Resolves as soon as so many dispatches are at work on the node. */
  async nodeRuns(name: string, count: number): Promise<void> {
    await this.with((client) =>
      eventually(async () => (await client.showNode(name)).node.queue.running === count, `${count} at work on ${name}`),
    );
  }
}
