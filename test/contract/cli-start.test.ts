/**
 * What a short command loads, which is what its start costs (docs/decisions/0023-cli-start.md). Real processes; V8 itself says which files they ran.
 * The bounds are a little above what is needed today: whoever meets one has put something in front of every command.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Config } from '@oclif/core';
import { readSource, sourceFiles, SOURCE_ROOT } from '../support/source-tree.js';
import { oneCommand } from '../../src/lib/cli/root-plugin.js';
import { Sandbox } from '../support/palyra.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const FACTS = fileURLToPath(new URL('../fixtures/start-facts.cjs', import.meta.url));

interface Start {
  readonly stdout: string;
  readonly files: readonly string[];
  readonly bytes: number;
  readonly builtins: readonly string[];
  readonly segmenters: number;
}

describe('the start of a command', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;

  before(async () => {
    sandbox = new Sandbox();
    await sandbox.startDaemon();
    await sandbox.joinNode('pi');
  });
  after(() => sandbox.dispose());

  it('loads next to nothing for --version', async () => {
    const { stdout, files, bytes, builtins } = await start('version', ['--version']);
    assert.equal(stdout, `${(await Config.load(root)).userAgent}\n`);
    assert.ok(files.length <= 8, files.join(' '));
    assert.ok(bytes <= 80_000, `${bytes} bytes`);
    assertWithout(builtins, ['crypto', 'http', 'child_process', 'readline', 'zlib', 'v8']);
  });

  it('loads one core and a file of its own for nodes list, and nothing of TLS, help or graphemes', async () => {
    for (const args of [
      ['nodes', 'list', '--json'],
      ['nodes', 'list'],
    ]) {
      const { stdout, files, bytes, builtins, segmenters } = await start(args.join(''), args);
      assert.match(stdout, /\bpi\b/);
      assert.ok(files.length <= 13, files.join(' '));
      assert.ok(bytes <= 950_000, `${bytes} bytes`);
      assert.ok(!files.some((file) => file.includes('aside')), files.join(' '));
      assertWithout(builtins, [
        'crypto',
        'tls',
        'https',
        'http2',
        'child_process',
        'readline',
        'zlib',
        'worker_threads',
      ]);
      assert.equal(segmenters, 0);
    }
  });

  it('loads no more for nodes invoke, but what makes a key for it', async () => {
    const { stdout, files, bytes, builtins } = await start('invoke', ['nodes', 'invoke', 'pi', 'echo', 'text=hello']);
    assert.match(stdout, /hello/);
    assert.ok(files.length <= 13, files.join(' '));
    assert.ok(bytes <= 950_000, `${bytes} bytes`);
    assertWithout(builtins, ['tls', 'https', 'http2', 'child_process', 'readline', 'zlib', 'worker_threads']);
  });

  it('gives an embedder a client without the command line', async () => {
    const files = staticImports(join(root, 'dist/index.js'));
    for (const file of files) assert.doesNotMatch(readFileSync(file, 'utf8'), /node_modules\/@oclif/, file);
  });

  it('says the version as before with what stands before and after it, and keeps quiet in a document', async () => {
    const plain = await sandbox.run(['--version']);
    for (const args of [['-v'], ['--quiet', '-v'], ['-v', 'nodes', 'list'], ['--no-plugins', '--version']])
      assert.deepEqual(await sandbox.run(args), plain, args.join(' '));
    const { code, stdout, stderr } = await sandbox.run(['--version', '--json']);
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' });
    const misspelt = await sandbox.run(['--version'], { env: { PALYRA_HOEM: '/nowhere' } });
    assert.match(misspelt.stderr, /did you mean PALYRA_HOME/);
  });

  async function start(name: string, args: readonly string[]): Promise<Start> {
    const directory = join(sandbox.directory, `start-${name}`);
    mkdirSync(directory);
    const facts = join(directory, 'facts');
    const env = { NODE_V8_COVERAGE: directory, NODE_OPTIONS: `--require ${FACTS}`, PALYRA_TEST_START_FACTS: facts };
    const { code, stdout, stderr } = await sandbox.run(args, { env });
    assert.equal(code, 0, stderr);
    const told = JSON.parse(readFileSync(facts, 'utf8')) as Pick<Start, 'builtins' | 'segmenters'>;
    const [coverage = ''] = readdirSync(directory).filter((file) => file.startsWith('coverage'));
    const { result } = JSON.parse(readFileSync(join(directory, coverage), 'utf8')) as { result: { url: string }[] };
    const files = result
      .filter(({ url }) => url.startsWith('file:'))
      .map(({ url }) => fileURLToPath(url))
      .filter((file) => file !== FACTS);
    const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
    return { stdout, files: files.map((file) => relative(root, file)), bytes, ...told };
  }
});

describe('the command that is described alone', () => {
  const bytes = readFileSync(join(root, 'oclif.manifest.json'));
  const manifest = JSON.parse(bytes.toString('utf8')) as {
    version: string;
    commands: Record<string, { id: string; aliases: string[]; readsCommands?: boolean }>;
  };
  const find = (...words: string[]) => oneCommand(bytes, manifest.version, words);

  it('is the one of the whole manifest, for every command but those that read of others', () => {
    const all = Object.values(manifest.commands);
    assert.ok(all.length > 90);
    for (const { id, readsCommands } of all) {
      const words = [...id.split(':'), '--json'];
      const expected = readsCommands === true ? null : manifest.commands[id];
      assert.deepEqual(find(...words), expected, id);
    }
  });

  it('is found with the words behind it, whatever they are', () => {
    for (const rest of [['pi', 'echo'], ['--all'], ['a=b'], ['--', 'x'], ['pi', '--input', '{"a":1}']])
      assert.equal(find('nodes', 'invoke', ...rest)?.id, 'nodes:invoke', rest.join(' '));
  });

  it('is left to the whole manifest when the words are not plain', () => {
    for (const words of [
      [],
      ['ls'],
      ['nodes'],
      ['nodes', 'lst'],
      ['nodes:list'],
      ['--json', 'nodes', 'list'],
      ['nodes', 'list', '--help'],
      ['nodes', 'list', '-h'],
      ['help', 'nodes', 'list'],
      ['commands'],
      ['version": {'],
    ])
      assert.equal(find(...words), null, words.join(' '));
  });

  it('is left to the whole manifest when that is of another version or form', () => {
    assert.equal(oneCommand(bytes, '9.9.9', ['nodes', 'list']), null);
    const pretty = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
    assert.equal(oneCommand(pretty, manifest.version, ['nodes', 'list']), null);
    assert.equal(oneCommand(bytes.subarray(0, 1000), manifest.version, ['nodes', 'list']), null);
  });

  it('is enough for every command that does not say that it reads of others', () => {
    const readers = sourceFiles()
      .filter((file) => /\bconfig\.(commands|commandIDs|plugins|topics|find\w+|getAll\w+)\b/.test(readSource(file)))
      .map((file) => relative(SOURCE_ROOT, file));
    // The hook answers the same from one command: it only looks for the words that were used, and for near ones when there was no command.
    assert.deepEqual(readers, [
      'commands/schema.ts',
      'hooks/command-not-found.ts',
      'lib/cli/plugins/plugins-command.ts',
    ]);
    const marked = Object.values(manifest.commands).filter(({ readsCommands }) => readsCommands === true);
    const plugins = Object.keys(manifest.commands).filter((id) => id.startsWith('plugins:'));
    assert.deepEqual(marked.map(({ id }) => id).sort(), ['help', ...plugins, 'schema'].sort());
  });
});

function assertWithout(loaded: readonly string[], unwanted: readonly string[]): void {
  assert.deepEqual(
    unwanted.filter((name) => loaded.includes(name)),
    [],
  );
}

/** The file and everything that is loaded before it runs. */
function staticImports(entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  const imports = readFileSync(entry, 'utf8').matchAll(/^(?:import|export|\})[^;"']*["'](\.[^"']+)["'];/gm);
  for (const [, specifier = ''] of imports) staticImports(fileURLToPath(new URL(specifier, `file://${entry}`)), seen);
  return seen;
}
