import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assertDocument } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { Sandbox, type Document } from '../support/palyra.js';

const FIXTURES = fileURLToPath(new URL('../fixtures/', import.meta.url));
const ACME = join(FIXTURES, 'plugin-acme');
const BROKEN = join(FIXTURES, 'plugins-broken');
/** What each is refused with. */
const PROBLEMS: Readonly<Record<string, RegExp>> = {
  'bad-schema': /"inputSchema" is missing/,
  // When it is installed, and when a node starts.
  duplicate: /the area "acme" belongs to the plugin palyra-plugin-acme|already a capability "acme\.temperature"/,
  exits: /ended itself with exit code 0/,
  foreign: /reserved/,
  hangs: /did not load within 5 s/,
  'hook-throws': /there is no device/,
  loops: /did not load within 5 s/,
  'newer-api': /written for capability api 99; this palyra has api 1/,
  prints: /prints to stdout while it is loaded: "Welcome/,
  throws: /needs a library that is not here/,
};
/** npm must reach no registry. */
const OFFLINE = { npm_config_offline: 'true', npm_config_registry: 'http://127.0.0.1:9' };

describe('plugins', function () {
  this.timeout(240_000);
  let sandbox: Sandbox;
  beforeEach(() => (sandbox = new Sandbox()));
  afterEach(() => sandbox.dispose());

  function pack(directory: string): string {
    const words = ['pack', '--silent', '--pack-destination', sandbox.directory];
    const name = execFileSync('npm', words, { cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return join(sandbox.directory, name.trim());
  }

  /** A copy of the plugin with another version, and whatever else is changed in it. */
  function variant(version: string, files: Readonly<Record<string, string>> = {}): string {
    const copy = join(sandbox.directory, `acme-${version}`);
    cpSync(ACME, copy, { recursive: true });
    const file = join(copy, 'package.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"version": "1.0.0"', `"version": "${version}"`));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(copy, name), text);
    return copy;
  }

  async function ok(args: readonly string[], options = {}): Promise<Document> {
    const { code, document } = await sandbox.json(args, options);
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document as { schema: string });
    return document;
  }

  it('installs one from a packed tarball without a network; its command and its capabilities are there; removing it leaves nothing', async () => {
    const tarball = pack(ACME);
    const installed = await ok(['plugins', 'install', tarball], { env: OFFLINE });
    assert.deepEqual(installed.plugin.capabilities, ['acme.count', 'acme.temperature']);
    assert.deepEqual(installed.plugin.commands, ['acme sensors']);
    assert.equal(installed.previous, null);

    const listed = await sandbox.run(['plugins']);
    assert.match(
      listed.stdout,
      /palyra-plugin-acme +1\.0\.0 +npm +ok +adds capabilities acme\.count, acme\.temperature/,
    );
    assert.equal((await ok(['plugins', 'list'])).plugins.length, 1);
    assert.deepEqual((await ok(['plugins', 'inspect', 'palyra-plugin-acme'])).problems, []);

    assert.equal((await sandbox.run(['acme', 'sensors', '--warm'])).stdout, 'attic\n');
    const ran = await ok(['acme', 'sensors']);
    assert.deepEqual(ran.result, { sensors: ['attic', 'cellar'] });
    const mistyped = await sandbox.json(['acme', 'sensors', '--wram']);
    assert.equal(mistyped.code, 2);
    assert.equal(mistyped.document.error.code, 'USAGE_INVALID');
    assert.match((await sandbox.run(['acme', '--help'])).stdout, /List the sensors/);

    assert.equal((await sandbox.run(['acme', 'sensors', '--no-plugins'])).code, 127);
    assert.equal((await sandbox.run(['acme', 'sensors'], { env: { PALYRA_NO_PLUGINS: '1' } })).code, 127);

    await ok(['plugins', 'uninstall', 'palyra-plugin-acme']);
    const folder = join(sandbox.home('daemon'), 'data', 'plugins');
    assert.deepEqual(readdirSync(join(folder, 'installed')), []);
    assert.equal((await sandbox.run(['acme', 'sensors'])).code, 127);
    const again = await sandbox.json(['plugins', 'uninstall', 'palyra-plugin-acme']);
    assert.deepEqual([again.code, again.document.error.code], [3, 'PLUGIN_NOT_FOUND']);
  });

  it('keeps the previous version when the next one does not work, and replaces it when it does', async () => {
    await ok(['plugins', 'install', pack(ACME)], { env: OFFLINE });
    const bad = pack(variant('1.1.0', { 'lib/capabilities.js': "throw new Error('no such device');\n" }));
    const refused = await sandbox.json(['plugins', 'install', bad], { env: OFFLINE });
    assert.deepEqual([refused.code, refused.document.error.code], [2, 'PLUGIN_INVALID']);
    assert.match(refused.document.error.message, /1\.1\.0: no such device/);
    assert.equal((await sandbox.run(['acme', 'sensors'])).stdout, 'attic\ncellar\n');

    const good = await ok(['plugins', 'install', pack(variant('1.2.0'))], { env: OFFLINE });
    assert.deepEqual([good.plugin.version, good.previous], ['1.2.0', '1.0.0']);
    assert.equal(readdirSync(join(sandbox.home('daemon'), 'data', 'plugins', 'installed')).length, 1);

    const missing = await sandbox.json(['plugins', 'install', 'palyra-plugin-not-there'], { env: OFFLINE });
    assert.deepEqual([missing.code, missing.document.error.code], [1, 'PLUGIN_NOT_INSTALLED']);
    const none = await sandbox.json(['plugins', 'link', FIXTURES]);
    assert.deepEqual([none.code, none.document.error.code], [2, 'PLUGIN_INVALID']);
  });

  it('refuses each broken one by what is wrong with it, and names it everywhere when it is kept all the same', async () => {
    const home = 'pi';
    await ok(['plugins', 'link', ACME], { home });
    for (const [name, problem] of Object.entries(PROBLEMS)) {
      const refused = await sandbox.json(['plugins', 'link', join(BROKEN, name)], { home });
      assert.deepEqual([refused.code, refused.document.error.code], [2, 'PLUGIN_INVALID'], name);
      assert.match(refused.document.error.message, problem);
      const kept = await ok(['plugins', 'link', join(BROKEN, name), '--force'], { home });
      assert.match(kept.warnings.join(), problem);
    }
    const listed = await ok(['plugins', 'list'], { home });
    assert.equal(
      listed.plugins.filter(({ state }: Document) => state === 'failed').length,
      Object.keys(PROBLEMS).length,
    );

    await sandbox.startDaemon();
    const { link } = await sandbox.invite(['--name', 'pi']);
    const node = await sandbox.startNode(home, [link]);
    const named = (text: string, where: string) => {
      for (const [name, problem] of Object.entries(PROBLEMS)) {
        const line = text.split(/\n|; (?=plugin )/).find((part) => part.includes(`palyra-plugin-${name}`));
        assert.ok(line !== undefined, `${where} does not name ${name}: ${text}`);
        assert.match(line, problem, `${where}: ${line}`);
      }
      assert.doesNotMatch(text, /! plugin palyra-plugin-acme /, where);
    };
    named(node.stderr, 'stderr of the node');
    named((await sandbox.run(['node', 'status'], { home })).stdout, 'node status');
    named((await sandbox.run(['daemon', 'status'])).stdout, 'daemon status');
    named((await sandbox.run(['nodes', 'show', 'pi'])).stdout, 'nodes show');
    const doctor = await sandbox.json(['doctor'], { home });
    const check = doctor.document.checks.find(({ id }: Document) => id === 'plugins.capabilities');
    named(check.detail, 'doctor');
    assertDocument(doctor.document as { schema: string });

    const status = await ok(['node', 'status'], { home });
    assert.equal(status.plugins.loaded, 1);
    assert.equal(status.plugins.failed.length, Object.keys(PROBLEMS).length);
    assert.equal((await ok(['daemon', 'status'])).plugins.failed.length, Object.keys(PROBLEMS).length);
    assert.equal((await ok(['nodes', 'show', 'pi'])).node.pluginFailures.length, Object.keys(PROBLEMS).length);

    const { document } = await sandbox.json([
      'nodes',
      'invoke',
      'pi',
      'acme.temperature',
      'sensor=attic',
      'unit=fahrenheit',
    ]);
    assert.deepEqual(document.dispatch.output, { value: 70.7, unit: 'fahrenheit' });
    const failed = await sandbox.json(['nodes', 'invoke', 'pi', 'acme.temperature', 'sensor=moon']);
    assert.deepEqual([failed.code, failed.document.dispatch.error.code], [10, 'SENSOR_MISSING']);
    // With all of them installed on the machine that asks, too.
    for (const words of [['version'], ['nodes', 'list'], ['schema', '--list'], ['plugins']])
      await sandbox.json(words, { home });
    assert.equal((await node.end('SIGTERM')).code, 143);
  });

  it('keeps off what comes after the machine was paired until its person switches it on; then the operator is asked once', async () => {
    const home = 'pi';
    await sandbox.startDaemon();
    let node = await sandbox.joinNode('pi');
    const linked = await ok(['plugins', 'link', ACME], { home });
    assert.deepEqual(linked.off, ['acme.count', 'acme.temperature']);
    const told = await sandbox.run(['plugins', 'link', ACME], { home });
    assert.match(
      told.stderr,
      /! Off until you allow them on this machine: {2}palyra node capabilities enable acme\.count/,
    );
    await node.end('SIGTERM');
    node = await sandbox.startNode(home);
    await node.line(/Off until you allow them on this machine: acme\.count, acme\.temperature/);
    const status = await ok(['node', 'status'], { home });
    assert.deepEqual(
      status.capabilities.filter(({ enabled }: Document) => !enabled).map(({ name }: Document) => name),
      ['acme.count', 'acme.temperature'],
    );
    const off = /! off +acme\.count · acme\.temperature, from plugins · palyra node capabilities enable acme\.count/;
    assert.match((await sandbox.run(['node', 'status'], { home })).stdout, off);
    const listed = await sandbox.run(['node', 'capabilities', 'list'], { home });
    assert.match(listed.stdout, /^acme\.count +not yet .* palyra-plugin-acme /m);
    assert.match(listed.stderr, /Off until you allow them on this machine/);
    const local = await ok(['node', 'capabilities', 'list'], { home });
    const row = local.capabilities.find(({ name }: Document) => name === 'acme.count');
    assert.deepEqual([row.enabled, row.waiting, row.plugin], [false, true, 'palyra-plugin-acme']);
    const { checks } = (await sandbox.json(['doctor'], { home })).document;
    const check = checks.find(({ id }: Document) => id === 'plugins.capabilities');
    assert.match(check.detail, /off until you switch them on here: acme\.count, acme\.temperature/);
    const known = async () =>
      (await sandbox.json(['nodes', 'show', 'pi'])).document.node.capabilityDetails as Document[];
    assert.ok(!(await known()).some(({ name }) => name.startsWith('acme.')), 'nothing of it is announced');
    const early = await sandbox.json(['nodes', 'invoke', 'pi', 'acme.temperature', 'sensor=attic']);
    assert.equal(early.document.error.code, 'CAPABILITY_NOT_FOUND');

    await ok(['node', 'capabilities', 'enable', 'acme.temperature'], { home });
    const [request] = await eventually(async () => {
      const { requests } = (await sandbox.json(['approvals', 'list'])).document;
      return requests.length > 0 && requests;
    }, 'the operator is asked');
    assert.deepEqual(request.wants, ['acme.temperature']);
    await ok(['approvals', 'approve', request.id]);
    const { document } = await sandbox.json(['nodes', 'invoke', 'pi', 'acme.temperature', 'sensor=attic']);
    assert.equal(document.dispatch.state, 'succeeded');

    await node.end('SIGTERM');
    await sandbox.startNode(home, [], { env: { PALYRA_NO_PLUGINS: '1' } });
    assert.ok(!(await known()).some(({ name }) => name.startsWith('acme.')), 'a rescue without plugins');
  });

  it('shows what the machine has when it is paired, and switches that on; a pairing without plugins does not', async () => {
    const home = 'pi';
    await sandbox.startDaemon();
    assert.deepEqual((await ok(['plugins', 'link', ACME], { home })).off, [], 'a machine that is not paired');
    const node = await sandbox.joinNode('pi');
    assert.match(node.stderr, /Online\. Capabilities: acme\.count, acme\.temperature/);
    await node.end('SIGTERM');
    await sandbox.startNode(home);
    const { document } = await sandbox.json(['nodes', 'invoke', 'pi', 'acme.temperature', 'sensor=attic']);
    assert.equal(document.dispatch.state, 'succeeded');

    await ok(['plugins', 'link', ACME], { home: 'other' });
    const { link } = await sandbox.invite(['--name', 'other']);
    const bare = await sandbox.startNode('other', [link, '--no-plugins']);
    await bare.end('SIGTERM');
    const later = await sandbox.startNode('other');
    await later.line(/Off until you allow them on this machine: acme\.count/);
  });

  it('lives on when a capability exits, hangs in a loop or throws where nobody catches, and its command keeps to one document', async () => {
    const home = 'pi';
    const linked = await ok(['plugins', 'link', join(BROKEN, 'unruly')], { home });
    assert.deepEqual(linked.plugin.ignoredHooks, ['init', 'prerun']);
    await sandbox.startDaemon();
    const node = await sandbox.joinNode('pi');
    const invoke = async (...words: string[]) => (await sandbox.json(['nodes', 'invoke', 'pi', ...words])).document;
    const pid = async () => (await ok(['node', 'status'], { home })).process.pid as number;
    const before = await pid();

    assert.equal((await invoke('unruly.print')).dispatch.output, 'printed');
    const exited = await invoke('unruly.exit');
    assert.deepEqual(exited.dispatch.error.code, 'CAPABILITY_CRASHED');
    assert.match(exited.dispatch.error.message, /the plugin ended: it ended itself with exit code 0/);
    assert.match((await invoke('unruly.later')).dispatch.error.message, /thrown where nobody catches/);
    assert.equal((await invoke('unruly.spin', '--timeout', '1s')).dispatch.state, 'timed-out');
    // While that thread still turns, others answer; once it is ended, a new one does.
    assert.equal((await invoke('echo')).dispatch.state, 'succeeded');
    assert.equal((await invoke('unruly.print')).dispatch.output, 'printed');
    assert.equal(await pid(), before);
    assert.doesNotMatch(node.stdout + node.stderr, /noise|init of a plugin/);

    const command = await sandbox.json(['unruly', 'exit'], { home });
    assert.equal(command.code, 3);
    assert.equal(command.document.schema, 'palyra.plugins.run/v1');
  });

  it('tells a module of PALYRA_CAPABILITY_MODULES that does not load, and an index that cannot be read, and goes on', async () => {
    await sandbox.startDaemon();
    const file = join(sandbox.directory, 'module.mjs');
    writeFileSync(file, "throw new Error('no module today');\n");
    const node = await sandbox.joinNode('pi', { env: { PALYRA_CAPABILITY_MODULES: file } });
    assert.match(node.stderr, /module\.mjs adds no capabilities: no module today/);
    assert.match((await sandbox.run(['daemon', 'status'])).stdout, /module\.mjs on pi: no module today/);
    await node.end('SIGTERM');

    await ok(['plugins', 'link', ACME]);
    writeFileSync(join(sandbox.home('daemon'), 'data', 'plugins', 'plugins.json'), '{"version": 7}');
    const { code, document } = await sandbox.json(['nodes', 'list']);
    assert.equal(code, 0);
    assert.match(document.warnings.join(), /without plugins: The list of installed plugins cannot be read/);
    assert.equal((await sandbox.json(['plugins', 'list'])).document.error.code, 'PLUGINS_UNREADABLE');
    assert.ok(existsSync(ACME));
  });
});
