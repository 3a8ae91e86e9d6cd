import assert from 'node:assert/strict';
import {
  advertisedHosts,
  certificateHosts,
  DEFAULT_PORT,
  parseDaemonConfig,
  toAuthority,
  type DaemonOptions,
} from '../../../src/lib/daemon/config.js';
import { normalizeAddress, sourceKey } from '../../../src/lib/daemon/caller.js';

const REQUIRED: DaemonOptions = {
  stateDirectory: '/var/lib/x',
  socketPath: '/run/x/daemon.sock',
  ownerName: 'tester',
  daemonName: 'nas',
  version: '1.0.0',
};

describe('the configuration of a daemon', () => {
  it('listens on loopback and nowhere else unless told', () => {
    const config = parseDaemonConfig(REQUIRED);
    assert.deepEqual(config.listen, ['127.0.0.1']);
    assert.equal(config.port, DEFAULT_PORT);
    assert.deepEqual(advertisedHosts(config), ['127.0.0.1']);
  });

  it('does not change when it is parsed again', () => {
    const once = parseDaemonConfig({ ...REQUIRED, listen: ['0.0.0.0'], heartbeatMs: 500 });
    assert.deepEqual(parseDaemonConfig(once), once);
  });

  it('never sends others to loopback when it can be reached elsewhere', () => {
    const config = parseDaemonConfig({
      ...REQUIRED,
      listen: ['127.0.0.1', '192.168.1.20'],
      hosts: ['nas.lan', '127.0.0.1', '192.168.1.20'],
    });
    assert.deepEqual(advertisedHosts(config), ['nas.lan', '192.168.1.20']);
    assert.deepEqual(certificateHosts(config), ['nas.lan', '127.0.0.1', '192.168.1.20', 'localhost', '::1']);
  });

  it('puts no wildcard into certificates or links', () => {
    const config = parseDaemonConfig({ ...REQUIRED, listen: ['0.0.0.0'] });
    for (const hosts of [advertisedHosts(config), certificateHosts(config)]) assert.ok(!hosts.includes('0.0.0.0'));
  });

  it('refuses what cannot work and names it', () => {
    const wrong: [Partial<DaemonOptions>, string][] = [
      [{ listen: [] }, 'listen'],
      [{ listen: ['localhost'] }, 'listen'],
      [{ hosts: ['not a host'] }, 'hosts'],
      [{ port: -1 }, 'port'],
      [{ nodePort: 65_536 }, 'nodePort'],
      [{ consolePort: 1.5 }, 'consolePort'],
      [{ stateDirectory: 'relative' }, 'stateDirectory'],
      [{ socketPath: 'relative.sock' }, 'socketPath'],
      [{ ownerName: '' }, 'ownerName'],
      [{ daemonName: 'a\nb' }, 'daemonName'],
      [{ heartbeatMs: 1 }, 'heartbeatMs'],
    ];
    for (const [more, option] of wrong) {
      assert.throws(() => parseDaemonConfig({ ...REQUIRED, ...more }), {
        reason: 'CONFIG_INVALID',
        details: { option },
      });
    }
  });

  it('writes an IPv6 authority with brackets', () => {
    assert.equal(toAuthority('::1', 7443), '[::1]:7443');
    assert.equal(toAuthority('nas.lan', 7443), 'nas.lan:7443');
  });
});

describe('the source of a connection', () => {
  it('is an IPv4 address also on a dual-stack socket', () => {
    assert.equal(normalizeAddress('::ffff:10.0.0.1'), '10.0.0.1');
    assert.equal(sourceKey('10.0.0.1'), '10.0.0.1');
    assert.equal(normalizeAddress(undefined), 'unknown');
  });

  it('is a whole /64 for IPv6', () => {
    assert.equal(sourceKey('2001:db8:1:2:3::4'), sourceKey('2001:db8:1:2:ffff::1'));
    assert.notEqual(sourceKey('2001:db8:1:2::1'), sourceKey('2001:db8:1:3::1'));
    assert.equal(sourceKey('fe80::1%eth0'), sourceKey('fe80::2'));
  });
});
