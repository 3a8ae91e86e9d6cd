import assert from 'node:assert/strict';
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Contexts, type ContextRecord } from '../../../src/lib/cli/contexts.js';
import { directoriesOf } from '../../../src/lib/cli/directories.js';
import { choiceOf, findTarget, isAboutThisMachine } from '../../../src/lib/cli/target.js';
import {
  readCredential,
  removeCredential,
  renameCredential,
  writeCredential,
} from '../../../src/lib/cli/stored-credentials.js';
import { rejectsWith } from '../../support/rejects-with.js';
import { temporaryDirectory } from '../../support/temporary.js';

const record = (url: string): ContextRecord => ({
  url,
  caPem: 'PEM',
  operator: 'eva',
  role: 'owner',
  addedAt: '2026-01-01T00:00:00.000Z',
});

describe('contexts', () => {
  const directory = temporaryDirectory();
  const noFile = async () => (await Contexts.read(join(directory(), 'config'))).list();

  it('are kept in a file that only their owner can read, current one included', async () => {
    assert.deepEqual(await noFile(), []);
    const config = join(directory(), 'config');
    const contexts = await Contexts.read(config);
    contexts.put('nas', record('https://nas.lan:7443'));
    contexts.put('lab', record('https://lab.lan:7443'));
    contexts.use('NAS');
    await contexts.save();
    assert.equal(statSync(join(config, 'contexts.json')).mode & 0o777, 0o600);
    const again = await Contexts.read(config);
    assert.deepEqual([again.current, again.list().map(({ name }) => name)], ['nas', ['lab', 'nas']]);
    assert.equal(again.findByUrl('https://lab.lan:7443')?.name, 'lab');
    assert.equal(again.findByUrl('https://lab.lan:8443'), null);
    again.rename('nas', 'home');
    assert.equal(again.current, 'home');
    again.remove('home');
    assert.deepEqual([again.current, again.has('home')], [null, false]);
    assert.throws(() => again.get('home'), { reason: 'CONTEXT_NOT_FOUND' });
    assert.throws(() => again.use('home'), { reason: 'CONTEXT_NOT_FOUND' });
    again.use('local');
  });

  it('prefer the current one of two for the same daemon', async () => {
    const contexts = await Contexts.read(directory());
    for (const name of ['a', 'b']) contexts.put(name, record('https://nas.lan:7443'));
    assert.equal(contexts.findByUrl('https://nas.lan:7443')?.name, 'a');
    contexts.use('b');
    assert.equal(contexts.findByUrl('https://nas.lan:7443')?.name, 'b');
  });

  it('are not read from a file that is not ours or that others could have written', async () => {
    const path = join(directory(), 'contexts.json');
    for (const text of [
      '{',
      '[]',
      'null',
      '{"version":2,"current":null,"contexts":{}}',
      '{"version":1,"contexts":[]}',
    ]) {
      writeFileSync(path, text, { mode: 0o600 });
      await rejectsWith(Contexts.read(directory()), 'CONFIG_INVALID');
    }
    writeFileSync(path, '{"version":1,"current":"x","contexts":{"x":{"url":7}}}');
    await rejectsWith(Contexts.read(directory()), 'CONFIG_INVALID');
    writeFileSync(path, '{"version":1,"current":"gone","contexts":{}}');
    assert.equal((await Contexts.read(directory())).current, null);
    chmodSync(path, 0o666);
    await rejectsWith(Contexts.read(directory()), 'STATE_NOT_OWNED');
  });

  it('have one credential each', async () => {
    const place = join(directory(), 'credentials');
    assert.equal(await readCredential(place, 'nas'), null);
    const path = await writeCredential(place, 'nas', { kind: 'token', token: 'plt_x' });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await renameCredential(place, 'nas', 'home');
    await renameCredential(place, 'nas', 'home');
    assert.deepEqual(await readCredential(place, 'home'), { kind: 'token', token: 'plt_x' });
    assert.equal(await removeCredential(place, 'home'), true);
    assert.equal(await removeCredential(place, 'home'), false);
    for (const text of ['{"kind":"session"}', '{"kind":"token","token":7}', 'plt_canary']) {
      writeFileSync(path, text, { mode: 0o600 });
      const error = await rejectsWith(readCredential(place, 'nas'), 'CONFIG_INVALID');
      assert.ok(!error.message.includes(text));
    }
  });

  describe('and the daemon that a command speaks to', () => {
    const setUp = async () => {
      const env: NodeJS.ProcessEnv = { PALYRA_HOME: directory() };
      const directories = directoriesOf(env);
      const contexts = await Contexts.read(directories.config);
      contexts.put('nas', record('https://nas.lan:7443'));
      contexts.put('lab', { ...record('https://lab.lan:7443'), caPem: null });
      contexts.use('lab');
      await contexts.save();
      return { env, directories };
    };

    it('is that of this machine without any context', async () => {
      const directories = directoriesOf({ PALYRA_HOME: directory() });
      const target = await findTarget({}, directories, {});
      assert.deepEqual(
        [target.context, target.source, target.options],
        ['local', 'default', { socketPath: directories.socketPath }],
      );
    });

    it('is chosen by flags before variables before what is current', async () => {
      const { directories } = await setUp();
      const all = { PALYRA_DAEMON: 'x.lan', PALYRA_CONTEXT: 'local' };
      const cases: [{ daemon?: string; context?: string }, NodeJS.ProcessEnv, string, string | null, string | null][] =
        [
          [{ daemon: 'nas.lan' }, all, '--daemon', 'nas', 'https://nas.lan:7443'],
          [{ context: 'nas' }, all, '--context', 'nas', 'https://nas.lan:7443'],
          [{ context: 'LOCAL' }, all, '--context', 'local', null],
          [{}, all, 'PALYRA_DAEMON', null, 'https://x.lan:7443'],
          [{}, { PALYRA_CONTEXT: 'nas', PALYRA_DAEMON: '' }, 'PALYRA_CONTEXT', 'nas', 'https://nas.lan:7443'],
          [{}, {}, 'current context', 'lab', 'https://lab.lan:7443'],
        ];
      for (const [flags, env, source, context, url] of cases) {
        const target = await findTarget(flags, directories, { ...env });
        assert.deepEqual([target.source, target.context, target.url], [source, context, url]);
      }
      assert.throws(() => choiceOf({ daemon: 'a', context: 'b' }, {}), { reason: 'USAGE_INVALID' });
      await assert.rejects(findTarget({ context: 'gone' }, directories, {}), { reason: 'CONTEXT_NOT_FOUND' });
      await assert.rejects(findTarget({ daemon: 'http://nas.lan' }, directories, {}), { reason: 'USAGE_INVALID' });
    });

    it('is trusted by the CA of its context, by a fingerprint, or by nothing of ours', async () => {
      const { directories } = await setUp();
      const of = async (daemon: string) => (await findTarget({ daemon }, directories, {})).options;
      assert.equal((await of('nas.lan')).ca, 'PEM');
      assert.deepEqual(await of('lab.lan'), { baseUrl: 'https://lab.lan:7443' });
      const hex = '0f'.repeat(32);
      assert.deepEqual(await of(`nas.lan#sha256:${hex}`), { baseUrl: 'https://nas.lan:7443', caFingerprint: hex });
    });

    it('gets the token of the environment before the stored credential, and the variable is gone then', async () => {
      const { directories } = await setUp();
      await writeCredential(directories.credentials, 'nas', { kind: 'token', token: 'plt_stored' });
      const stored = await findTarget({ context: 'nas' }, directories, {});
      assert.deepEqual([stored.credential, stored.options.token], ['token', 'plt_stored']);
      const env: NodeJS.ProcessEnv = { PALYRA_TOKEN: 'plt_env' };
      const target = await findTarget({ context: 'nas' }, directories, env);
      assert.deepEqual([target.credential, target.options.token, env], ['PALYRA_TOKEN', 'plt_env', {}]);
      const file = join(directory(), 'token');
      writeFileSync(file, 'plt_file\n');
      const fromFile = await findTarget({ context: 'nas' }, directories, { PALYRA_TOKEN_FILE: file });
      assert.deepEqual([fromFile.credential, fromFile.options.token], ['PALYRA_TOKEN_FILE', 'plt_file']);
      for (const bad of ['a b', 'a\r\nx: y', 'ü']) {
        const trying = findTarget({ context: 'nas' }, directories, { PALYRA_TOKEN: bad });
        await assert.rejects(trying, (error: Error & { reason?: string }) => {
          assert.equal(error.reason, 'USAGE_INVALID');
          return !error.message.includes(bad);
        });
      }
    });

    it('is always that of this machine for commands about it', () => {
      for (const id of ['daemon:stop', 'daemon:status', 'node:run', 'node:status', 'status'])
        assert.ok(isAboutThisMachine(id));
      for (const id of ['node:pair', 'nodes:list', 'whoami', 'events']) assert.ok(!isAboutThisMachine(id));
    });
  });
});
