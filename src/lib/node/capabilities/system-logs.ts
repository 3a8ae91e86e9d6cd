/**
 * `system.logs`: the last records of the log that the node service of this machine keeps, the ones `palyra node logs` shows. It reads that one file and
 * nothing else, whatever the input says.
 *
 * Off until somebody switches it on at the machine: a log holds no secrets, but it holds paths, addresses and the words of programs that failed, and nobody
 * can promise that none of them is private. Records of level debug, among them what plugins print, are never given out. What is read is redacted once more:
 * a crash of the runtime writes its own lines, past the redaction of the log.
 */
import { open } from 'node:fs/promises';
import type { JsonValue } from '../../base/model.js';
import { CapabilityFailure, type CapabilityDefinition } from './capability.js';

export interface NodeLog {
  /** Its present file; the generation before it is `PATH.1`. */
  readonly path: string;
  /** A copy without secrets. */
  readonly redact: (value: unknown) => unknown;
}

/** Given out from debug upwards, which is left out. */
const LEVELS = ['info', 'warn', 'error'] as const;
const DEFAULT_LINES = 100;
const MAX_LINES = 1_000;
/** Read from the end of each file: records that are longer ago than this are looked for at the machine. */
const MAX_READ_BYTES = 256 * 1024;
/** Of the answer; every later `nodes show` repeats it for a while. */
const MAX_ANSWER_BYTES = 64 * 1024;

interface Input {
  readonly lines?: number;
  readonly level?: (typeof LEVELS)[number];
}

type Entry = Readonly<Record<string, JsonValue>>;

export function systemLogs({ path, redact }: NodeLog): CapabilityDefinition {
  return {
    name: 'system.logs',
    version: '1.0.0',
    summary: 'The last records of the log that the node service of this machine keeps',
    inputSchema: {
      type: 'object',
      additionalProperties: false,
      properties: {
        lines: { type: 'integer', minimum: 1, maximum: MAX_LINES, description: `At most; ${DEFAULT_LINES} without it` },
        level: { enum: [...LEVELS], description: 'Only this level and worse' },
      },
    },
    outputSchema: {
      type: 'object',
      required: ['entries', 'truncated'],
      additionalProperties: false,
      properties: {
        entries: {
          type: 'array',
          description: 'Oldest first',
          items: {
            type: 'object',
            required: ['time', 'level', 'scope', 'msg'],
            properties: {
              time: { type: ['string', 'null'], description: 'null: a line that is not a record, such as of a crash' },
              level: { type: 'string' },
              scope: { type: 'string' },
              msg: { type: 'string' },
            },
          },
        },
        truncated: { type: 'boolean', description: 'There is more than was asked for, or than fits' },
      },
    },
    sideEffects: 'none',
    mediation: 'none',
    idempotent: true,
    executionTimeoutMs: 10_000,
    offByDefault: true,
    run: async ({ input, signal }) => {
      const { lines = DEFAULT_LINES, level = 'info' } = input as Input;
      const present = await readEnd(path);
      if (present === null) {
        throw new CapabilityFailure('LOG_NOT_KEPT', 'no node service of this machine has written a log yet');
      }
      signal.throwIfAborted();
      const before = present.whole ? await readEnd(`${path}.1`) : null;
      const found = [...(before?.lines ?? []), ...present.lines].flatMap((line) => {
        const entry = toEntry(line, redact);
        return entry !== null && isWanted(entry, level) ? [entry] : [];
      });
      const entries = lastThatFit(found, lines);
      return { entries, truncated: entries.length < found.length || !present.whole || before?.whole === false };
    },
  };
}

/** Whole lines of the end of a file; null when there is none. */
async function readEnd(path: string): Promise<{ readonly lines: readonly string[]; readonly whole: boolean } | null> {
  const file = await open(path, 'r').catch(() => null);
  if (file === null) return null;
  try {
    const { size } = await file.stat();
    const length = Math.min(size, MAX_READ_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const lines = buffer.subarray(0, bytesRead).toString('utf8').split('\n');
    const whole = length === size;
    return { lines: whole ? lines : lines.slice(1), whole };
  } finally {
    await file.close();
  }
}

function toEntry(line: string, redact: NodeLog['redact']): Entry | null {
  if (line.trim() === '') return null;
  const { time, level, scope, msg, ...fields } = recordOf(line);
  if (typeof time === 'string' && typeof level === 'string' && typeof msg === 'string') {
    return { ...(redact({ time, level, scope: typeof scope === 'string' ? scope : '', msg, ...fields }) as Entry) };
  }
  return { time: null, level: 'error', scope: 'runtime', msg: redact(line) as string };
}

function recordOf(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function isWanted({ level }: Entry, least: (typeof LEVELS)[number]): boolean {
  return (LEVELS as readonly unknown[]).indexOf(level) >= LEVELS.indexOf(least);
}

function lastThatFit(entries: readonly Entry[], most: number): Entry[] {
  let bytes = 0;
  let first = entries.length;
  while (first > 0 && entries.length - first < most) {
    bytes += Buffer.byteLength(JSON.stringify(entries[first - 1])) + 1;
    if (bytes > MAX_ANSWER_BYTES) break;
    first--;
  }
  return entries.slice(first);
}
