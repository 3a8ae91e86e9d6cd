/** What a process that outlives its shell gets of it. */
import assert from 'node:assert/strict';
import { backgroundEnvironment } from '../../../src/lib/cli/background-environment.js';
import { VARIABLES } from '../../../src/lib/cli/environment.js';

describe('the environment of a background process', () => {
  const linux = { platform: 'linux', cwd: '/srv' } as const;

  it('is what is listed, and nothing else', () => {
    const kept = {
      HOME: '/home/eva',
      PATH: '/usr/bin',
      LC_TIME: 'de_AT.UTF-8',
      XDG_RUNTIME_DIR: '/run/user/1000',
      WAYLAND_DISPLAY: 'wayland-0',
      NODE_EXTRA_CA_CERTS: '/etc/ca.pem',
      PALYRA_LOG_LEVEL: 'debug',
    };
    const dropped = {
      HTTPS_PROXY: 'http://eva:secret@proxy:1',
      https_proxy: 'http://eva:secret@proxy:1',
      AWS_SECRET_ACCESS_KEY: 'x',
      SSH_AUTH_SOCK: '/tmp/agent',
      PALYRA_TOKEN: 'x',
      PALYRA_ANYTHING_NEW: 'x',
      home: '/elsewhere',
    };
    assert.deepEqual(backgroundEnvironment({ ...kept, ...dropped }, linux), kept);
  });

  it('has of the variables of palyra none that is a secret, and none that is about one command', () => {
    const all = Object.fromEntries(VARIABLES.map((name) => [name, '/x']));
    assert.deepEqual(Object.keys(backgroundEnvironment(all, linux)).sort(), [
      'PALYRA_CAPABILITY_MODULES',
      'PALYRA_CONFIG',
      'PALYRA_HOME',
      'PALYRA_LOG_FORMAT',
      'PALYRA_LOG_LEVEL',
      'PALYRA_NODE_NAME',
      'PALYRA_NO_PLUGINS',
      'PALYRA_TRANSPORT',
    ]);
  });

  it('names the same files from another directory', () => {
    const { PALYRA_HOME, PALYRA_CONFIG } = backgroundEnvironment({ PALYRA_HOME: 'x', PALYRA_CONFIG: '/c.toml' }, linux);
    assert.deepEqual([PALYRA_HOME, PALYRA_CONFIG], ['/srv/x', '/c.toml']);
  });

  it('is what a program needs on Windows, in whatever case', () => {
    const env = { SystemRoot: 'C:\\Windows', Path: 'C:\\bin', 'ProgramFiles(x86)': 'C:\\p', GITHUB_TOKEN: 'x' };
    const { GITHUB_TOKEN: _, ...kept } = env;
    assert.deepEqual(backgroundEnvironment(env, { platform: 'win32', cwd: 'C:\\' }), kept);
  });
});
