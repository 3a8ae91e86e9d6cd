/**
 * The import table of ARCHITECTURE.md, as a test. A failure names the file, the import and the reason the rule exists.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { SOURCE_ROOT, folderOf, importsOf, sourceFiles, type Import } from '../support/source-tree.js';

/** Folders of `src/lib` a place may import, beside its own and `base`. Longest matching prefix wins. */
const MAY_IMPORT: readonly { readonly place: string; readonly folders: readonly string[] }[] = [
  { place: 'commands/daemon', folders: ['cli', 'client', 'daemon'] },
  { place: 'commands/node', folders: ['cli', 'client', 'node'] },
  // What a node would accept of a plugin: the catalog alone, which is light.
  { place: 'commands/plugins', folders: ['cli', 'client', 'node/capabilities'] },
  { place: 'commands/doctor', folders: ['cli', 'client', 'node/capabilities'] },
  { place: 'commands', folders: ['cli', 'client', 'tui'] },
  { place: 'hooks/node-', folders: ['cli', 'node'] },
  { place: 'hooks', folders: ['cli'] },
  { place: 'cli-main', folders: ['cli'] },
  { place: 'index', folders: ['client', 'node'] },
  { place: 'testing', folders: ['node/capabilities'] },
  { place: 'lib/base', folders: [] },
  { place: 'lib/wire', folders: [] },
  { place: 'lib/identity', folders: [] },
  { place: 'lib/quic', folders: [] },
  { place: 'lib/runtime', folders: ['identity'] },
  { place: 'lib/daemon', folders: ['runtime', 'identity', 'wire', 'quic'] },
  { place: 'lib/node', folders: ['identity', 'wire/grpc', 'wire/quic', 'quic'] },
  { place: 'lib/client', folders: ['wire/http'] },
  { place: 'lib/cli', folders: ['client'] },
  { place: 'lib/tui', folders: ['client', 'cli'] },
];

/** Third-party libraries and the only places that may load them: a library is replaced by editing one folder. */
const OWNERS: Readonly<Record<string, readonly string[]>> = {
  'node-forge': ['lib/identity/certificate.ts'],
  '@grpc/grpc-js': ['lib/wire/grpc', 'lib/daemon/grpc', 'lib/node/link', 'lib/node/enroll'],
  '@bufbuild/protobuf': ['lib/wire/grpc'],
  hono: ['lib/daemon/http'],
  '@hono/node-server': ['lib/daemon/http'],
  undici: ['lib/client'],
  'tough-cookie': ['lib/client'],
  pino: ['lib/cli'],
  qr: ['lib/cli'],
  '@matrixai/quic': ['lib/quic/native.ts'],
  zod: ['lib/wire/http', 'lib/daemon'],
  ink: ['lib/tui'],
  react: ['lib/tui'],
  'string-width': ['lib/tui'],
  '@oclif/core': ['lib/cli', 'commands', 'hooks', 'cli-main.ts'],
  '@cfworker/json-schema': ['lib/base/json-schema.ts'],
  ulid: ['lib/runtime'],
  '@decimalturn/toml-patch': ['lib/cli/settings-file.ts'],
  'prom-client': ['lib/daemon/metrics.ts'],
};

const files = sourceFiles();

