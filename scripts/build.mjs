// Bundles src into dist: ES modules, split so that each command loads only what it needs, and the type declarations of the public surface.
// dist is replaced as a whole, so a palyra that starts meanwhile finds the old build or the new one, never half of each.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildAside, keepAside, leaveOut, oclifLoadsLater } from './lighter.mjs';
import { oneCore, START } from './one-core.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const STAMP = '.sources';

// CommonJS packages inside the bundle still call require and read __dirname.
const BANNER = [
  "import { createRequire as __createRequire } from 'node:module';",
  "import { fileURLToPath as __toPath } from 'node:url';",
  'const require = __createRequire(import.meta.url);',
  'const __filename = __toPath(import.meta.url);',
  "const __dirname = __toPath(new URL('.', import.meta.url));",
].join('');

// @oclif/core looks for the first ones only to run TypeScript sources, which a build never does; bundling them would add megabytes to every start.
// Ink loads the last one only when its developers debug it.
const NEVER_BUNDLED = ['typescript', 'ts-node', 'tsx', 'pnpapi', 'react-devtools-core'];
// Optional, with a native part that it looks for beside itself; it is installed next to us or not at all.
const OPTIONAL = ['@matrixai/quic'];

/** Loaded by others: embedders and plugins, their tests, the thread of a plugin. */
const LIBRARY = ['src/index.ts', 'src/testing.ts', 'src/lib/cli/plugins/thread-main.ts'];

export async function build() {
  const { build: bundle } = await import('esbuild');
  const target = mkdtempSync(join(root, '.dist-'));
  try {
    const options = {
      absWorkingDir: root,
      outbase: 'src',
      outdir: relative(root, target),
      chunkNames: 'chunks/[name]-[hash]',
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node20.19',
      external: [...NEVER_BUNDLED, ...OPTIONAL],
      // React chooses its build by this; the other one keeps a record of every render and grows without end.
      define: { 'process.env.NODE_ENV': '"production"' },
      jsx: 'automatic',
      banner: { js: BANNER },
      legalComments: 'linked',
      logLevel: 'warning',
      metafile: true,
      plugins: [leaveOut, keepAside, oclifLoadsLater],
    };
    const commandLine = [START, ...sources('src/commands'), ...sources('src/hooks')].filter((file) =>
      file.endsWith('.ts'),
    );
    const core = await oneCore(bundle, root, options);
    const { metafile } = await bundle({ ...options, entryPoints: commandLine, plugins: [...options.plugins, core] });
    // What others load has nothing of the command line in it, and shares no files with it.
    await bundle({ ...options, entryPoints: LIBRARY });
    await buildAside(bundle, target, metafile.outputs);
    execFileSync(
      process.execPath,
      [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', join(target, 'types')],
      {
        cwd: root,
        stdio: 'inherit',
      },
    );
    writeFileSync(join(target, STAMP), fingerprint());
    replaceDist(target);
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
}

/** Whether dist was made from other sources than the present ones, or not at all. */
export function isStale() {
  const stamp = join(dist, STAMP);
  return !existsSync(stamp) || readFileSync(stamp, 'utf8') !== fingerprint();
}

export async function buildIfStale() {
  if (isStale()) await build();
}

function replaceDist(target) {
  const old = `${target}-old`;
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(target, dist);
  rmSync(old, { recursive: true, force: true });
}

function fingerprint() {
  const hash = createHash('sha256');
  for (const file of [
    ...sources('src'),
    'package-lock.json',
    'tsconfig.build.json',
    'scripts/build.mjs',
    'scripts/lighter.mjs',
    'scripts/one-core.mjs',
  ]) {
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)))
      .update('\0');
  }
  return hash.digest('hex');
}

/** Paths below a folder, relative to the package, with forward slashes, sorted. */
function sources(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // esbuild and tsc have printed what is wrong.
  await build().catch(() => (process.exitCode = 1));
}
