/**
 * `process.run`: runs a command that the person at this machine allowed word for word, and no other. Off until somebody switches it on there.
 *
 * An argument list, never a shell. Its output goes out while it is written, as far as progress may be lost, and the first part of it is the result. It is
 * a process group of its own and is ended as one: asked first, then killed. It gets a small environment and no input.
 */
import { spawn } from 'node:child_process';
import { isAbsolute } from 'node:path';

import { PalyraError } from '../../base/errors.js';
import type { JsonValue } from '../../base/model.js';
import {
  CapabilityDenial,
  CapabilityFailure,
  type CapabilityContext,
  type CapabilityDefinition,
} from './capability.js';
import type { ConsentRules } from './consent.js';
import { findProgram, type Environment } from './opener.js';

/** Of each stream; what comes after it is read and dropped. JSON may need six bytes for one. */
const MAX_KEPT_BYTES = 64 * 1024;
const MAX_ARGUMENTS = 64;
const MAX_ARGUMENT_LENGTH = 1_024;
/** Between asking the group to end and killing it; below the patience that a node has with a handler. */
const KILL_AFTER_MS = 2_000;
const PASSED_ON = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'USER', 'LOGNAME', 'TMPDIR', 'SystemRoot', 'USERPROFILE'];

export const argvConsent: ConsentRules = {
  verb: 'Run',
  scope: 'exactly this command',
  check: (input) => void argvOf((input as { argv?: unknown } | null)?.argv),
  subject: (input) => {
    const text = JSON.stringify(argvOf((input as { argv: unknown }).argv));
    return { text, emphasis: null, notes: [], pattern: text };
  },
  toPattern: (text) => {
    try {
      return JSON.stringify(argvOf(JSON.parse(text)));
    } catch (error) {
      throw new PalyraError('INPUT_INVALID', {
        detail: `the command is a JSON list, such as '["git","status"]'`,
        cause: error,
      });
    }
  },
  matches: (pattern, input) => pattern === JSON.stringify(argvOf((input as { argv: unknown }).argv)),
};

export function processRun(env: Environment, platform: NodeJS.Platform): CapabilityDefinition {
  return {
    name: 'process.run',
    version: '1.0.0',
    summary: 'Runs a command that was allowed word for word on this machine; its output comes as progress',
    inputSchema: {
      type: 'object',
      required: ['argv'],
      additionalProperties: false,
      properties: {
        argv: {
          type: 'array',
          minItems: 1,
          maxItems: MAX_ARGUMENTS,
          items: { type: 'string', maxLength: MAX_ARGUMENT_LENGTH },
          description: 'Program and arguments; no shell reads them',
        },
      },
    },
    outputSchema: {
      type: 'object',
      required: ['exitCode', 'signal', 'stdout', 'stderr', 'truncated'],
      additionalProperties: false,
      properties: {
        exitCode: { type: ['integer', 'null'] },
        signal: { type: ['string', 'null'] },
        stdout: { type: 'string' },
        stderr: { type: 'string' },
        truncated: { type: 'boolean', description: 'More was written than is given back' },
      },
    },
    sideEffects: 'external',
    mediation: 'none',
    idempotent: false,
    executionTimeoutMs: 600_000,
    consent: argvConsent,
    offByDefault: true,
    run: async (context) => {
      const { input, allowed = [] } = context;
      if (!allowed.some((pattern) => argvConsent.matches(pattern, input))) {
        const shown = JSON.stringify((input as { argv: unknown }).argv);
        throw new CapabilityDenial(
          'NOT_ALLOWED_HERE',
          `${shown} was not allowed on this machine: palyra node capabilities allow process.run '${shown}'`,
        );
      }
      return run(argvOf((input as { argv: unknown }).argv), context, env, platform);
    },
  };
}

function run(
  [name = '', ...args]: readonly string[],
  { signal, progress }: CapabilityContext,
  env: Environment,
  platform: NodeJS.Platform,
): Promise<JsonValue> {
  const program = isAbsolute(name) ? name : findProgram(name, env, platform);
  if (program === null) throw new CapabilityFailure('PROGRAM_NOT_FOUND', `${name} is not in the PATH of this node`);
  signal.throwIfAborted();
  const kept = { stdout: new Kept(), stderr: new Kept() };
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: Object.fromEntries(PASSED_ON.flatMap((key) => (env[key] === undefined ? [] : [[key, env[key]]]))),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: platform !== 'win32',
      shell: false,
      windowsHide: true,
    });
    let killTimer: NodeJS.Timeout | undefined;
    const end = (how: NodeJS.Signals) => {
      try {
        if (platform === 'win32' || child.pid === undefined) child.kill(how);
        else process.kill(-child.pid, how);
      } catch {
        // The group is gone.
      }
    };
    const onAbort = () => {
      end('SIGTERM');
      killTimer = setTimeout(() => end('SIGKILL'), KILL_AFTER_MS);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].on('data', (chunk: Buffer) => {
        const text = kept[stream].take(chunk);
        if (text !== '') progress({ stream, text });
      });
    }
    const finish = (settle: () => void) => {
      signal.removeEventListener('abort', onAbort);
      clearTimeout(killTimer);
      settle();
    };
    child.once('error', ({ message }) =>
      finish(() => reject(new CapabilityFailure('PROGRAM_FAILED', `${program} could not be started: ${message}`))),
    );
    child.once('exit', () => {
      // What it left running must not hold its output open for ever.
      if (signal.aborted) end('SIGKILL');
    });
    child.once('close', (exitCode, ended) =>
      finish(() => {
        if (signal.aborted) reject(signal.reason as Error);
        else {
          const { stdout, stderr } = kept;
          const truncated = stdout.truncated || stderr.truncated;
          resolve({ exitCode, signal: ended, stdout: stdout.text, stderr: stderr.text, truncated });
        }
      }),
    );
  });
}

/** The first part of a stream, as text. */
class Kept {
  readonly #decoder = new TextDecoder();
  #bytes = 0;
  text = '';
  truncated = false;

  /** What of it is new and kept. */
  take(chunk: Buffer): string {
    const part = chunk.subarray(0, MAX_KEPT_BYTES - this.#bytes);
    this.truncated ||= part.length < chunk.length;
    this.#bytes += part.length;
    const text = this.#decoder.decode(part, { stream: true });
    this.text += text;
    return text;
  }
}

function argvOf(argv: unknown): readonly string[] {
  const isArgv =
    Array.isArray(argv) &&
    argv.length > 0 &&
    argv.length <= MAX_ARGUMENTS &&
    argv.every((word) => typeof word === 'string' && word.length <= MAX_ARGUMENT_LENGTH && !word.includes('\0')) &&
    argv[0] !== '';
  if (!isArgv) throw new PalyraError('INPUT_INVALID', { detail: 'argv: a list of texts, the program first' });
  return argv as string[];
}
