import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { directoriesOf } from '../../../src/lib/cli/directories.js';
import { proxySettings, readProxySettings, throughProxy } from '../../../src/lib/cli/proxy.js';
import { loadSettings } from '../../../src/lib/cli/settings.js';
import { temporaryDirectory } from '../../support/temporary.js';

describe('the proxy that is set', () => {
  const home = temporaryDirectory();
  const url = 'https://nas.lan:7443';

  it('is that of the environment, unless the host is excepted', () => {
    const cases: [Record<string, string>, string | null][] = [
      [{}, null],
      [{ HTTPS_PROXY: 'http://p:3128' }, 'http://p:3128'],
      [{ ALL_PROXY: 'p:3128' }, 'p:3128'],
      [{ all_proxy: 'p:1', HTTPS_PROXY: 'p:2' }, 'p:2'],
      [{ HTTPS_PROXY: 'http://up:1', https_proxy: 'http://low:1' }, 'http://low:1'],
      [{ HTTPS_PROXY: 'http://p:1', NO_PROXY: '*' }, null],
      [{ HTTPS_PROXY: 'http://p:1', no_proxy: 'x.y, .lan' }, null],
      [{ HTTPS_PROXY: 'http://p:1', NO_PROXY: 'x.y' }, 'http://p:1'],
      [{ HTTP_PROXY: 'http://p:1' }, null],
      [{ HTTPS_PROXY: '' }, null],
    ];
    for (const [env, proxy] of cases)
      assert.equal(throughProxy(url, proxySettings(env, null)).proxy ?? null, proxy, JSON.stringify(env));
    for (const host of ['127.0.0.1', 'localhost', '[::1]'])
      assert.deepEqual(throughProxy(`https://${host}:7443`, proxySettings({ HTTPS_PROXY: 'http://p:1' }, null)), {});
  });

  it('is that of config.toml otherwise; exceptions of both add up; what is shown has no password', async () => {
    const env = { PALYRA_HOME: home() };
    const directories = directoriesOf(env);
    mkdirSync(directories.config, { recursive: true });
    const file = '[network]\nhttps_proxy = "http://eva:canary@p:3128"\nno_proxy = ["nas.lan"]\nproxy_loopback = true\n';
    writeFileSync(join(directories.config, 'config.toml'), file);
    assert.deepEqual(await readProxySettings(directories, { ...env, NO_PROXY: 'a.b' }), {
      url: 'http://eva:canary@p:3128',
      source: 'network.https_proxy',
      noProxy: ['a.b', 'nas.lan'],
      loopback: true,
    });
    assert.equal((await readProxySettings(directories, { ...env, ALL_PROXY: 'q:1' })).url, 'q:1');
    const settings = await loadSettings(directories, env);
    assert.equal(settings.get('network.https_proxy').value, 'http://…@p:3128');
    assert.doesNotMatch(JSON.stringify(settings.list()), /canary/);
  });
});
