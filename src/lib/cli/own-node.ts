/**
 * This machine as a node of its own daemon, for `daemon start --with-node`: an invite that nobody else sees, and `palyra node install` with it. The daemon's
 * commands know nothing of the node's code, so it is the command line that does it, as a person would, in a process of its own.
 *
 * Doing it twice is no error: what is paired already is only started. A machine that belongs to another daemon is left alone.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { isReason, PalyraError } from '../base/errors.js';
import type { ControlPlaneClient } from '../client/control-plane-client.js';
import { inviteRequest } from './invite-desk.js';

export interface OwnNode {
  readonly id: string;
  readonly name: string;
  /** False when it was paired and ran already. */
  readonly changed: boolean;
}

/** Longer than a node waits for its first connection. */
const WITHIN_MS = 90_000;
/** A document of either command is a few kilobytes. */
const MAX_OUTPUT = 1024 * 1024;
/** An invite in the environment of whoever starts the daemon is for another daemon. */
const FOREIGN = ['PALYRA_JSON', 'PALYRA_INVITE', 'PALYRA_INVITE_FILE', 'PALYRA_DAEMON', 'PALYRA_CONTEXT'];

/** Throws NODE_ALREADY_PAIRED for a machine of another daemon, CANCELLED on the signal, and what `node install` ends with. */
export async function makeOwnNode(client: ControlPlaneClient, root: string, signal: AbortSignal): Promise<OwnNode> {
  const status = await palyra(root, ['node', 'status'], {}, signal);
  let env = {};
  if (status['paired'] === true) await assertOurs(client, String(status['id']));
  else env = { PALYRA_INVITE: (await client.createInvite(inviteRequest({}))).link };
  const { node, changed } = await palyra(root, ['node', 'install'], env, signal);
  const { id, name } = node as { readonly id: string; readonly name: string };
  return { id, name, changed: changed === true };
}

async function assertOurs(client: ControlPlaneClient, id: string): Promise<void> {
  try {
    await client.showNode(id);
  } catch (error) {
    if (PalyraError.from(error).reason === 'NODE_NOT_FOUND') throw new PalyraError('NODE_ALREADY_PAIRED');
    throw error;
  }
}

/** The document of a command. */
async function palyra(
  root: string,
  words: readonly string[],
  own: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  const env = { ...process.env };
  for (const name of FOREIGN) delete env[name];
  const child = spawn(process.execPath, [join(root, 'bin', 'run.js'), ...words, '--json'], {
    ...{ env: { ...env, ...own }, windowsHide: true, timeout: WITHIN_MS, signal },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    if (text.length < MAX_OUTPUT) text += part;
  });
  await new Promise<void>((resolve, reject) => {
    child.once('error', (cause) =>
      reject(signal.aborted ? new PalyraError('CANCELLED') : new PalyraError('SERVICE_START_FAILED', { cause })),
    );
    child.once('close', () => resolve());
  });
  const document = parsed(text);
  const error = document['error'] as { code?: unknown; message?: unknown; hint?: unknown } | undefined;
  if (error === undefined) return document;
  const { code, message, hint } = error;
  throw new PalyraError(typeof code === 'string' && isReason(code) ? code : 'SERVICE_START_FAILED', {
    detail: `palyra ${words.join(' ')}: ${String(message)}`,
    ...(typeof hint === 'string' && hint !== '' ? { hint } : {}),
  });
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new PalyraError('SERVICE_START_FAILED', { detail: 'palyra node install ended without a word', cause });
  }
}
