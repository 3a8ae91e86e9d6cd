/**
 * `fs.read_text` and `fs.list`: look into folders that the person at this machine allowed, and nowhere else. Off until somebody switches them on there.
 * Bounded in what they give back; they change nothing.
 */
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';

import type { JsonValue } from '../../base/model.js';
import { openSame, PATH_SCHEMA, pathIn, resolveAllowed, rootsConsent } from './allowed-roots.js';
import { CapabilityFailure, type CapabilityDefinition } from './capability.js';

/** Well below the limit of a message, escapes included. */
const MAX_TEXT_BYTES = 128 * 1024;
const MAX_ENTRIES = 1_000;

export const fsReadText: CapabilityDefinition = {
  name: 'fs.read_text',
  version: '1.0.0',
  summary: 'Reads a UTF-8 text file below the folders that were allowed on this machine',
  inputSchema: {
    type: 'object',
    required: ['path'],
    additionalProperties: false,
    properties: {
      path: PATH_SCHEMA,
      maxBytes: { type: 'integer', minimum: 1, maximum: MAX_TEXT_BYTES, description: 'Read no more than this' },
    },
  },
  outputSchema: {
    type: 'object',
    required: ['path', 'text', 'bytes', 'truncated'],
    additionalProperties: false,
    properties: {
      path: { type: 'string' },
      text: { type: 'string' },
      bytes: { type: 'integer', description: 'Size of the file' },
      truncated: { type: 'boolean' },
    },
  },
  sideEffects: 'none',
  mediation: 'none',
  idempotent: true,
  executionTimeoutMs: 10_000,
  consent: rootsConsent,
  offByDefault: true,
  run: async ({ input, signal, allowed = [] }) => {
    const path = await resolveAllowed(pathIn(input), allowed, 'fs.read_text');
    const handle = await openSame(path);
    try {
      const facts = await handle.stat();
      if (!facts.isFile()) throw new CapabilityFailure('NOT_A_FILE', `${path} is not a file`);
      signal.throwIfAborted();
      const limit = (input as { maxBytes?: number }).maxBytes ?? MAX_TEXT_BYTES;
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(limit), 0, limit, 0);
      const truncated = facts.size > bytesRead;
      return { path, text: decode(buffer.subarray(0, bytesRead), truncated, path), bytes: facts.size, truncated };
    } finally {
      await handle.close();
    }
  },
};

export const fsList: CapabilityDefinition = {
  name: 'fs.list',
  version: '1.0.0',
  summary: 'Lists a folder below those that were allowed on this machine',
  inputSchema: {
    type: 'object',
    required: ['path'],
    additionalProperties: false,
    properties: { path: PATH_SCHEMA },
  },
  outputSchema: {
    type: 'object',
    required: ['path', 'entries', 'truncated'],
    additionalProperties: false,
    properties: {
      path: { type: 'string' },
      truncated: { type: 'boolean' },
      entries: {
        type: 'array',
        items: {
          type: 'object',
          required: ['name', 'type', 'bytes', 'modifiedAt'],
          additionalProperties: false,
          properties: {
            name: { type: 'string' },
            type: { enum: ['file', 'folder', 'link', 'other'] },
            bytes: { type: ['integer', 'null'] },
            modifiedAt: { type: 'string' },
          },
        },
      },
    },
  },
  sideEffects: 'none',
  mediation: 'none',
  idempotent: true,
  executionTimeoutMs: 10_000,
  consent: rootsConsent,
  offByDefault: true,
  run: async ({ input, signal, allowed = [] }) => {
    const path = await resolveAllowed(pathIn(input), allowed, 'fs.list');
    const directory = await opendir(path).catch((error: unknown) => {
      throw new CapabilityFailure('NOT_A_FOLDER', `${path}: ${(error as NodeJS.ErrnoException).code ?? 'unreadable'}`);
    });
    const entries: JsonValue[] = [];
    let truncated = false;
    for await (const { name } of directory) {
      signal.throwIfAborted();
      if (entries.length >= MAX_ENTRIES) {
        truncated = true;
        break;
      }
      const facts = await lstat(join(path, name)).catch(() => null);
      if (facts === null) continue;
      const type = facts.isFile() ? 'file' : facts.isDirectory() ? 'folder' : facts.isSymbolicLink() ? 'link' : 'other';
      entries.push({ name, type, bytes: type === 'file' ? facts.size : null, modifiedAt: facts.mtime.toISOString() });
    }
    return { path, entries: sorted(entries as { name: string }[]), truncated };
  },
};

function sorted<T extends { readonly name: string }>(entries: T[]): T[] {
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A cut in the middle of a character is no fault of the file. */
function decode(bytes: Buffer, truncated: boolean, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: truncated });
  } catch {
    throw new CapabilityFailure('NOT_TEXT', `${path} is not UTF-8 text`);
  }
}
