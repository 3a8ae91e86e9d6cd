/** Asks palyra's own code of the node, through an oclif hook: what that code loads is not loaded by whoever asks. */
import type { Config } from '@oclif/core';
import { PalyraError } from '../base/errors.js';

/** What palyra's own module of the hook answers; other plugins have no say in it. Throws what it throws. */
export async function askOwnHook(config: Config, event: `node:${string}`, options: object): Promise<unknown> {
  const { successes, failures } = await config.runHook(event, { ...options }, undefined, true);
  const own = ({ plugin }: { readonly plugin: { readonly name: string } }) => plugin.name === config.name;
  const failed = failures.find(own);
  if (failed !== undefined) throw PalyraError.from(failed.error);
  return successes.find(own)?.result ?? null;
}

/** Of these names of capabilities of plugins, those that are off until somebody switches them on at this machine. */
export async function waitingCapabilities(
  config: Config,
  stateDirectory: string,
  names: readonly string[],
): Promise<readonly string[]> {
  if (names.length === 0) return [];
  return ((await askOwnHook(config, 'node:waiting', { stateDirectory, names })) ?? []) as readonly string[];
}
