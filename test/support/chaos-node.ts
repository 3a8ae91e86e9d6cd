/** A paired node in a process of its own, behind a network that a test makes bad. Times are short: a back-off of at most a second stands for the thirty of a node. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TransportMode } from '../../src/lib/base/transports.js';
import type { NodeTimings } from '../../src/lib/node/config.js';
import { assertDocument } from './document-schemas.js';
import { eventually } from './eventually.js';
import type { LiveDaemon } from './live-daemon.js';
import { NetShim } from './net-shim.js';
import { PROBE_MODULE, type Document, type Sandbox } from './palyra.js';

const SCRIPT = fileURLToPath(new URL('./node-process.ts', import.meta.url));
/** The node starts again after at most this long. */
export const BACKOFF_CAP_MS = 1_000;

export interface ChaosNodeOptions {
  readonly name: string;
  readonly transport: TransportMode;
  readonly timings?: Partial<NodeTimings>;
  /** Beside the probe. */
  readonly modules?: readonly string[];
  /** Stands before its command line. */
  readonly through?: readonly string[];
}

export class ChaosNode {
  readonly name: string;
  readonly transport: TransportMode;
  readonly shim: NetShim;
  readonly #sandbox: Sandbox;
  readonly #daemon: LiveDaemon;
  readonly #timings: Partial<NodeTimings>;
  readonly #modules: readonly string[];
  readonly #through: readonly string[];
  #child: ChildProcess | null = null;
  #output = '';
  #traces = 0;

  private constructor(
    place: { readonly sandbox: Sandbox; readonly daemon: LiveDaemon },
    o: ChaosNodeOptions & { readonly shim: NetShim; readonly timings: Partial<NodeTimings> },
  ) {
    this.#sandbox = place.sandbox;
    this.#daemon = place.daemon;
    this.name = o.name;
    this.transport = o.transport;
    this.shim = o.shim;
    this.#timings = o.timings;
    this.#modules = [PROBE_MODULE, ...(o.modules ?? [])];
    this.#through = o.through ?? [];
  }

  /** Pairs it; it does not run yet. */
  static async pair(
    place: { readonly sandbox: Sandbox; readonly daemon: LiveDaemon; readonly nodePort: number },
    o: ChaosNodeOptions,
  ): Promise<ChaosNode> {
    const { link } = await place.sandbox.invite(['--name', o.name]);
    const { code, stderr } = await place.sandbox.run(['node', 'pair', link as string], {
      home: o.name,
      env: { PALYRA_CAPABILITY_MODULES: [PROBE_MODULE, ...(o.modules ?? [])].join(delimiter) },
    });
    if (code !== 0) throw new Error(`${o.name} did not pair: ${stderr}`);
    const shim = await NetShim.start(place.nodePort);
    const timings = { backoffBaseMs: 50, backoffCapMs: BACKOFF_CAP_MS, connectTimeoutMs: 3_000, ...o.timings };
    const node = new ChaosNode(place, { ...o, shim, timings });
    node.throughShim();
    return node;
  }

  get stateDirectory(): string {
    return join(this.#sandbox.home(this.name), 'state', 'node');
  }

  get child(): ChildProcess {
    return this.#child!;
  }

  /** States so far, oldest first. */
  get states(): string[] {
    return this.#output.split('\n').slice(0, -1);
  }

  /** The network leads through the shim from the next start on. A renewal tells the real address again. */
  throughShim(endpoint = this.shim.endpoint): void {
    const file = join(this.stateDirectory, 'identity.json');
    const identity = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...identity, nodeEndpoints: [endpoint] }));
  }

  start(): void {
    const socket = join(this.#sandbox.directory, `${this.name}.sock`);
    const modules = this.#modules.join(delimiter);
    const words = [this.stateDirectory, socket, modules, this.transport, JSON.stringify(this.#timings)];
    const [program = '', ...rest] = [...this.#through, process.execPath, '--import', 'tsx', SCRIPT, ...words];
    this.#child = spawn(program, rest, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, PALYRA_HOME: this.#sandbox.home(this.name) },
    });
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
  }

  /** Starts it again whenever it ends, as a service manager does. Returns what ends that. */
  supervise(): () => void {
    let over = false;
    const watch = () =>
      this.child.once('exit', () => {
        if (over) return;
        this.start();
        watch();
      });
    watch();
    return () => (over = true);
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  online(timeoutMs = 30_000) {
    return this.#daemon.nodeWhen(this.name, 'online', timeoutMs);
  }

  /** As `nodes show` has it. */
  async shown(): Promise<Document> {
    const { document } = await this.#sandbox.json(['nodes', 'show', this.name]);
    assertDocument(document);
    return document.node;
  }

  async dispatch(capability: string, input: Record<string, string | number>): Promise<string> {
    const asked = { capability, input, queueMs: 120_000, timeoutMs: 120_000 };
    return (await this.#daemon.dispatch(this.name, asked)).id;
  }

  /** Something with an effect, and how often it began and ended. */
  async effect(ms: number, capability = 'probe.effect'): Promise<Effect> {
    const file = join(this.#sandbox.directory, `${this.name}-${this.#traces++}`);
    const id = await this.dispatch(capability, { ms, file });
    return new Effect(id, file, this.#daemon);
  }

  /** Answers through the whole chain. Milliseconds until it did. */
  async answers(timeoutMs = 30_000): Promise<number> {
    const began = performance.now();
    const id = await this.dispatch('probe.sleep', { ms: 0 });
    const { state } = await this.#daemon.settled(id, timeoutMs);
    if (state !== 'succeeded') throw new Error(`${this.name} answers ${state}`);
    return performance.now() - began;
  }
}

export class Effect {
  readonly id: string;
  readonly #file: string;
  readonly #daemon: LiveDaemon;

  constructor(id: string, file: string, daemon: LiveDaemon) {
    this.id = id;
    this.#file = file;
    this.#daemon = daemon;
  }

  get starts(): number {
    return this.#count('start');
  }

  get ends(): number {
    return this.#count('end');
  }

  begun(): Promise<true> {
    return eventually(() => this.starts > 0 && (true as const), `${this.id} begins`, 30_000);
  }

  settled() {
    return this.#daemon.settled(this.id);
  }

  #count(word: string): number {
    return existsSync(this.#file) ? readFileSync(this.#file, 'utf8').split(word).length - 1 : 0;
  }
}
