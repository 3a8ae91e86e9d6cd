import assert from 'node:assert/strict';
import type { PalyraError } from '../../../src/lib/base/errors.js';
import { isExcepted, Proxy, proxyFor, withoutPassword, WITHOUT_PROXY } from '../../../src/lib/base/proxy.js';

describe('the rules of proxies', () => {
  it('NO_PROXY, row by row', () => {
    const rows: readonly [entry: string, host: string, port: number, excepted: boolean][] = [
      ['nas.lan', 'nas.lan', 7443, true],
      ['NAS.lan', 'nas.LAN', 7443, true],
      ['nas.lan', 'nas.lan.', 7443, true],
      ['nas.lan', 'other.lan', 7443, false],
      ['nas.lan', 'eu.nas.lan', 7443, true],
      ['nas.lan', 'mynas.lan', 7443, false],
      ['.lan', 'nas.lan', 7443, true],
      ['.lan', 'lan', 7443, true],
      ['*.lan', 'nas.lan', 7443, true],
      ['lan', 'nas.lan', 7443, true],
      ['.', 'nas.lan', 7443, false],
      ['nas.lan:7443', 'nas.lan', 7443, true],
      ['nas.lan:7443', 'nas.lan', 7444, false],
      ['.lan:7444', 'nas.lan', 7444, true],
      ['192.168.1.20', '192.168.1.20', 7443, true],
      ['192.168.1.2', '192.168.1.20', 7443, false],
      ['168.1.20', '192.168.1.20', 7443, false],
      ['192.168.0.0/16', '192.168.1.20', 7443, true],
      ['192.168.0.0/16', '192.169.1.20', 7443, false],
      ['192.168.0.0/33', '192.168.0.0', 7443, false],
      ['10.0.0.0/8', 'nas.lan', 7443, false],
      ['0.0.0.0/0', '8.8.8.8', 7443, true],
      ['fd7a::1', 'fd7a::1', 7443, true],
      ['[fd7a::1]', 'fd7a:0:0::1', 7443, true],
      ['[fd7a::1]:7443', 'fd7a::1', 7443, true],
      ['[fd7a::1]:7443', 'fd7a::1', 7444, false],
      ['fd00::/8', 'fd7a::1', 7443, true],
      ['fd00::/8', 'fe80::1', 7443, false],
      ['fd00::/8', '10.0.0.1', 7443, false],
      ['*', 'anything', 1, true],
      ['', 'nas.lan', 7443, false],
    ];
    for (const [entry, host, port, excepted] of rows)
      assert.equal(isExcepted(['unrelated.example', entry], { host, port }), excepted, `${entry} ${host}:${port}`);
  });

  it('never sends loopback through it, unless that is asked for', () => {
    const settings = { ...WITHOUT_PROXY, url: 'http://proxy:3128' };
    for (const host of ['localhost', 'db.localhost', '127.0.0.1', '127.9.9.9', '::1', '0:0::1']) {
      assert.equal(proxyFor(settings, { host, port: 7443 }), null, host);
      assert.notEqual(proxyFor({ ...settings, loopback: true }, { host, port: 7443 }), null, host);
    }
    assert.equal(proxyFor(settings, { host: 'nas.lan', port: 7443 })?.shown, 'http://proxy:3128');
    assert.equal(proxyFor({ ...settings, noProxy: ['.lan'] }, { host: 'nas.lan', port: 7443 }), null);
    assert.equal(proxyFor(WITHOUT_PROXY, { host: 'nas.lan', port: 7443 }), null);
  });

  it('reads what people write, and shows it without the password', () => {
    const rows: readonly [url: string, shown: string, authorization: string | null][] = [
      ['proxy:3128', 'http://proxy:3128', null],
      ['http://proxy', 'http://proxy:80', null],
      ['https://proxy', 'https://proxy:443', null],
      ['HTTP://Proxy:8080/', 'http://proxy:8080', null],
      ['http://[fd7a::1]:3128', 'http://[fd7a::1]:3128', null],
      ['http://eva:p%40ss@proxy:3128', 'http://proxy:3128', 'eva:p@ss'],
      ['http://eva@proxy:3128', 'http://proxy:3128', 'eva:'],
    ];
    for (const [url, shown, login] of rows) {
      const proxy = new Proxy(url);
      assert.equal(proxy.shown, shown);
      assert.equal(proxy.authorization(), login === null ? null : `Basic ${Buffer.from(login).toString('base64')}`);
      assert.doesNotMatch(JSON.stringify({ proxy }) + String(Object.entries(proxy)), /eva|p@ss|p%40/);
    }
  });

  it('refuses what is no HTTP proxy without repeating it, but only for what would go through it', () => {
    for (const url of ['socks5://eva:canary@proxy:1080', 'http://eva:%zz@proxy', 'http://:::canary', 'http://']) {
      assert.throws(
        () => proxyFor({ ...WITHOUT_PROXY, url, source: 'ALL_PROXY' }, { host: 'nas.lan', port: 1 }),
        (error: PalyraError) => error.reason === 'PROXY_UNUSABLE' && !/canary|%zz/.test(error.message),
        url,
      );
      assert.equal(proxyFor({ ...WITHOUT_PROXY, url, noProxy: ['nas.lan'] }, { host: 'nas.lan', port: 1 }), null);
    }
  });

  it('takes the password out of any text that a URL may be', () => {
    const rows: readonly [string, string][] = [
      ['http://proxy:3128', 'http://proxy:3128'],
      ['http://eva:canary@proxy:3128', 'http://…@proxy:3128'],
      ['eva:canary@proxy:3128', '…@proxy:3128'],
      ['http://eva:can@ary@proxy:3128', 'http://…@proxy:3128'],
      ['http://eva:can/ary@proxy:3128', 'http://…@proxy:3128'],
    ];
    for (const [url, shown] of rows) assert.equal(withoutPassword(url), shown);
  });
});
