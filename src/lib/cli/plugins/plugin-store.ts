/**
 * Installs, links and removes plugins. Each installed one has a directory of its own with everything it needs, made beside the others and looked at before
 * the index names it: a failure leaves the previous version as it was. One palyra at a time changes the folder.
 *
 *   plugins/plugins.json                        the index
 *   plugins/installed/<name>-<time>/node_modules/<name>
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { PalyraError } from '../../base/errors.js';
import { ensurePrivateDirectory } from '../../base/files.js';
import { acquireLock } from '../../base/lock.js';
import { describePlugin, type CheckCapabilities, type Origin } from './describe.js';
import type { LoadOptions } from './load-capabilities.js';
import { linkOwn, npmInstall } from './npm.js';
import { readIndex, rootOf, writeIndex, type PluginRecord } from './plugin-index.js';
import { firstWord } from './plugin-commands.js';

export interface StoreOptions extends LoadOptions {
  /** The directory of palyra's package.json. */
  readonly palyraRoot: string;
  /** First words of commands that are palyra's own. */
  readonly words: ReadonlySet<string>;
  readonly check: CheckCapabilities;
  readonly now: () => number;
}

export interface Added {
  readonly plugin: PluginRecord;
  /** Null: it was not there. */
  readonly previous: string | null;
}

export class PluginStore {
  readonly #options: StoreOptions;

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  /** `spec` is a name, a tarball or anything else npm takes. Throws PLUGIN_NOT_INSTALLED and PLUGIN_INVALID. */
  install(spec: string, cwd: string, force: boolean): Promise<Added> {
    return this.#alone(async (folder) => {
      const staged = join(folder, 'installed', `${slug(spec)}-${this.#options.now()}`);
      const local = resolve(cwd, spec);
      try {
        await mkdir(staged, { recursive: true, mode: 0o700 });
        await npmInstall(staged, existsSync(local) ? local : spec);
        const path = await installedPackage(staged);
        await linkOwn(path, this.#options.palyraRoot);
        return await this.#add(folder, { source: 'npm', spec, root: relative(folder, path), path }, force);
      } catch (error) {
        await rm(staged, { recursive: true, force: true });
        throw error;
      }
    });
  }

  /** Uses a directory as it is: what its author changes there is used at the next start. Throws PLUGIN_INVALID. */
  link(directory: string, cwd: string, force: boolean): Promise<Added> {
    return this.#alone((folder) => {
      const path = resolve(cwd, directory);
      return this.#add(folder, { source: 'link', spec: directory, root: path, path }, force);
    });
  }

  /** A linked directory stays as it is. Throws PLUGIN_NOT_FOUND. */
  uninstall(name: string): Promise<PluginRecord> {
    return this.#alone(async (folder) => {
      const plugins = await readIndex(folder);
      const plugin = findPlugin(plugins, name);
      await writeIndex(
        folder,
        plugins.filter((other) => other !== plugin),
      );
      await this.#removeFiles(folder, plugin);
      return plugin;
    });
  }

  async #add(folder: string, from: Omit<Origin, 'installedAt'>, force: boolean): Promise<Added> {
    const { words, check, now } = this.#options;
    const plugins = await readIndex(folder);
    const name = await packageName(from.path);
    const others = plugins.filter((plugin) => plugin.name !== name);
    const previous = plugins.find((plugin) => plugin.name === name) ?? null;
    const taken = new Set([...words, ...others.flatMap(({ commands }) => Object.keys(commands).map(firstWord))]);
    const origin = { ...from, installedAt: new Date(now()).toISOString() };
    const { record, problems } = await describePlugin(origin, this.#options, taken, check);
    const all = [...problems, ...clashes(record.capabilities, others)];
    const problem = all.length === 0 ? null : all.join('; ').slice(0, 1000);
    if (problem !== null && !force)
      throw new PalyraError('PLUGIN_INVALID', { detail: `${record.name} ${record.version}: ${problem}` });
    const plugin: PluginRecord = { ...record, problem };
    // In the place of the previous version: an update takes nothing from those that came later, and loses nothing to them.
    const kept =
      previous === null ? [...others, plugin] : plugins.map((other) => (other === previous ? plugin : other));
    await writeIndex(folder, kept);
    if (previous !== null) await this.#removeFiles(folder, previous);
    return { plugin, previous: previous?.version ?? null };
  }

  async #removeFiles(folder: string, plugin: PluginRecord): Promise<void> {
    if (plugin.source === 'link') return;
    const [first, staged] = relative(folder, rootOf(folder, plugin)).split(/[\\/]/);
    if (first !== 'installed' || staged === undefined || staged === '' || staged === '..') return;
    await rm(join(folder, 'installed', staged), { recursive: true, force: true });
  }

  async #alone<T>(work: (folder: string) => Promise<T>): Promise<T> {
    const { folder } = this.#options;
    await ensurePrivateDirectory(folder);
    const release = await acquireLock(folder);
    try {
      return await work(folder);
    } finally {
      await release();
    }
  }
}

/** The area of a capability belongs to the plugin that brought it first. */
function clashes(names: readonly string[], others: readonly PluginRecord[]): string[] {
  return others.flatMap(({ name: other, capabilities }) => {
    const areas = new Set(capabilities.map(areaOf));
    const clash = names.find((name) => areas.has(areaOf(name)));
    return clash === undefined
      ? []
      : [`capability "${clash}": the area "${areaOf(clash)}" belongs to the plugin ${other}`];
  });
}

function areaOf(capability: string): string {
  return capability.split('.')[0] ?? capability;
}

/** Throws PLUGIN_NOT_FOUND. */
export function findPlugin(plugins: readonly PluginRecord[], name: string): PluginRecord {
  const plugin = plugins.find((candidate) => candidate.name === name);
  if (plugin === undefined) throw new PalyraError('PLUGIN_NOT_FOUND', { detail: `"${name}"` });
  return plugin;
}

/** Where npm put the one package that was asked for: it wrote its name down as the only dependency. */
async function installedPackage(staged: string): Promise<string> {
  const file = JSON.parse(await readFile(join(staged, 'package.json'), 'utf8')) as { dependencies?: object };
  const [name] = Object.keys(file.dependencies ?? {});
  if (name === undefined) throw new PalyraError('PLUGIN_NOT_INSTALLED', { detail: 'npm installed nothing' });
  return join(staged, 'node_modules', ...name.split('/'));
}

async function packageName(path: string): Promise<string | null> {
  const text = await readFile(join(path, 'package.json'), 'utf8').catch(() => '{}');
  const { name } = JSON.parse(text) as { name?: unknown };
  return typeof name === 'string' ? name : null;
}

function slug(spec: string): string {
  return (
    basename(spec)
      .replace(/[^a-z0-9]+/gi, '-')
      .slice(0, 40) || 'plugin'
  );
}
