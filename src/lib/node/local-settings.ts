/**
 * `palyra node capabilities` on this machine: with the running node when there is one, so that a change holds at once and is announced, else in its state.
 * Nobody else changes the state meanwhile: the node's lock is held for the change.
 */
import { systemClock } from '../base/clock.js';
import { ensurePrivateDirectory } from '../base/files.js';
import { Catalog, type SourcedRegistration } from './capabilities/catalog.js';
import {
  capabilitySettings,
  changeSetting,
  type CapabilitySetting,
  type SettingChange,
} from './capability-settings.js';
import { askHost } from './control.js';
import { lockNode } from './node-lock.js';
import { NodePolicy, type ConfiguredRules } from './policy.js';

export interface LocalParts {
  readonly stateDirectory: string;
  readonly controlSocketPath: string;
  /** Asked for only while no node runs. */
  readonly rules: () => Promise<ConfiguredRules>;
  readonly registrations: () => Promise<readonly SourcedRegistration[]>;
}

export interface LocalSettings {
  /** A node runs and goes by them now. */
  readonly running: boolean;
  readonly capabilities: readonly CapabilitySetting[];
}

export async function readLocalSettings(parts: LocalParts): Promise<LocalSettings> {
  const live = await askHost(parts.controlSocketPath, { op: 'capabilities' });
  if (live !== null) return { running: true, ...(live as Omit<LocalSettings, 'running'>) };
  const policy = await NodePolicy.open(parts.stateDirectory, await parts.rules());
  const { catalog } = Catalog.collect(await parts.registrations());
  return { running: false, capabilities: capabilitySettings(catalog, policy) };
}

/** Throws CAPABILITY_NOT_FOUND, INPUT_INVALID, NODE_ALREADY_RUNNING (one that is just starting) and storage reasons. */
export async function changeLocalSettings(
  parts: LocalParts,
  change: SettingChange,
): Promise<{ readonly running: boolean; readonly changed: boolean; readonly capability: CapabilitySetting }> {
  const live = await askHost(parts.controlSocketPath, { op: 'change', ...change });
  if (live !== null) return { running: true, ...(live as { changed: boolean; capability: CapabilitySetting }) };
  const { catalog } = Catalog.collect(await parts.registrations());
  await ensurePrivateDirectory(parts.stateDirectory);
  const unlock = await lockNode(parts.stateDirectory);
  try {
    const policy = await NodePolicy.open(parts.stateDirectory, await parts.rules());
    return { running: false, ...(await changeSetting({ catalog, policy }, change, systemClock.now())) };
  } finally {
    await unlock();
  }
}
