import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertDocument } from '../support/document-schemas.js';
import { Sandbox } from '../support/palyra.js';

/** Every way to fail that needs no daemon, and one that is told by it; each must end the same way with and without `--json`. */
const FAILURES: readonly {
  readonly what: string;
  readonly args: readonly string[];
  readonly code: string;
  readonly exit: number;
}[] = [
  { what: 'an unknown command', args: ['nodez', 'list'], code: 'COMMAND_UNKNOWN', exit: 127 },
  { what: 'an unknown command below a topic', args: ['nodes', 'frobnicate'], code: 'COMMAND_UNKNOWN', exit: 127 },
  { what: 'an unknown flag', args: ['nodes', 'list', '--jsn'], code: 'USAGE_INVALID', exit: 2 },
  { what: 'a missing argument', args: ['nodes', 'show'], code: 'USAGE_INVALID', exit: 2 },
  { what: 'an argument too many', args: ['nodes', 'list', 'pi'], code: 'USAGE_INVALID', exit: 2 },
  { what: 'a flag without its value', args: ['nodes', 'list', '--status'], code: 'USAGE_INVALID', exit: 2 },
  { what: 'a duration that is none', args: ['nodes', 'list', '--timeout', 'soon'], code: 'USAGE_INVALID', exit: 2 },
  { what: 'a port that is none', args: ['daemon', 'start', '--port', '99999'], code: 'USAGE_INVALID', exit: 2 },
  { what: 'an address that is none', args: ['daemon', 'start', '--listen', 'mars'], code: 'USAGE_INVALID', exit: 2 },
  { what: 'a choice that is none', args: ['nodes', 'list', '--sort', 'size'], code: 'USAGE_INVALID', exit: 2 },
  { what: 'a schema that is none', args: ['schema', '../../package'], code: 'SCHEMA_NOT_FOUND', exit: 3 },
  { what: 'no daemon', args: ['nodes', 'list'], code: 'DAEMON_NOT_RUNNING', exit: 5 },
  { what: 'no daemon for an invite', args: ['node', 'pair'], code: 'DAEMON_NOT_HERE', exit: 5 },
  { what: 'a link that is none', args: ['node', 'run', 'https://nas.lan/hello'], code: 'LINK_MALFORMED', exit: 2 },
  { what: 'an empty code', args: ['node', 'run', '127.0.0.1:1', '--code-stdin'], code: 'CODE_REQUIRED', exit: 2 },
  { what: 'a node that is not paired', args: ['node', 'run'], code: 'NODE_NOT_PAIRED', exit: 78 },
];

