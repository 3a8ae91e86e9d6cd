import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launchAgent, launchLabel } from '../../../../src/lib/cli/service/launch-agent.js';
import { scheduledTask } from '../../../../src/lib/cli/service/scheduled-task.js';
import { serviceSpec, type ServiceSpec } from '../../../../src/lib/cli/service/service-spec.js';
import { systemdUnit, type UnitOptions } from '../../../../src/lib/cli/service/systemd-unit.js';
import { keptVariables, type WrapperPlan } from '../../../../src/lib/cli/service/wrapper-plan.js';
import { powershellWrapper } from '../../../../src/lib/cli/service/wrapper-ps1.js';
import { shellWrapper } from '../../../../src/lib/cli/service/wrapper-sh.js';

const GOLDEN = fileURLToPath(new URL('../../../fixtures/service-texts/', import.meta.url));

const LINUX = serviceSpec({
  role: 'node',
  data: '/home/eva/.local/share/palyra',
  logs: '/home/eva/.local/state/palyra/logs',
  home: null,
  platform: 'linux',
});
const MAC: ServiceSpec = {
  ...LINUX,
  wrapper: '/Users/eva/.local/share/palyra/bin/palyra-node',
  log: '/Users/eva/Library/Application Support/palyra/logs/node.log',
};
const WINDOWS: ServiceSpec = {
  ...LINUX,
  wrapper: 'C:\\Users\\Eva & Co\\AppData\\Local\\palyra\\bin\\palyra-node.ps1',
  log: 'C:\\Users\\Eva & Co\\AppData\\Local\\palyra\\state\\logs\\node.log',
};
const PLAN: WrapperPlan = {
  role: 'node',
  node: '/home/eva/.nvm/versions/node/v20.19.0/bin/node',
  entry: '/home/eva/.nvm/versions/node/v20.19.0/lib/node_modules/palyra/bin/run.js',
  words: ['node', 'run', '--log-file', LINUX.log, '--quiet'],
  environment: { XDG_STATE_HOME: '/home/eva/.local/state' },
  endsQuietlyWhenFinal: false,
};

const USER: UnitOptions = { user: null, tellsReady: true };

describe('the texts of services', () => {
  const texts: Readonly<Record<string, string>> = {
    'palyra-node.service': systemdUnit(LINUX, USER),
    'palyra-node.exec.service': systemdUnit(LINUX, { ...USER, tellsReady: false }),
    'palyra-node.system.service': systemdUnit(LINUX, { ...USER, user: 'eva' }),
    'palyra-daemon.service': systemdUnit(
      { ...LINUX, role: 'daemon', wrapper: '/home/eva/.local/share/palyra/bin/palyra-daemon' },
      USER,
    ),
    'palyra-node.plist': launchAgent(MAC),
    'palyra-node.xml': scheduledTask(WINDOWS, 'DESK\\eva'),
    'palyra-node.sh': shellWrapper(PLAN),
    'palyra-node.launchd.sh': shellWrapper({ ...PLAN, endsQuietlyWhenFinal: true }),
    'palyra-node.ps1': powershellWrapper({ ...PLAN, node: 'C:\\Program Files\\nodejs\\node.exe' }, WINDOWS.log),
  };

  for (const [name, text] of Object.entries(texts)) {
    it(`${name} is the one that was agreed on (PALYRA_TEST_UPDATE=1 writes it)`, () => {
      const file = join(GOLDEN, name);
      if (process.env['PALYRA_TEST_UPDATE'] === '1') writeFileSync(file, text);
      assert.equal(text, readFileSync(file, 'utf8'));
    });
  }

  it('a person who must act is not helped by a restart: 78 ends the service everywhere', () => {
    assert.match(texts['palyra-node.service']!, /^Restart=on-failure$[\s\S]*^RestartPreventExitStatus=78$/m);
    assert.match(texts['palyra-node.launchd.sh']!, /\[ "\$code" -eq 78 \] && exit 0/);
    assert.match(texts['palyra-node.ps1']!, /-eq 78\) \{ exit/);
  });

  it('wait for READY only where the service can tell it; then a daemon that stands still is killed, and leaves no core file', () => {
    assert.match(
      texts['palyra-daemon.service']!,
      /^Type=notify\nNotifyAccess=all\nTimeoutStartSec=\d+\nWatchdogSec=120$/m,
    );
    assert.match(texts['palyra-daemon.service']!, /^WatchdogSignal=SIGKILL$/m);
    assert.match(texts['palyra-node.system.service']!, /^Type=notify$/m);
    assert.match(texts['palyra-node.exec.service']!, /^Type=exec$/m);
    assert.doesNotMatch(texts['palyra-node.exec.service']!, /Notify|Watchdog/);
  });

  it('quote what a path can hold, and refuse what no unit can', () => {
    const odd = { ...LINUX, wrapper: '/home/e v"a/100%/$HOME/\\n/palyra-node', log: '/var/50%/node.log' };
    const unit = systemdUnit(odd, USER);
    assert.match(unit, /^ExecStart="\/home\/e v\\"a\/100%%\/\$\$HOME\/\\\\n\/palyra-node"$/m);
    assert.match(unit, /^StandardError=append:\/var\/50%%\/node\.log$/m);
    assert.match(launchAgent({ ...MAC, log: '/a<b>&c' }), /<string>\/a&lt;b&gt;&amp;c<\/string>/);
    const options = { role: 'node', logs: '/l', home: null, platform: 'linux' } as const;
    assert.throws(() => serviceSpec({ ...options, data: '/home/a\nExecStartPre=/bin/evil' }), {
      reason: 'CONFIG_INVALID',
    });
    assert.throws(() => shellWrapper({ ...PLAN, node: '/bin/node\n' }), { reason: 'CONFIG_INVALID' });
  });

  it('tell instances with another home apart', () => {
    const of = (home: string | null) =>
      serviceSpec({ role: 'node', data: '/d', logs: '/l', home, platform: 'linux' }).name;
    assert.equal(of(null), 'palyra-node');
    assert.match(of('/srv/a'), /^palyra-node-[0-9a-f]{8}$/);
    assert.notEqual(of('/srv/a'), of('/srv/b'));
    assert.equal(launchLabel(LINUX), 'dev.palyra.node');
  });

  it('take only variables that are paths: no link, no token and no proxy with its password', () => {
    const env = {
      PALYRA_HOME: '/srv/p',
      XDG_STATE_HOME: '',
      XDG_RUNTIME_DIR: '/run/user/1000',
      HTTPS_PROXY: 'http://eva:canary-proxy@proxy:3128',
      PALYRA_INVITE: 'canary-invite',
      PALYRA_TOKEN: 'canary-token',
    };
    assert.deepEqual(keptVariables(env), { PALYRA_HOME: '/srv/p' });
  });

  it('systemd itself finds nothing wrong with the units', function () {
    if (!existsSync('/usr/bin/systemd-analyze')) this.skip();
    this.timeout(30_000);
    const directory = mkdtempSync(join(tmpdir(), 'palyra-unit-'));
    try {
      const kinds = [null, 'root'].flatMap((user) => [true, false].map((tellsReady) => ({ user, tellsReady })));
      for (const options of kinds) {
        const unit = join(directory, 'palyra-node.service');
        // The daemon's has every key.
        writeFileSync(unit, systemdUnit({ ...LINUX, role: 'daemon', wrapper: '/bin/true' }, options));
        const { status, stderr } = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' });
        // Keys it does not know are only mentioned.
        assert.doesNotMatch(stderr, /palyra-node\.service/);
        assert.equal(status, 0, stderr);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
