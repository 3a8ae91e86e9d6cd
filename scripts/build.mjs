// Bundles src into dist: ES modules, split so that each command loads only what it needs, and the type declarations of the public surface.
// dist is replaced as a whole, so a palyra that starts meanwhile finds the old build or the new one, never half of each.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

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

/**
 * What libraries load as they start and nothing here needs; every command would pay for it. Node is kept from node:http2 by undici's own way of doing without it
 * (it is never asked for HTTP/2), and oclif is told that this is not Windows Subsystem for Linux, which only changes a
 * name that nobody reads, and that this Node is new enough for it, which our own package.json demands more of. Measured on
 * Node 20 as CPU of `nodes list`: together a tenth of what `node -e 0` takes and more.
 */
const LEFT_OUT = [
  { module: /^node:http2$/, importer: /[\\/]node_modules[\\/]undici[\\/]/, contents: "throw new Error('left out');" },
  { module: /^semver$/, importer: /[\\/]@oclif[\\/]core[\\/]/, contents: 'export const satisfies = () => true;' },
  { module: /^wsl-utils$/, importer: /[\\/]@oclif[\\/]core[\\/]/, contents: 'export const isWsl = false;' },
];

const leaveOut = {
  name: 'leave-out',
  setup({ onResolve, onLoad }) {
    LEFT_OUT.forEach(({ module, importer: from, contents }, index) => {
      const namespace = `left-out-${index}`;
      onResolve({ filter: module }, ({ path, importer }) => (from.test(importer) ? { path, namespace } : undefined));
      onLoad({ filter: /./, namespace }, () => ({ contents }));
    });
  },
};

export async function build() {
  const { build: bundle } = await import('esbuild');
  const target = mkdtempSync(join(root, '.dist-'));
  try {
    await bundle({
      absWorkingDir: root,
      entryPoints: [
        'src/index.ts',
        'src/cli-main.ts',
        'src/testing.ts',
        'src/lib/cli/plugins/thread-main.ts',
        ...sources('src/commands').filter((file) => file.endsWith('.ts')),
        ...sources('src/hooks').filter((file) => file.endsWith('.ts')),
      ],
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
      plugins: [leaveOut],
      logLevel: 'warning',
    });
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
  for (const file of [...sources('src'), 'package-lock.json', 'tsconfig.build.json', 'scripts/build.mjs']) {
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
