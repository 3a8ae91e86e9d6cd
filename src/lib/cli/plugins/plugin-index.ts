/**
 * What is known of the installed plugins without loading any of their code: one file, written when one is installed, linked or removed, and read at
 * every start. The commands in it were described by oclif in a thread of their own, at that time.
 *
 * Always true: names are unique; a start never fails because of this file.
 */
import { join, resolve } from 'node:path';
import type { Command, Interfaces } from '@oclif/core';
import { PalyraError } from '../../base/errors.js';
import { readPrivateFile, writeFileAtomic } from '../../base/files.js';

export interface PluginHook {
  /** Relative to the root of the plugin, as its package.json says it. */
  readonly target: string;
  readonly identifier: string;
}

export interface PluginRecord {
  readonly name: string;
  readonly version: string;
  readonly source: 'npm' | 'link';
  /** What was asked for: a name, a tarball, a directory. */
  readonly spec: string;
  /** Absolute for a link; otherwise relative to the folder of plugins, which may move. */
  readonly root: string;
  readonly installedAt: string;
  readonly description: string;
  /** By id, as oclif caches them. */
  readonly commands: Readonly<Record<string, Command.Cached>>;
  readonly topics: readonly Interfaces.Topic[];
  /** Of `node:capabilities`. */
  readonly hooks: readonly PluginHook[];
  /** Hooks of oclif that palyra never runs for a plugin: they would load its code for every command. */
  readonly ignoredHooks: readonly string[];
  /** What it brought when it was installed; what it brings is decided when a node starts. */
  readonly capabilities: readonly string[];
  /** What was wrong when it was installed with --force; null: nothing. */
  readonly problem: string | null;
}

interface IndexFile {
  readonly version: 1;
  readonly plugins: readonly PluginRecord[];
}

/** What is installed, and the folder it is in. */
export interface InstalledPlugins {
  readonly folder: string;
  readonly records: readonly PluginRecord[];
}

export const NO_PLUGINS: InstalledPlugins = { folder: '', records: [] };

const FILE_NAME = 'plugins.json';

/** Below the data directory. */
export function pluginsFolder(data: string): string {
  return join(data, 'plugins');
}

export function indexPath(folder: string): string {
  return join(folder, FILE_NAME);
}

/** The directory of its package.json. */
export function rootOf(folder: string, record: PluginRecord): string {
  return resolve(folder, record.root);
}

/** In the order in which they came: of two that want the same name the first has it. Throws PLUGINS_UNREADABLE. */
export async function readIndex(folder: string): Promise<readonly PluginRecord[]> {
  const path = indexPath(folder);
  let bytes: Buffer | null;
  try {
    bytes = await readPrivateFile(path);
  } catch (cause) {
    throw new PalyraError('PLUGINS_UNREADABLE', { detail: PalyraError.from(cause).message, cause });
  }
  if (bytes === null) return [];
  try {
    const file = JSON.parse(bytes.toString('utf8')) as IndexFile;
    if (file.version !== 1 || !file.plugins.every(isRecord)) throw new Error('it was written by another version');
    return file.plugins;
  } catch (cause) {
    throw new PalyraError('PLUGINS_UNREADABLE', { detail: `${path}: ${(cause as Error).message}`, cause });
  }
}

export async function writeIndex(folder: string, plugins: readonly PluginRecord[]): Promise<void> {
  const file: IndexFile = { version: 1, plugins };
  await writeFileAtomic(indexPath(folder), `${JSON.stringify(file)}\n`);
}

function isRecord(value: PluginRecord): boolean {
  return (
    [value.name, value.version, value.root].every((text) => typeof text === 'string') &&
    [value.hooks, value.topics, value.capabilities].every((list) => Array.isArray(list)) &&
    typeof value.commands === 'object'
  );
}
