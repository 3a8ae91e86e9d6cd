/**
 * One plugin in a thread of its own. It is loaded within a time limit or not at all; if the thread ends (a plugin that calls `process.exit`, throws where
 * nobody catches, or takes too much memory) its runs fail and the next one starts a new thread. A plugin whose loop hangs after it was told to stop is
 * ended. Native code that crashes still takes the process down: a thread is no process.
 */
import { Worker } from 'node:worker_threads';
import type { JsonValue } from '../../base/model.js';
import type { FromThread, ThreadTask, ToThread } from './thread-messages.js';

/** A plugin that takes longer is left out. */
export const LOAD_WITHIN_MS = 5_000;
/** After an abort: how long the thread may be deaf. */
const ANSWER_WITHIN_MS = 5_000;
const MEMORY_MB = 256;
/** Proofs of who this machine or person is are nothing a plugin is given. */
const SECRET_VARIABLES = ['PALYRA_TOKEN', 'PALYRA_TOKEN_FILE', 'PALYRA_INVITE', 'PALYRA_INVITE_FILE'];

export interface RunContext {
  readonly input: JsonValue;
  readonly signal: AbortSignal;
  readonly progress: (value: JsonValue) => void;
  readonly node: object;
  readonly allowed?: readonly string[];
}

export interface ThreadOptions {
  /** The built `thread-main.js`. */
  readonly script: URL;
  readonly loadWithinMs?: number;
  /** Whatever the plugin writes to its streams, a piece at a time. */
  readonly onPrinted?: (text: string) => void;
}

interface PendingRun {
  readonly progress: (value: JsonValue) => void;
  readonly resolve: (output: JsonValue) => void;
  readonly reject: (error: Error) => void;
}

export class PluginThread {
  readonly #task: ThreadTask;
  readonly #options: ThreadOptions;
  readonly #running = new Map<number, PendingRun>();
  #worker: Worker | null = null;
  #loaded: Promise<string> | null = null;
  #nextId = 1;
  #deaf: NodeJS.Timeout | null = null;
  #verdict: Promise<void> | null = null;
  #decided: () => void = () => undefined;
  #closed = false;

  constructor(task: ThreadTask, options: ThreadOptions) {
    this.#task = task;
    this.#options = options;
  }

  /** Starts it if it does not run. Resolves with what it answers, as JSON; rejects with one line that says why not. */
  load(): Promise<string> {
    this.#loaded ??= this.#start();
    return this.#loaded;
  }

  /** Runs the capability at that place. Rejects with what the plugin threw; its `name`, `code` and `message` are kept. */
  async run(place: number, { input, signal, progress, node, allowed = [] }: RunContext): Promise<JsonValue> {
    // Whether the thread hangs is about to be known; a run given to it now might be lost with it.
    await this.#verdict;
    await this.load();
    signal.throwIfAborted();
    const id = this.#nextId++;
    const abort = () => this.#abort(id, signal.reason);
    try {
      return await new Promise<JsonValue>((resolve, reject) => {
        this.#running.set(id, { progress, resolve, reject });
        signal.addEventListener('abort', abort, { once: true });
        this.#send({ kind: 'run', id, place, input, node, allowed });
      });
    } finally {
      signal.removeEventListener('abort', abort);
      this.#running.delete(id);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#end('palyra stops');
  }

  async #start(): Promise<string> {
    if (this.#closed) throw new Error('palyra stops');
    const { script, loadWithinMs = LOAD_WITHIN_MS } = this.#options;
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !SECRET_VARIABLES.includes(name)));
    const worker = new Worker(script, {
      workerData: this.#task,
      env,
      execArgv: [],
      argv: [],
      stdin: false,
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
    });
    // Whatever gets past the capture inside the thread ends here.
    worker.stdout.resume();
    worker.stderr.resume();
    worker.unref();
    this.#worker = worker;
    const keepAlive = setInterval(() => undefined, 60_000);
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<string>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`it did not load within ${loadWithinMs / 1000} s`)), loadWithinMs);
        worker.on('message', (message: FromThread) => {
          if (message.kind === 'ready') resolve(message.json);
          else if (message.kind === 'refused') reject(new Error(message.message));
          else this.#take(message);
        });
        worker.on('error', (error) => this.#gone(worker, firstLine(error), reject));
        worker.on('exit', (code) => this.#gone(worker, `it ended itself with exit code ${code}`, reject));
      });
    } catch (error) {
      await this.#end('it did not load');
      throw error;
    } finally {
      clearTimeout(timer);
      clearInterval(keepAlive);
    }
  }

  #take(message: Exclude<FromThread, { kind: 'ready' | 'refused' }>): void {
    if (message.kind === 'printed') return this.#options.onPrinted?.(message.text);
    if (message.kind === 'pong') return this.#heard();
    const run = this.#running.get(message.id);
    if (run === undefined) return;
    if (message.kind === 'progress') run.progress(JSON.parse(message.json) as JsonValue);
    else if (message.kind === 'done') run.resolve(JSON.parse(message.json ?? 'null') as JsonValue);
    else run.reject(Object.assign(new Error(message.message), { name: message.name, code: message.code }));
  }

  #abort(id: number, reason: unknown): void {
    const message = reason instanceof Error ? reason.message : 'it was aborted';
    this.#send({ kind: 'abort', id, message });
    if (this.#deaf !== null) return;
    this.#send({ kind: 'ping' });
    this.#verdict = new Promise((resolve) => (this.#decided = resolve));
    this.#deaf = setTimeout(() => void this.#end('the plugin hung and was ended'), ANSWER_WITHIN_MS);
    this.#deaf.unref();
  }

  #heard(): void {
    if (this.#deaf !== null) clearTimeout(this.#deaf);
    this.#deaf = null;
    this.#verdict = null;
    this.#decided();
  }

  #send(message: ToThread): void {
    this.#worker?.postMessage(message);
  }

  #gone(worker: Worker, why: string, reject: (error: Error) => void): void {
    reject(new Error(why));
    if (this.#worker !== worker) return;
    this.#forget(`the plugin ended: ${why}`);
  }

  #forget(why: string): void {
    this.#worker = null;
    this.#loaded = null;
    this.#heard();
    for (const run of [...this.#running.values()]) run.reject(new Error(why));
    this.#running.clear();
  }

  async #end(why: string): Promise<void> {
    const worker = this.#worker;
    this.#forget(why);
    await worker?.terminate();
  }
}

function firstLine(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return (error.message.split('\n')[0] ?? '') || error.name;
}
