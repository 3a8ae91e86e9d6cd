/** What a plugin's package says and brings, found out in a thread, before it is taken into the index. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PalyraError } from '../../base/errors.js';
import { loadCapabilities, type LoadOptions, type PluginProblem } from './load-capabilities.js';
import type { PluginHook, PluginRecord } from './plugin-index.js';
import { firstWord } from './plugin-commands.js';
import { PluginThread } from './plugin-thread.js';

const HOOK = 'node:capabilities';
/** Modules of commands may be many, and oclif is loaded with them. */
const DESCRIBE_WITHIN_MS = 20_000;
const NAME = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;

interface PackageFile {
  readonly name?: unknown;
  readonly version?: unknown;
  readonly description?: unknown;
  readonly oclif?: {
    readonly commands?: unknown;
    readonly hooks?: Readonly<Record<string, unknown>>;
  };
}

/** A registration, unchecked, with the name of its plugin. */
export type Registered = object;

/** Says what the catalog of a node accepts of it, and what it refuses. */
export type CheckCapabilities = (registrations: readonly Registered[]) => {
  readonly names: readonly string[];
  readonly failures: readonly PluginProblem[];
};

export interface Description {
  readonly record: Omit<PluginRecord, 'problem'>;
  readonly problems: readonly string[];
}

export interface Origin {
  readonly source: PluginRecord['source'];
  readonly spec: string;
  /** As it is kept in the index. */
  readonly root: string;
  /** Where it is now. */
  readonly path: string;
  readonly installedAt: string;
}

/** Throws PLUGIN_INVALID when it is no plugin at all; whatever else is wrong is in `problems`. */
export async function describePlugin(
  origin: Origin,
  options: LoadOptions,
  taken: ReadonlySet<string>,
  check: CheckCapabilities,
): Promise<Description> {
  const file = await readPackage(origin.path);
  const { name, version, description, oclif } = file;
  if (typeof name !== 'string' || !NAME.test(name) || typeof version !== 'string')
    throw new PalyraError('PLUGIN_INVALID', { detail: 'its package.json has no name and version', hint: NO_PLUGIN });
  const hooks = hooksOf(oclif?.hooks?.[HOOK]);
  if (oclif === undefined || (hooks.length === 0 && oclif.commands === undefined))
    throw new PalyraError('PLUGIN_INVALID', {
      detail: `${name} has neither oclif.commands nor the hook ${HOOK} in its package.json`,
      hint: NO_PLUGIN,
    });
  const problems: string[] = [];
  const { commands, topics } = await describeCommands(origin.path, oclif.commands, options, problems);
  const clash = Object.values(commands).find((command) =>
    [command.id, ...command.aliases].some((id) => taken.has(firstWord(id))),
  );
  if (clash !== undefined)
    problems.push(`its command "${clash.id.replaceAll(':', ' ')}" stands below a word that is taken`);
  const record = {
    name,
    version,
    source: origin.source,
    spec: origin.spec,
    root: origin.root,
    installedAt: origin.installedAt,
    description: typeof description === 'string' ? description.slice(0, 300) : '',
    commands,
    topics: topics.filter((topic) => !taken.has(firstWord(topic.name))),
    hooks,
    ignoredHooks: Object.keys(oclif.hooks ?? {}).filter((event) => event !== HOOK),
    capabilities: [] as readonly string[],
  };
  // Its root is where it will be; it is loaded where it is now.
  const found = await loadCapabilities<Registered>([{ ...record, root: origin.path, problem: null }], options);
  await found.close();
  const { names, failures } = check(found.registrations);
  problems.push(...[...found.failures, ...failures].map(({ message }) => message));
  return { record: { ...record, capabilities: names }, problems };
}

const NO_PLUGIN = 'See docs/plugins.md for what a plugin is';

async function readPackage(path: string): Promise<PackageFile> {
  try {
    return JSON.parse(await readFile(join(path, 'package.json'), 'utf8')) as PackageFile;
  } catch (cause) {
    throw new PalyraError('PLUGIN_INVALID', {
      detail: `${path} has no package.json that can be read`,
      hint: NO_PLUGIN,
      cause,
    });
  }
}

function hooksOf(value: unknown): PluginHook[] {
  const list: readonly unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value];
  return list.flatMap((hook) => {
    if (typeof hook === 'string') return [{ target: hook, identifier: 'default' }];
    const { target, identifier } = (hook ?? {}) as { target?: unknown; identifier?: unknown };
    if (typeof target !== 'string') return [];
    return [{ target, identifier: typeof identifier === 'string' ? identifier : 'default' }];
  });
}

async function describeCommands(
  root: string,
  declared: unknown,
  { script, onPrinted }: LoadOptions,
  problems: string[],
): Promise<Pick<PluginRecord, 'commands' | 'topics'>> {
  if (declared === undefined) return { commands: {}, topics: [] };
  const printed = onPrinted === undefined ? {} : { onPrinted: (text: string) => onPrinted(root, text) };
  const thread = new PluginThread({ kind: 'describe', root }, { script, loadWithinMs: DESCRIBE_WITHIN_MS, ...printed });
  try {
    return JSON.parse(await thread.load()) as Pick<PluginRecord, 'commands' | 'topics'>;
  } catch (error) {
    problems.push(`its commands: ${error instanceof Error ? error.message : String(error)}`);
    return { commands: {}, topics: [] };
  } finally {
    await thread.close();
  }
}
