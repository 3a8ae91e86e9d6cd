/**
 * Which daemon a command speaks to. Flags go before variables, a variable before what is stored:
 *
 *   --daemon  >  --context  >  PALYRA_DAEMON  >  PALYRA_CONTEXT  >  the current context  >  the local socket
 *
 * The common case, no context at all, costs the look at one file; everything about other machines is loaded when there is one.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { PalyraError } from '../base/errors.js';
import type { ControlPlaneClientOptions } from '../client/calls.js';
import type { Directories } from './directories.js';
import { readVariable, type Environment } from './environment.js';

export interface TargetFlags {
  readonly daemon?: string | undefined;
  readonly context?: string | undefined;
}

export type TargetSource =
  '--daemon' | '--context' | 'PALYRA_DAEMON' | 'PALYRA_CONTEXT' | 'current context' | 'default';

export interface Target {
  /** The name of the context; `local` for this machine; null for an address that no context has. */
  readonly context: string | null;
  readonly source: TargetSource;
  /** Null for the local socket. */
  readonly url: string | null;
  /** Where the credential is from. */
  readonly credential: 'none' | 'session' | 'token' | 'PALYRA_TOKEN' | 'PALYRA_TOKEN_FILE';
  readonly options: ControlPlaneClientOptions;
}

export interface Choice {
  readonly source: Exclude<TargetSource, 'default'>;
  /** An address or the name of a context; null: whatever is current. */
  readonly word: string | null;
}

/** What was asked for, or null when only the current context is left to look at. Throws USAGE_INVALID for both flags at once. */
export function choiceOf(flags: TargetFlags, env: Environment): Choice | null {
  if (flags.daemon !== undefined && flags.context !== undefined) {
    throw new PalyraError('USAGE_INVALID', { detail: 'give either --daemon or --context' });
  }
  if (flags.daemon !== undefined) return { source: '--daemon', word: flags.daemon };
  if (flags.context !== undefined) return { source: '--context', word: flags.context };
  for (const source of ['PALYRA_DAEMON', 'PALYRA_CONTEXT'] as const) {
    const word = readVariable(source, env);
    if (word !== undefined) return { source, word };
  }
  return null;
}

/** Throws USAGE_INVALID, CONFIG_INVALID, CONTEXT_NOT_FOUND. */
export async function findTarget(
  flags: TargetFlags,
  directories: Directories,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Target> {
  const choice = choiceOf(flags, env);
  if (choice === null && !(await exists(join(directories.config, 'contexts.json')))) return localTarget(directories);
  const { remoteTarget } = await import('./remote-target.js');
  return remoteTarget(choice, directories, env);
}

export function localTarget(directories: Directories, source: TargetSource = 'default'): Target {
  return {
    context: 'local',
    source,
    url: null,
    credential: 'none',
    options: { socketPath: directories.socketPath },
  };
}

/** Commands about this machine speak to its own daemon whatever the context; asking one of them for another daemon is a mistake. */
export function assertHere(id: string, flags: TargetFlags): void {
  const flag = flags.daemon !== undefined ? '--daemon' : flags.context !== undefined ? '--context' : null;
  if (flag === null || flags.context?.toLowerCase() === 'local') return;
  throw new PalyraError('USAGE_INVALID', {
    detail: `palyra ${id.replaceAll(':', ' ')} is about this machine; ${flag} does not apply`,
  });
}

export function isAboutThisMachine(id: string): boolean {
  return (
    ['status', 'doctor'].includes(id) ||
    ['daemon:', 'plugins:'].some((topic) => id.startsWith(topic)) ||
    (id.startsWith('node:') && id !== 'node:pair')
  );
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
