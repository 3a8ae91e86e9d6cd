import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { Sandbox, type Document } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

describe('config', function () {
  this.timeout(120_000);
  // Each step stands on the one before.
  stepByStep(this);
  let sandbox: Sandbox;
  let file: string;
  before(() => {
    sandbox = new Sandbox();
    file = join(sandbox.home('daemon'), 'config', 'config.toml');
  });
  after(() => sandbox.dispose());

  it('sets, shows and lists, and says where each value comes from', async () => {
    const set = await sandbox.json(['config', 'set', 'presence.heartbeat', '5s']);
    assert.equal(set.code, 0, JSON.stringify(set.document));
    assertDocument(set.document);
    assert.equal(set.document.changed, true);
    const again = await sandbox.json(['config', 'set', 'presence.heartbeat', '5s']);
    assert.equal(again.document.changed, false);
    const list = await sandbox.json(['config', 'list', '--origin']);
    assertDocument(list.document);
    const heartbeat = list.document.values.find(({ key }: Document) => key === 'presence.heartbeat');
    assert.deepEqual([heartbeat.value, heartbeat.origin, heartbeat.file], ['5s', 'user', file]);
    const get = await sandbox.json(['config', 'get', 'daemon.port']);
    assertDocument(get.document);
    assert.deepEqual([get.document.setting.value, get.document.setting.origin], [7443, 'default']);
    const people = await sandbox.run(['config', 'list', '--origin']);
    assert.match(people.stdout, /^presence\.heartbeat +5s +\S+config\.toml:2$/m);
    const value = await sandbox.run(['config', 'get', 'daemon.listen']);
    assert.equal(value.stdout, 'loopback\n');
  });

  it('refuses what is no key and no value, with what was meant', async () => {
    for (const [words, says] of [
      [['set', 'daemon.lisen', 'lan'], /did you mean daemon\.listen\?/],
      [['set', 'daemon.port', 'eighty'], /daemon\.port: a port is a number/],
      [['set', 'log.level', 'loud'], /log\.level: it must be one of debug/],
      [['get', 'nothing'], /there is no setting "nothing"/],
    ] as const) {
      const { code, document } = await sandbox.json(['config', ...words]);
      assert.deepEqual([code, document.error.code], [2, 'USAGE_INVALID']);
      assert.match(document.error.message, says);
    }
  });

  it('tells where files are, and takes a setting away', async () => {
    const path = await sandbox.run(['config', 'path']);
    assert.equal(path.stdout, `${file}\n`);
    const all = await sandbox.json(['config', 'path', '--all']);
    assertDocument(all.document);
    assert.equal(all.document.paths.system, join(sandbox.home('daemon'), 'etc', 'config.toml'));
    const unset = await sandbox.json(['config', 'unset', 'presence.heartbeat']);
    assertDocument(unset.document);
    assert.deepEqual([unset.document.changed, unset.document.setting.origin], [true, 'default']);
  });

  it('edits a copy: what is not valid does not take its place and is kept', async () => {
    const good = await sandbox.json(['config', 'edit'], {
      env: { EDITOR: `${process.execPath} -e "fs.appendFileSync(process.argv[1], '[log]\\nlevel = \\'debug\\'\\n')"` },
    });
    assert.equal(good.code, 0, JSON.stringify(good.document));
    assertDocument(good.document);
    assert.match(readFileSync(file, 'utf8'), /level = 'debug'/);
    const before = readFileSync(file, 'utf8');
    const bad = await sandbox.json(['config', 'edit'], {
      env: { EDITOR: `${process.execPath} -e "fs.writeFileSync(process.argv[1], '[log]\\nlevel = 3\\n')"` },
    });
    assert.deepEqual([bad.code, bad.document.error.code], [78, 'CONFIG_INVALID']);
    assert.match(bad.document.error.hint, /kept in .*config\.toml\.edit/);
    assert.equal(readFileSync(file, 'utf8'), before);
  });

  it('is what a daemon starts with, after flags and before what is built in', async () => {
    writeFileSync(
      file,
      '[daemon]\nport = 0\nnode_port = 0\nconsole_port = 0\nlisten = ["::1"]\nnob = 1\n[presence]\nheartbeat = "1s"\n[log]\nlevel = "debug"\n',
    );
    sandbox.manage('daemon');
    const started = await sandbox.json(['daemon', 'start', '--listen', '127.0.0.1']);
    assert.equal(started.code, 0, JSON.stringify(started.document));
    assert.match(started.document.urls.public, /^https:\/\/127\.0\.0\.1:\d+$/);
    assert.ok(!started.document.urls.public.endsWith(':7443'));
    assert.match(sandbox.daemonLog(), /"level":"debug"/);
    await sandbox.json(['daemon', 'stop', '--now']);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"::1"', '"127.0.0.1"'));
    const again = await sandbox.json(['daemon', 'start']);
    assert.match(again.document.urls.public, /^https:\/\/127\.0\.0\.1:\d+$/);
    await sandbox.json(['daemon', 'stop', '--now']);
    writeFileSync(file, '[daemon]\nport = "x"\n');
    const broken = await sandbox.json(['daemon', 'start']);
    assert.deepEqual([broken.code, broken.document.error.code], [78, 'CONFIG_INVALID']);
    assert.match(broken.document.error.message, /config\.toml:2: daemon\.port/);
    writeFileSync(file, '');
  });

  it('names a node that is paired, unless a flag does', async () => {
    await sandbox.startDaemon();
    for (const home of ['pi', 'nas']) {
      mkdirSync(join(sandbox.home(home), 'config'), { recursive: true });
      writeFileSync(join(sandbox.home(home), 'config', 'config.toml'), `node.name = "${home}-by-file"\n`);
    }
    const first = await sandbox.json(['node', 'pair', (await sandbox.invite()).link], { home: 'pi' });
    assert.equal(first.document.node.name, 'pi-by-file');
    const { link } = await sandbox.invite();
    const second = await sandbox.json(['node', 'pair', link, '--name', 'by-flag'], { home: 'nas' });
    assert.equal(second.document.node.name, 'by-flag');
  });
});
