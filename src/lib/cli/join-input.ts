/**
 * Where a joining machine gets its invite from: the argument, `--invite-file`, or the environment; and, when only a host is given, its code from stdin
 * or a person. Codes are never taken from the command line: it is visible to every user of the machine.
 */
import { readFile } from 'node:fs/promises';
import { PalyraError } from '../base/errors.js';
import { takeVariable } from './environment.js';
import { ask } from './prompts.js';
import type { Settings } from './settings.js';

export interface JoinFlags {
  readonly 'invite-file'?: string | undefined;
  readonly 'code-stdin'?: boolean | undefined;
  readonly 'pin-flow'?: boolean | undefined;
}

/** An invite file holds one line; a code is shorter. */
const MAX_BYTES = 4096;

/** The link or host as it was given, or null. The variables are removed from our own environment. */
export async function findInvite(argument: string | undefined, flags: JoinFlags): Promise<string | null> {
  const fromVariable = takeVariable('PALYRA_INVITE');
  const fileVariable = takeVariable('PALYRA_INVITE_FILE');
  if (argument !== undefined) return argument;
  const file = flags['invite-file'] ?? (fromVariable === undefined ? fileVariable : undefined);
  if (file !== undefined) return readInviteFile(file);
  return fromVariable ?? null;
}

/** The code for a host. Null without one: then the machine shows a PIN and a person approves. Throws CODE_REQUIRED when stdin was to have one, or nobody would see a PIN. */
export async function findCode(flags: JoinFlags, o: { canAsk: boolean; canShow: boolean }): Promise<string | null> {
  if (flags['code-stdin'] === true) {
    const code = await firstLine(process.stdin);
    if (code === '') throw new PalyraError('CODE_REQUIRED', { detail: 'stdin was empty' });
    return code;
  }
  if (flags['pin-flow'] === true || !o.canAsk) {
    if (!o.canShow) throw new PalyraError('CODE_REQUIRED', { detail: 'with --json and --quiet no PIN could be shown' });
    return null;
  }
  const code = await ask('? Code of the invite (12 characters, shown by palyra node pair; Enter to ask with a PIN): ');
  return code === '' ? null : code;
}

/** The name this machine asks for, or null to let the daemon choose: the flag, else what the environment or the settings say. */
export function wantedName(flag: string | undefined, settings: Pick<Settings, 'text'>): string | null {
  return flag ?? settings.text('node.name') ?? null;
}

async function readInviteFile(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new PalyraError('USAGE_INVALID', { detail: `cannot read the invite file ${path}`, cause: error });
  }
  const line = text.slice(0, MAX_BYTES).trim().split('\n')[0]?.trim() ?? '';
  if (line === '') throw new PalyraError('USAGE_INVALID', { detail: `the invite file ${path} is empty` });
  return line;
}

/** The first line, trimmed, and no more than is wanted of the rest. */
export async function firstLine(stream: AsyncIterable<unknown>): Promise<string> {
  let text = '';
  for await (const chunk of stream) {
    text += String(chunk);
    if (text.includes('\n') || text.length > MAX_BYTES) break;
  }
  return text.split('\n')[0]?.trim() ?? '';
}
