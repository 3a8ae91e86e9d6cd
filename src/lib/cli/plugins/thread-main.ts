/**
 * The thread in which the code of one plugin runs: what it prints goes nowhere near the streams of the process, `process.exit` ends the thread alone, and a
 * loop without end keeps nobody else waiting. This file is the entry of that thread and is never imported.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import type { JsonValue } from '../../base/model.js';
import type { PluginHook } from './plugin-index.js';
import type { FromThread, RunMessage, ThreadTask, ToThread } from './thread-messages.js';

/** As many values are sent on each second; the node drops more anyway. */
const PROGRESS_PER_SECOND = 10;
const PROGRESS_BYTES = 64 * 1024;
const PRINTED_PER_SECOND = 20;
const PRINTED_CHARACTERS = 500;
const MESSAGE_CHARACTERS = 512;
const FIELDS = [
  'name',
  'version',
  'summary',
  'inputSchema',
  'outputSchema',
  'sideEffects',
  'mediation',
  'idempotent',
  'executionTimeoutMs',
  'platforms',
  'offByDefault',
] as const;

type Run = (context: object) => unknown;

const port = parentPort!;
const runs: (Run | null)[] = [];
const aborts = new Map<number, AbortController>();
let loading = true;
let printedWhileLoading: string | null = null;

const send = (message: FromThread) => port.postMessage(message);
const mayPrint = perSecond(PRINTED_PER_SECOND);

capture(process.stdout, (text) => {
  if (loading) printedWhileLoading ??= text.trim().split('\n')[0] ?? '';
});
capture(process.stderr, () => undefined);

void start(workerData as ThreadTask).then(
  (json) => {
    loading = false;
    if (printedWhileLoading !== null)
      send({ kind: 'refused', message: `it prints to stdout while it is loaded: "${clip(printedWhileLoading)}"` });
    else send({ kind: 'ready', json });
  },
  (error: unknown) => send({ kind: 'refused', message: clip(firstLine(error)) }),
);

port.on('message', (message: ToThread) => {
  if (message.kind === 'ping') send({ kind: 'pong' });
  else if (message.kind === 'abort') aborts.get(message.id)?.abort(new Error(message.message));
  else void run(message);
});

async function start(task: ThreadTask): Promise<string> {
  if (task.kind === 'describe') {
    const { describeCommands } = await import('./describe-commands.js');
    return describeCommands(task.root);
  }
  const registrations: object[] = [];
  for (const hook of task.hooks) {
    const found = await callHook(task.root, hook, task.palyra.version);
    for (const registration of Array.isArray(found) ? found : [found]) registrations.push(toData(registration));
  }
  return JSON.stringify(registrations);
}

async function callHook(root: string, { target, identifier }: PluginHook, version: string): Promise<unknown> {
  const module = (await import(pathToFileURL(fileOf(root, target)).href)) as Record<string, unknown>;
  const inner = module['default'] as Record<string, unknown> | undefined;
  const candidates = [module[identifier], inner?.[identifier], inner?.['default'], ...Object.values(module)];
  const hook = candidates.find((candidate) => typeof candidate === 'function') as Run | undefined;
  if (hook === undefined) throw new Error(`${target} exports no function`);
  const config = { name: 'palyra', bin: 'palyra', version, root };
  const silent = () => undefined;
  const context = {
    config,
    debug: silent,
    log: silent,
    warn: silent,
    error: fail,
    exit: (code = 0) => process.exit(code),
  };
  return hook.call(context, { config, context });
}

function fail(error: unknown): never {
  throw error instanceof Error ? error : new Error(String(error));
}

/** oclif lets a target leave out its ending. */
function fileOf(root: string, target: string): string {
  const path = join(root, target);
  const found = ['', '.js', '.mjs', '.cjs', '/index.js'].map((ending) => path + ending).find(isFile);
  if (found === undefined) throw new Error(`${target} does not exist`);
  return found;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** Reads every field once. What cannot be read or is not JSON becomes null, which the catalog refuses by name. */
function toData(registration: unknown): object {
  const { api, capabilities } = (registration ?? {}) as { api?: unknown; capabilities?: unknown };
  if (!Array.isArray(capabilities)) return { api, capabilities: null };
  return { api, capabilities: capabilities.map(capabilityData) };
}

function capabilityData(candidate: unknown): object | null {
  try {
    const source = candidate as Record<string, unknown>;
    const fields: unknown = JSON.parse(
      JSON.stringify(Object.fromEntries(FIELDS.map((field) => [field, source[field]]))),
    );
    const { run } = source;
    runs.push(typeof run === 'function' ? (context) => (run as Run).call(source, context) : null);
    return { ...(fields as object), place: typeof run === 'function' ? runs.length - 1 : null };
  } catch {
    return null;
  }
}

async function run({ id, place, input, node, allowed }: RunMessage): Promise<void> {
  const controller = new AbortController();
  aborts.set(id, controller);
  const mayTell = perSecond(PROGRESS_PER_SECOND);
  const progress = (value: JsonValue) => {
    const json: string | undefined = JSON.stringify(value);
    if (json !== undefined && json.length <= PROGRESS_BYTES && mayTell()) send({ kind: 'progress', id, json });
  };
  try {
    const output = await runs[place]!({ input, node, allowed, signal: controller.signal, progress });
    send({ kind: 'done', id, json: JSON.stringify(output ?? null) });
  } catch (error) {
    const { name, code, message } = (error ?? {}) as { name?: unknown; code?: unknown; message?: unknown };
    send({ kind: 'failed', id, name: String(name), code: String(code), message: clip(String(message ?? error)) });
  } finally {
    aborts.delete(id);
  }
}

/** Takes the place of `write`: nothing of what a plugin prints reaches the streams of the process. */
function capture(stream: NodeJS.WriteStream, seen: (text: string) => void): void {
  stream.write = (chunk: unknown, encoding?: unknown, callback?: unknown) => {
    const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString('utf8');
    seen(text);
    if (mayPrint()) send({ kind: 'printed', text: text.trimEnd().slice(0, PRINTED_CHARACTERS) });
    const done = typeof encoding === 'function' ? encoding : callback;
    if (typeof done === 'function') queueMicrotask(done as () => void);
    return true;
  };
}

function perSecond(limit: number): () => boolean {
  let windowStart = -Infinity;
  let count = 0;
  return () => {
    const now = performance.now();
    if (now - windowStart >= 1000) [windowStart, count] = [now, 0];
    return (count += 1) <= limit;
  };
}

function firstLine(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return (error.message.split('\n')[0] ?? '') || error.name;
}

function clip(text: string): string {
  return text.slice(0, MESSAGE_CHARACTERS);
}
