import assert from 'node:assert/strict';
import { assertSocketPath, directoriesOf, type Machine } from '../../../src/lib/cli/directories.js';
import { resolveListen } from '../../../src/lib/base/listen-words.js';

const LINUX: Machine = { platform: 'linux', home: '/home/eva', user: 'eva' };

describe('directories', () => {
  it('are all below PALYRA_HOME when it is set, sockets included', () => {
    const paths = directoriesOf({ PALYRA_HOME: '/srv/p', XDG_STATE_HOME: '/elsewhere' }, LINUX);
    assert.deepEqual(paths, {
      config: '/srv/p/config',
      data: '/srv/p/data',
      daemonState: '/srv/p/state/daemon',
      nodeState: '/srv/p/state/node',
      credentials: '/srv/p/state/credentials',
      logs: '/srv/p/state/logs',
      socketPath: '/srv/p/run/daemon.sock',
      nodeSocketPath: '/srv/p/run/node.sock',
    });
  });

  it('follow the XDG base directories, and ignore empty and relative ones as its specification says', () => {
    const set = directoriesOf(
      { XDG_STATE_HOME: '/s', XDG_RUNTIME_DIR: '/run/user/1000', XDG_CONFIG_HOME: '/c' },
      LINUX,
    );
    assert.equal(set.daemonState, '/s/palyra/daemon');
    assert.equal(set.socketPath, '/run/user/1000/palyra/daemon.sock');
    assert.equal(set.config, '/c/palyra');
    const unset = directoriesOf({ PALYRA_HOME: '', XDG_STATE_HOME: 'relative', XDG_RUNTIME_DIR: '' }, LINUX);
    assert.equal(unset.daemonState, '/home/eva/.local/state/palyra/daemon');
    assert.equal(unset.socketPath, '/home/eva/.local/state/palyra/run/daemon.sock');
    assert.equal(unset.data, '/home/eva/.local/share/palyra');
  });

  it('use what macOS and Windows have', () => {
    const mac = directoriesOf({}, { ...LINUX, platform: 'darwin', home: '/Users/eva' });
    assert.equal(mac.nodeState, '/Users/eva/Library/Application Support/palyra/node');
    const windows = directoriesOf({ LOCALAPPDATA: 'C:\\L' }, { ...LINUX, platform: 'win32' });
    assert.equal(windows.socketPath, '\\\\.\\pipe\\palyra-eva-daemon');
  });

  it('find the socket of a service that has no session when we have one, and the other way round', () => {
    const env = { XDG_RUNTIME_DIR: '/run/user/1000' };
    const there = '/home/eva/.local/state/palyra/run/node.sock';
    const usual = '/run/user/1000/palyra/node.sock';
    assert.equal(directoriesOf(env, LINUX, (path) => path === there).nodeSocketPath, there);
    assert.equal(directoriesOf(env, LINUX, () => true).nodeSocketPath, usual);
    assert.equal(directoriesOf(env, LINUX, () => false).nodeSocketPath, usual);
    // The other way round: a user service has a session, a shell after su or a job has none.
    const seen = (path: string) => path === usual;
    assert.equal(directoriesOf({}, { ...LINUX, uid: 1000 }, seen).nodeSocketPath, usual);
    assert.equal(directoriesOf({}, { ...LINUX, uid: 1001 }, seen).nodeSocketPath, there);
    assert.equal(
      directoriesOf({ PALYRA_HOME: '/srv/p' }, LINUX, (path) => path !== '/srv/p/run/node.sock').nodeSocketPath,
      '/srv/p/run/node.sock',
    );
  });

  it('refuse a socket path that the system would cut', () => {
    assert.doesNotThrow(() => assertSocketPath('/'.repeat(107), 'linux'));
    assert.throws(() => assertSocketPath('/'.repeat(108), 'linux'), { reason: 'SOCKET_PATH_TOO_LONG' });
    assert.throws(() => assertSocketPath('/'.repeat(104), 'darwin'), { reason: 'SOCKET_PATH_TOO_LONG' });
  });
});

describe('--listen', () => {
  const entry = (address: string, internal = false) =>
    ({ address, internal, family: 'IPv4', netmask: '', mac: '', cidr: null }) as never;
  const interfaces = { lo: [entry('127.0.0.1', true)], docker0: [entry('172.17.0.1')], eth0: [entry('192.168.1.20')] };

  it('is loopback by default, and lan is the first real address beside it', () => {
    assert.deepEqual(resolveListen(undefined, interfaces), ['127.0.0.1']);
    assert.deepEqual(resolveListen(['lan'], interfaces), ['192.168.1.20', '127.0.0.1']);
    assert.deepEqual(resolveListen(['10.0.0.1,::1', 'loopback'], interfaces), ['10.0.0.1', '::1', '127.0.0.1']);
  });

  it('refuses names, and lan where there is none', () => {
    assert.throws(() => resolveListen(['nas.lan'], interfaces), { reason: 'USAGE_INVALID' });
    assert.throws(() => resolveListen(['lan'], { lo: interfaces.lo }), { reason: 'ADDRESS_UNAVAILABLE' });
  });
});