describe('The import table', () => {
  it('is respected by every file', () => {
    const broken: string[] = [];
    for (const file of files) {
      const from = relative(SOURCE_ROOT, file);
      const rule = MAY_IMPORT.filter(({ place }) => from.startsWith(place)).sort(
        (a, b) => b.place.length - a.place.length,
      )[0];
      assert.ok(rule, `${from} is in no known place: give it a row here and in ARCHITECTURE.md`);
      for (const { target, typeOnly } of importsOf(file)) {
        if (!target.startsWith('.')) continue;
        const to = relative(SOURCE_ROOT, join(dirname(file), target));
        if (!to.startsWith('lib/')) {
          if (!from.startsWith('hooks') && !from.startsWith('commands'))
            broken.push(`${from} imports ${to}: imports point down`);
          continue;
        }
        const folder = folderOf(to);
        const own = folderOf(from);
        const allowed =
          // Shapes of answers cost nothing at start and cannot reach anything.
          (typeOnly && folder === 'wire/http' && ['cli', 'commands', 'tui'].includes(own)) ||
          folder === 'base' ||
          folder === own ||
          rule.folders.some((name) => to.startsWith(`lib/${name}/`) || folder === name);
        if (!allowed)
          broken.push(`${from} imports ${to}: ${rule.place} may import ${['base', ...rule.folders].join(', ')}`);
        if (own === 'runtime' && folder === 'identity' && !typeOnly) {
          broken.push(`${from} imports ${to} as a value: the domain takes identity through ports, types only`);
        }
      }
    }
    assert.deepEqual(broken, []);
  });

  it('gives each third-party library one owner', () => {
    const broken: string[] = [];
    for (const file of files) {
      const from = relative(SOURCE_ROOT, file);
      for (const { target, typeOnly } of importsOf(file)) {
        if (target.startsWith('.') || target.startsWith('node:') || typeOnly) continue;
        const name = target
          .split('/')
          .slice(0, target.startsWith('@') ? 2 : 1)
          .join('/');
        const owners = OWNERS[name];
        if (owners === undefined) broken.push(`${from} imports ${name}, which has no owner: give it a row here`);
        else if (!owners.some((owner) => from.startsWith(owner))) {
          broken.push(`${from} imports ${name}: its owner is ${owners.join(', ')}`);
        }
      }
    }
    assert.deepEqual(broken, []);
  });

  it('keeps sockets, files, timers and clocks out of the domain, so that it is tested without them', () => {
    const forbidden = /^node:(fs|net|tls|http|https|http2|dgram|timers|child_process|worker_threads)/;
    const broken = files
      .filter((file) => relative(SOURCE_ROOT, file).startsWith('lib/runtime'))
      .flatMap((file) => importsOf(file).map(({ target }) => `${relative(SOURCE_ROOT, file)} imports ${target}`))
      .filter((line) => forbidden.test(line.split(' imports ')[1]!));
    assert.deepEqual(broken, []);
  });

  it('lets only the edge touch the process and the console, so that a daemon and a node can run twice in one process', () => {
    const broken: string[] = [];
    for (const file of files) {
      const from = relative(SOURCE_ROOT, file);
      if (['lib/cli', 'commands', 'hooks', 'cli-main'].some((place) => from.startsWith(place))) continue;
      const text = withoutComments(readFileSync(file, 'utf8'));
      const match = /\bprocess\.(exit|exitCode|on|once|env|cwd|argv|stdout|stderr|stdin)\b|\bconsole\.\w+/.exec(text);
      if (match !== null) broken.push(`${from} uses ${match[0]}`);
    }
    assert.deepEqual(broken, []);
  });

  it('keeps gRPC, X.509, QUIC, zod, Ink and the log library out of commands about the fleet, so that they start fast', () => {
    const heavy = [
      '@grpc/grpc-js',
      'node-forge',
      'zod',
      'ink',
      'react',
      'pino',
      '@matrixai/quic',
      'hono',
      'prom-client',
      'tough-cookie',
      'node:tls',
    ];
    const fleet = files.filter((file) =>
      /^commands\/(nodes|invites|dispatches|capabilities|schema|audit|approvals|events|status|version|ls|whoami|logout|context|tokens|operators)/.test(
        relative(SOURCE_ROOT, file),
      ),
    );
    assert.ok(fleet.length > 0);
    for (const command of fleet) {
      const reached = staticallyReached(command);
      for (const library of heavy) {
        assert.equal(
          reached.get(library),
          undefined,
          `${relative(SOURCE_ROOT, command)} loads ${library} through ${reached.get(library)}`,
        );
      }
    }
  });
});

describe('Ink and React', () => {
  const libraries = ['ink', 'react', 'string-width'];
  const commands = files.filter((file) => relative(SOURCE_ROOT, file).startsWith('commands/'));

  // React itself is imported by what the compiler makes of JSX.
  it('are reached by the terminal UI and by no other command, not even when it is asked for later', () => {
    assert.ok(commands.length > 20);
    for (const command of commands) {
      const name = relative(SOURCE_ROOT, command);
      const found = libraries.filter((library) => reachedFrom(command, { dynamic: true }).has(library));
      assert.deepEqual(found, name === 'commands/tui.ts' ? ['ink', 'string-width'] : [], name);
    }
  });

  it('are loaded by the terminal UI only once it is known that there is a screen to draw on', () => {
    const tui = join(SOURCE_ROOT, 'commands', 'tui.ts');
    const lines = join(SOURCE_ROOT, 'lib', 'tui', 'lines', 'line-mode.ts');
    for (const entry of [tui, lines])
      for (const library of ['ink', 'react']) assert.equal(staticallyReached(entry).get(library), undefined, entry);
  });
});

/** Libraries loaded by static value imports, with the file that imports them. */
function staticallyReached(entry: string): Map<string, string> {
  return reachedFrom(entry, { dynamic: false });
}

const parsed = new Map<string, Import[]>();

function reachedFrom(entry: string, options: { dynamic: boolean }): Map<string, string> {
  const seen = new Set<string>();
  const libraries = new Map<string, string>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    const imports = parsed.get(file) ?? importsOf(file);
    parsed.set(file, imports);
    for (const { target, typeOnly, dynamic } of imports) {
      if (typeOnly || (dynamic && !options.dynamic)) continue;
      if (target.startsWith('.')) {
        const path = join(dirname(file), target).replace(/\.js$/, '.ts');
        const found = [path, `${path}x`].find((candidate) => files.includes(candidate));
        if (found !== undefined) visit(found);
      } else
        libraries.set(
          target
            .split('/')
            .slice(0, target.startsWith('@') ? 2 : 1)
            .join('/'),
          relative(SOURCE_ROOT, file),
        );
    }
  };
  visit(entry);
  return libraries;
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
}
