/**
 * The capabilities of the installed plugins, each plugin in its own thread, all at the same time. One that fails is named and left out; the others go on.
 * What they register is not checked here: the catalog of the node does that.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { JsonValue } from '../../base/model.js';
import { linkOwn } from './npm.js';
import { rootOf, type PluginRecord } from './plugin-index.js';
import { PluginThread, type RunContext } from './plugin-thread.js';

export interface PluginProblem {
  readonly plugin: string;
  /** One line, for people. */
  readonly message: string;
}

export interface LoadedCapabilities<R> {
  readonly registrations: readonly R[];
  readonly failures: readonly PluginProblem[];
  /** Ends the threads; running capabilities fail. */
  readonly close: () => Promise<void>;
}

export interface LoadOptions {
  /** The folder of plugins. */
  readonly folder: string;
  /** The built `thread-main.js`. */
  readonly script: URL;
  readonly version: string;
  /** The directory of palyra's package.json, which installed plugins find beside them. */
  readonly palyraRoot?: string;
  readonly loadWithinMs?: number;
  readonly onPrinted?: (plugin: string, text: string) => void;
}

interface ThreadRegistration {
  readonly api?: unknown;
  readonly capabilities: readonly ({ readonly place: number | null } | null)[] | null;
}

/** Where the entry of a thread is in a built package. `root` is the directory of package.json. */
export function threadScript(root: string): URL {
  return pathToFileURL(join(root, 'dist', 'lib', 'cli', 'plugins', 'thread-main.js'));
}

/** Never throws. Of each plugin with the hook `node:capabilities`, in the order given. */
export async function loadCapabilities<R extends object>(
  records: readonly PluginRecord[],
  options: LoadOptions,
): Promise<LoadedCapabilities<R>> {
  const threads: PluginThread[] = [];
  const loaded = await Promise.all(
    records
      .filter(({ hooks }) => hooks.length > 0)
      .map(async (record) => {
        const thread = threadOf(record, options);
        threads.push(thread);
        try {
          if (record.source === 'npm' && options.palyraRoot !== undefined)
            await linkOwn(rootOf(options.folder, record), options.palyraRoot);
          const registrations = JSON.parse(await thread.load()) as ThreadRegistration[];
          return registrations.map((registration) => withRuns(registration, record.name, thread) as R);
        } catch (error) {
          return { plugin: record.name, message: error instanceof Error ? error.message : String(error) };
        }
      }),
  );
  return {
    registrations: loaded.flatMap((one) => (Array.isArray(one) ? one : [])),
    failures: loaded.flatMap((one) => (Array.isArray(one) ? [] : [one])),
    close: async () => {
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}

function threadOf(record: PluginRecord, options: LoadOptions): PluginThread {
  const { folder, script, version, loadWithinMs, onPrinted } = options;
  const root = rootOf(folder, record);
  return new PluginThread(
    { kind: 'capabilities', root, hooks: record.hooks, palyra: { version } },
    {
      script,
      ...(loadWithinMs === undefined ? {} : { loadWithinMs }),
      ...(onPrinted === undefined ? {} : { onPrinted: (text: string) => onPrinted(record.name, text) }),
    },
  );
}

function withRuns({ api, capabilities }: ThreadRegistration, plugin: string, thread: PluginThread): object {
  return {
    plugin,
    api,
    capabilities: capabilities?.map((capability) => {
      if (capability === null) return null;
      const { place, ...fields } = capability;
      if (place === null) return fields;
      return { ...fields, run: (context: RunContext): Promise<JsonValue> => thread.run(place, context) };
    }),
  };
}
