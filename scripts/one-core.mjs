// An esbuild plugin: what nearly every command loads is one chunk. esbuild puts modules together that the same entry points reach, and every import() makes
// an entry point, so what commands share lies in thirty small files, each of which is found, read and linked by itself at every start (about 0.6 ms of
// CPU each). Here every file of ours that is not part of the core imports the core as a whole; then all of them reach the same.
import { readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

/** Where the command line begins; what it loads before it knows what is asked stays apart, because `--version` needs no more. */
export const START = 'src/cli-main.ts';
/** What these load before they run is the core: oclif, the base of all commands, the client, and what is asked most often. */
const CORE = ['src/lib/cli/oclif-start.ts', 'src/commands/nodes/list.ts', 'src/commands/nodes/invoke.ts'];
const NAME = 'palyra:core';

/** `options` are those of the bundle. */
export async function oneCore(bundle, root, options) {
  const { metafile } = await bundle({ ...options, entryPoints: [START, ...CORE], write: false, metafile: true });
  const start = staticallyReached(metafile.inputs, [START]);
  const core = staticallyReached(metafile.inputs, CORE);
  // The commands themselves are entry points, each with a file of its own.
  const modules = [...core].filter((file) => file.startsWith('src/lib/'));
  return {
    name: 'one-core',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: new RegExp(`^${NAME}$`) }, () => ({ path: NAME, namespace: 'core' }));
      onLoad({ filter: /./, namespace: 'core' }, () => ({
        contents: modules.map((file) => `import ${JSON.stringify(`./${file}`)};`).join('\n'),
        resolveDir: root,
      }));
      onLoad({ filter: /[\\/]src[\\/].*\.tsx?$/ }, ({ path }) => {
        const file = relative(root, path).split(sep).join('/');
        if (!file.startsWith('src/') || modules.includes(file) || start.has(file)) return undefined;
        // Behind the text, so that its lines keep their numbers.
        const contents = `${readFileSync(join(root, file), 'utf8')}\nimport '${NAME}';\n`;
        return { contents, loader: file.endsWith('x') ? 'tsx' : 'ts' };
      });
    },
  };
}

/** Inputs that are loaded with `entries`, those of a later import() left out. */
function staticallyReached(inputs, entries) {
  const reached = new Set();
  const visit = (file) => {
    if (reached.has(file) || inputs[file] === undefined) return;
    reached.add(file);
    for (const { path, kind } of inputs[file].imports) if (kind !== 'dynamic-import') visit(path);
  };
  entries.forEach(visit);
  return reached;
}