describe('output of the command line', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;

  before(() => (sandbox = new Sandbox()));
  after(() => sandbox.dispose());

  for (const { what, args, code, exit } of FAILURES) {
    it(`tells ${what} as ${code} with exit code ${exit}, with and without --json`, async () => {
      // One after the other: two at once on one home would tell about each other.
      const plain = await sandbox.run(args);
      const json = await sandbox.json(args);
      assert.equal(plain.code, exit, plain.stderr);
      assert.equal(plain.stdout, '');
      assert.match(plain.stderr, /^✗ [^\n]+\n {2}[^\n]+\n$/m);
      assert.equal(json.code, exit);
      assertDocument(json.document);
      assert.equal(json.document.error.code, code);
      assert.equal(json.document.error.exitCode, exit);
    });
  }

  it('names the nearest command and the nearest flag, and runs neither', async () => {
    const [command, flag] = await Promise.all([
      sandbox.json(['nodes', 'lst']),
      sandbox.json(['nodes', 'list', '--statsu=online']),
    ]);
    assert.equal(command.document.error.hint, 'Did you mean: palyra nodes list');
    assert.match(flag.document.error.message, /did you mean --status/);
  });

  it('gives one document for every command that needs no daemon', async () => {
    for (const args of [
      ['version'],
      ['status'],
      ['daemon', 'status'],
      ['daemon', 'stop'],
      ['daemon', 'logs'],
      ['node', 'status'],
      ['help', 'exit-codes'],
      ['schema'],
      ['schema', 'nodes.list'],
      ['schema', '--commands'],
    ]) {
      const { document } = await sandbox.json(args);
      assertDocument(document);
      assert.deepEqual(document.warnings, [], args.join(' '));
    }
  });

  it('waits for a reader that is slow: a document is whole or not there', async () => {
    const child = spawn(process.execPath, ['bin/run.js', 'schema', '--commands', '--json'], { stdio: 'pipe' });
    child.stdout.pause();
    // Much more than a pipe holds; time enough for a process that does not wait to be gone.
    await sleep(2500);
    let text = '';
    for await (const chunk of child.stdout) text += String(chunk);
    assert.ok(text.length > 100_000);
    assertDocument(JSON.parse(text));
  });

  it('prints the schema of every document as it is published, and the command line as it is typed', async () => {
    const names = (await sandbox.run(['schema', '--list'])).stdout.trim().split('\n');
    assert.ok(names.includes('nodes.list') && names.includes('error'));
    const { stdout } = await sandbox.run(['schema', 'palyra.error/v1']);
    assert.equal(stdout, readFileSync(new URL('../../docs/schemas/error.v1.json', import.meta.url), 'utf8'));
    const tree = await sandbox.run(['schema', '--commands']);
    assert.match(tree.stdout, /^nodes invoke \[node\] \[capability\] +Run a capability on a node, or on many$/m);
    const { document } = await sandbox.json(['schema', 'node.list']);
    assert.equal(document.error.hint, 'Did you mean: palyra schema nodes.list');
  });

  it('takes PALYRA_JSON and a leading --json for --json', async () => {
    const byVariable = await sandbox.run(['version'], { env: { PALYRA_JSON: '1' } });
    const leading = await sandbox.run(['--json', 'version']);
    assert.deepEqual(JSON.parse(byVariable.stdout), JSON.parse(leading.stdout));
  });

  it('keeps warnings in the document, and tells people on stderr', async () => {
    const env = { PALYRA_HOEM: '/nowhere' };
    const [json, plain] = await Promise.all([sandbox.json(['version'], { env }), sandbox.run(['version'], { env })]);
    const documents = json.document.warnings as string[];
    assert.deepEqual(documents, ['PALYRA_HOEM is not a variable of palyra; did you mean PALYRA_HOME?']);
    assert.equal(plain.stderr, `! ${documents[0] ?? ''}\n`);
  });

  it('treats an empty variable as unset', async () => {
    const { stdout } = await sandbox.run(['version'], { env: { PALYRA_JSON: '', NO_COLOR: '' } });
    assert.match(stdout, /^palyra \d/);
  });

  it('answers -h, --help, help and a bare topic with exit code 0', async () => {
    for (const args of [['-h'], ['nodes', 'list', '-h'], ['help', 'nodes', 'invoke'], ['nodes'], []]) {
      const { code, stdout } = await sandbox.run(args);
      assert.equal(code, 0, args.join(' '));
      assert.match(stdout, /USAGE/);
    }
  });

  it('answers -v, --version and version', async () => {
    for (const args of [['-v'], ['--version'], ['version']]) {
      const { code, stdout } = await sandbox.run(args);
      assert.equal(code, 0);
      assert.match(stdout, /^palyra[ /]\d+\.\d+\.\d+/);
    }
  });

  it('never prints colour codes into a pipe, and does when it is forced to', async () => {
    const [plain, forced] = await Promise.all([
      sandbox.run(['nodes', 'list']),
      sandbox.run(['nodes', 'list'], { env: { FORCE_COLOR: '1' } }),
    ]);
    assert.ok(!plain.stderr.includes('\u001b'));
    assert.ok(forced.stderr.includes('\u001b['));
  });
});
