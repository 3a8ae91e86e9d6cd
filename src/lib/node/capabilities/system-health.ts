/**
 * `system.health`: how this machine is doing, measured when asked. It never blocks: a file system that does not answer (a dead network mount) is
 * reported as such after a second, because that is exactly when somebody asks.
 */
import { statfs } from 'node:fs/promises';
import { availableParallelism, freemem, homedir, loadavg, totalmem, uptime } from 'node:os';
import { parse } from 'node:path';

import type { CapabilityDefinition } from './capability.js';

/** A local disk answers within microseconds. */
const DISK_TIMEOUT_MS = 1_000;
/** Below these shares of free space or memory the status is `degraded`: most programs still work, but not for long. */
const LOW_DISK_SHARE = 0.05;
const LOW_MEMORY_SHARE = 0.03;

interface DiskFigures {
  readonly path: string;
  readonly totalBytes: number | null;
  readonly freeBytes: number | null;
  readonly [key: string]: string | number | null;
}

const bytes = { type: 'integer', minimum: 0 };

export const systemHealth: CapabilityDefinition = {
  name: 'system.health',
  version: '1.0.0',
  summary: 'Load, memory, disk, CPU count and uptime of this machine',
  inputSchema: { type: 'object', properties: {}, additionalProperties: false },
  outputSchema: {
    type: 'object',
    required: ['status', 'uptimeMs', 'load', 'memory', 'disk', 'cpuCount'],
    additionalProperties: false,
    properties: {
      status: { enum: ['ok', 'degraded'] },
      uptimeMs: { type: 'integer', minimum: 0, description: 'Since the machine started' },
      load: {
        type: 'array',
        items: { type: 'number', minimum: 0 },
        minItems: 3,
        maxItems: 3,
        description: 'Averages over 1, 5 and 15 minutes; zeros where the system has none',
      },
      memory: {
        type: 'object',
        required: ['totalBytes', 'freeBytes'],
        additionalProperties: false,
        properties: { totalBytes: bytes, freeBytes: bytes },
      },
      disk: {
        type: 'array',
        items: {
          type: 'object',
          required: ['path', 'totalBytes', 'freeBytes'],
          additionalProperties: false,
          properties: {
            path: { type: 'string' },
            totalBytes: { type: ['integer', 'null'], description: 'null: the file system did not answer' },
            freeBytes: { type: ['integer', 'null'], description: 'What an ordinary user may still write' },
          },
        },
      },
      cpuCount: { type: 'integer', minimum: 1 },
    },
  },
  sideEffects: 'none',
  mediation: 'none',
  idempotent: true,
  executionTimeoutMs: 10_000,
  async run({ signal }) {
    signal.throwIfAborted();
    const home = homedir();
    const disk = await Promise.all([...new Set([parse(home).root || '/', home])].map(figuresOf));
    const memory = { totalBytes: totalmem(), freeBytes: freemem() };
    const low =
      memory.freeBytes < memory.totalBytes * LOW_MEMORY_SHARE ||
      disk.some(({ totalBytes, freeBytes }) => totalBytes === null || (freeBytes ?? 0) < totalBytes * LOW_DISK_SHARE);
    return {
      status: low ? 'degraded' : 'ok',
      uptimeMs: Math.round(uptime() * 1_000),
      load: loadavg().map((average) => Math.round(average * 100) / 100),
      memory,
      disk,
      cpuCount: availableParallelism(),
    };
  },
};

async function figuresOf(path: string): Promise<DiskFigures> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), DISK_TIMEOUT_MS);
  });
  try {
    const figures = await Promise.race([statfs(path), late]);
    if (figures === null) return { path, totalBytes: null, freeBytes: null };
    return { path, totalBytes: figures.blocks * figures.bsize, freeBytes: figures.bavail * figures.bsize };
  } catch {
    return { path, totalBytes: null, freeBytes: null };
  } finally {
    clearTimeout(timer);
  }
}
