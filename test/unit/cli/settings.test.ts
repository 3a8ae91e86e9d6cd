import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, symlink, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoriesOf } from '../../../src/lib/cli/directories.js';
import { editSettings, readSettings } from '../../../src/lib/cli/settings-file.js';
import { SETTING_KEYS, settingKey } from '../../../src/lib/cli/settings-keys.js';
import { loadSettings } from '../../../src/lib/cli/settings.js';

const WRITTEN = `# ours, do not touch
[daemon]
# the lab
listen = ["lan"]   # both floors
port = 7443

[future]
knob = 3           # of a newer version

[presence]
heartbeat = "15s"
`;

describe('settings', () => {
  let home: string;
  let file: string;
  const env = () => ({ PALYRA_HOME: home });
  const load = (more: Record<string, string> = {}) => loadSettings(directoriesOf(env()), { ...env(), ...more });

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'palyra-settings-'));
    file = join(home, 'config', 'config.toml');
    await mkdir(join(home, 'config'));
    await mkdir(join(home, 'etc'));
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  it('are built in when nobody says anything', async () => {
    const settings = await load();
    assert.deepEqual(settings.get('daemon.listen').value, ['loopback']);
    assert.equal(settings.get('daemon.port').origin, 'default');
    assert.equal(settings.number('daemon.port'), undefined);
    assert.deepEqual(
      settings.list().map(({ key }) => key),
      SETTING_KEYS.map(({ key }) => key),
    );
    assert.deepEqual(
      [...SETTING_KEYS.map(({ key }) => key)].sort(),
      SETTING_KEYS.map(({ key }) => key),
    );
  });

  it('come from the environment, the user, the machine, in that order, with file and line', async () => {
    await writeFile(join(home, 'etc', 'config.toml'), '[log]\nlevel = "warn"\n[daemon]\nport = 1\nnode_port = 2\n');
    await writeFile(file, '[log]\nlevel = "debug"\n\n[daemon]\nport = 3\n');
    const settings = await load({ PALYRA_LOG_LEVEL: 'error' });
    assert.deepEqual([settings.get('log.level').value, settings.get('log.level').origin], ['error', 'env']);
    const { value, origin, line } = settings.get('daemon.port');
    assert.deepEqual([value, origin, line], [3, 'user', 5]);
    const machine = settings.get('daemon.node_port');
    assert.deepEqual([machine.value, machine.origin, machine.line], [2, 'system', 5]);
    const elsewhere = join(home, 'other.toml');
    await writeFile(elsewhere, 'log.level = "info"\n');
    assert.equal((await load({ PALYRA_CONFIG: elsewhere })).get('log.level').file, elsewhere);
  });

  it('warn of keys that nobody knows and keep them', async () => {
    await writeFile(file, '[daemon]\nlissten = ["lan"]\n[future]\nknob = 3\n');
    const { unknown, warnings } = await load().then((settings) => ({
      unknown: settings.unknown,
      warnings: settings.warnings(),
    }));
    assert.deepEqual(
      unknown.map(({ key, near, line }) => [key, near, line]),
      [
        ['daemon.lissten', 'daemon.listen', 2],
        ['future.knob', null, 4],
      ],
    );
    assert.match(warnings[0]!, /config\.toml:2: there is no setting "daemon\.lissten"; did you mean daemon\.listen\?/);
    await editSettings(file, 'daemon.port', 1);
    assert.match(await readFile(file, 'utf8'), /lissten = \["lan"\]/);
  });

  it('refuse what cannot be right, naming file, line and key, also when something beats it', async () => {
    for (const [text, problem] of [
      ['[daemon]\nport = "80"\n', /config\.toml:2: daemon\.port: a port is a number/],
      ['[daemon]\nport = 70000\n', /daemon\.port/],
      ['[daemon]\nlisten = "lan"\n', /daemon\.listen: it must be a list/],
      ['[daemon]\nlisten = ["nas.lan"]\n', /daemon\.listen/],
      ['[log]\nlevel = "loud"\n', /log\.level: it must be one of/],
      ['[presence]\nheartbeat = "1h"\n', /presence\.heartbeat/],
      ['[daemon\n', /config\.toml: /],
    ] as const) {
      await writeFile(file, text);
      await assert.rejects(load({ PALYRA_LOG_LEVEL: 'info' }), (error: { reason: string; detail: string }) => {
        assert.equal(error.reason, 'CONFIG_INVALID');
        assert.match(error.detail, problem);
        return true;
      });
    }
  });

  it('are set without touching what a person wrote around them', async () => {
    await writeFile(file, WRITTEN);
    assert.equal(await editSettings(file, 'daemon.listen', ['loopback', '127.0.0.2']), true);
    assert.equal(await readFile(file, 'utf8'), WRITTEN.replace('["lan"]', '["loopback", "127.0.0.2"]'));
    await editSettings(file, 'log.level', 'debug');
    const text = await readFile(file, 'utf8');
    for (const line of WRITTEN.split('\n')) {
      if (!line.startsWith('listen')) assert.ok(text.includes(line), line);
    }
    const entries = await readSettings(file);
    assert.deepEqual(entries?.find(({ key }) => key === 'log.level')?.value, 'debug');
    assert.equal(await editSettings(file, 'log.level', 'debug'), false);
  });

  it('are taken away alone', async () => {
    await writeFile(file, WRITTEN);
    assert.equal(await editSettings(file, 'daemon.port', undefined), true);
    assert.equal(await readFile(file, 'utf8'), WRITTEN.replace('port = 7443\n', ''));
    assert.equal(await editSettings(file, 'daemon.port', undefined), false);
    assert.equal(await editSettings(file, 'nothing.here', undefined), false);
    await assert.rejects(editSettings(file, 'daemon.listen.deep', 'x'), { reason: 'CONFIG_INVALID' });
  });

  it('are written through a link, whole or not at all, for their owner only', async () => {
    const dotfiles = join(home, 'dotfiles.toml');
    await writeFile(dotfiles, WRITTEN);
    await symlink(dotfiles, file);
    await editSettings(file, 'daemon.port', 1);
    assert.match(await readFile(dotfiles, 'utf8'), /^port = 1$/m);
    const fresh = join(home, 'new', 'config.toml');
    await editSettings(fresh, 'node.name', 'pi-lab');
    assert.equal((await stat(fresh)).mode & 0o777, 0o600);
    assert.deepEqual(await readSettings(fresh), [{ key: 'node.name', value: 'pi-lab', line: 2 }]);
  });

  it('know what was meant', () => {
    assert.throws(() => settingKey('daemon.lisen'), {
      reason: 'USAGE_INVALID',
      detail: /did you mean daemon\.listen\?/,
    });
    assert.throws(() => settingKey('daemon.node-port'), { detail: /did you mean daemon\.node_port\?/ });
    assert.deepEqual(settingKey('daemon.listen').parse(['lan,127.0.0.1', '::1']), ['lan', '127.0.0.1', '::1']);
    assert.throws(() => settingKey('daemon.port').parse(['1', '2']), { reason: 'USAGE_INVALID' });
    assert.throws(() => settingKey('daemon.port').parse(['0x10']), { reason: 'USAGE_INVALID' });
  });
});
