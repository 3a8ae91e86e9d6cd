/**
 * `desktop.open_path`: shows a file or a folder to the person at this machine, who is asked first. What the person saw is what is opened: a path that leads
 * elsewhere (a symbolic link) is refused, and so is what the desktop would run instead of show.
 */
import { realpath, stat } from 'node:fs/promises';
import { posix, win32 } from 'node:path';

import { PalyraError } from '../../base/errors.js';
import type { JsonValue } from '../../base/model.js';
import { CapabilityFailure, type CapabilityDefinition } from './capability.js';
import type { ConsentRules } from './consent.js';
import type { Opener } from './opener.js';

const MAX_PATH_LENGTH = 4_096;
/** Opening these runs something, or goes to another place. */
const PROGRAMS = new Set(
  'app applescript appimage bat cmd com command cpl desktop exe hta jar js jse lnk msi msp pif ps1 psm1 py pyw reg scf scr sh terminal tool url vb vbe vbs webloc workflow ws wsf wsh'.split(
    ' ',
  ),
);

export function pathConsent(platform: NodeJS.Platform): ConsentRules {
  const path = platform === 'win32' ? win32 : posix;
  const pathOf = (input: JsonValue) => checkedPath((input as { path?: unknown } | null)?.path, platform);
  return {
    verb: 'Open',
    scope: 'this folder',
    check: (input) => void pathOf(input),
    subject: (input) => {
      const text = pathOf(input);
      return { text, emphasis: path.basename(text) || null, notes: [], pattern: `${folderPrefix(text, path)}*` };
    },
    toPattern: (text) => {
      const isFolder = text.endsWith('*');
      const checked = checkedPath(isFolder ? text.slice(0, -1) : text, platform);
      return isFolder ? `${checked.endsWith(path.sep) ? checked : checked + path.sep}*` : checked;
    },
    matches: (pattern, input) => {
      const text = pathOf(input);
      return pattern.endsWith(`${path.sep}*`) ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
    },
  };
}

export function desktopOpenPath(opener: Opener | null, platform: NodeJS.Platform): CapabilityDefinition {
  return {
    name: 'desktop.open_path',
    version: '1.0.0',
    summary: 'Shows a file or folder to the person at this machine, who is asked first; programs are never opened',
    inputSchema: {
      type: 'object',
      required: ['path'],
      additionalProperties: false,
      properties: { path: { type: 'string', maxLength: MAX_PATH_LENGTH, description: 'Absolute, without links' } },
    },
    outputSchema: {
      type: 'object',
      required: ['opened'],
      additionalProperties: false,
      properties: { opened: { type: 'string' } },
    },
    sideEffects: 'local',
    mediation: 'ask',
    idempotent: false,
    executionTimeoutMs: 15_000,
    consent: pathConsent(platform),
    available: () => opener !== null,
    run: async ({ input, signal }) => {
      const path = checkedPath((input as { path?: unknown }).path, platform);
      await assertShowable(path, platform);
      await opener!.open(path, signal);
      return { opened: path };
    },
  };
}

async function assertShowable(path: string, platform: NodeJS.Platform): Promise<void> {
  let real: string;
  let facts: Awaited<ReturnType<typeof stat>>;
  try {
    real = await realpath(path);
    facts = await stat(real);
  } catch (error) {
    throw new CapabilityFailure('PATH_NOT_FOUND', `${path}: ${(error as NodeJS.ErrnoException).code ?? 'not there'}`);
  }
  if (real !== path) throw new CapabilityFailure('PATH_LEADS_ELSEWHERE', `${path} leads to ${real}; ask for that`);
  const ending = /\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
  const runs = facts.isFile() && platform !== 'win32' && (facts.mode & 0o111) !== 0;
  if (runs || PROGRAMS.has(ending)) {
    throw new CapabilityFailure('PATH_IS_A_PROGRAM', `${path} would be run, not shown`);
  }
  if (!facts.isFile() && !facts.isDirectory())
    throw new CapabilityFailure('PATH_NOT_FOUND', `${path} is no file or folder`);
}

/** Absolute, in its one spelling, nothing invisible in it. Throws INPUT_INVALID. */
function checkedPath(text: unknown, platform: NodeJS.Platform): string {
  const path = platform === 'win32' ? win32 : posix;
  const refuse = (detail: string) => new PalyraError('INPUT_INVALID', { detail: `path: ${detail}` });
  if (typeof text !== 'string' || text === '' || text.length > MAX_PATH_LENGTH) throw refuse('it is empty or too long');
  if (/[\p{Cc}\p{Cf}]/u.test(text)) throw refuse('it has invisible characters');
  if (!path.isAbsolute(text)) throw refuse('it is not absolute');
  if (text.startsWith('//') || text.startsWith('\\\\')) throw refuse('shares of other machines are not opened');
  const normal = path.normalize(text);
  if (normal !== text) throw refuse(`write it as ${normal}`);
  return text.length > 1 && text.endsWith(path.sep) ? text.slice(0, -1) : text;
}

function folderPrefix(text: string, path: typeof posix): string {
  const folder = path.dirname(text);
  return folder.endsWith(path.sep) ? folder : `${folder}${path.sep}`;
}
