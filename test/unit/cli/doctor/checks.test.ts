import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { proxySettings } from '../../../../src/lib/cli/proxy.js';
import { proxyFinding } from '../../../../src/lib/cli/doctor/proxy-check.js';
import { WITHOUT_PROXY } from '../../../../src/lib/base/proxy.js';
import { systemClock } from '../../../../src/lib/base/clock.js';
import { createBundle, writeBundle } from '../../../../src/lib/cli/doctor/bundle.js';
import { deepChecks } from '../../../../src/lib/cli/deep/deep-checks.js';
import { examine, type Check, type Finding } from '../../../../src/lib/cli/doctor/check.js';
import {
  certificateFinding,
  daemonChecks,
  fleetChecks,
  skewFinding,
} from '../../../../src/lib/cli/doctor/daemon-checks.js';
import { doctorSummary } from '../../../../src/lib/cli/doctor/doctor-report.js';
import { machineChecks, versionFinding } from '../../../../src/lib/cli/doctor/machine-checks.js';
import { nodeChecks } from '../../../../src/lib/cli/doctor/node-checks.js';
import { udpCheck } from '../../../../src/lib/cli/doctor/udp-check.js';
import { directoriesOf } from '../../../../src/lib/cli/directories.js';
import { temporaryDirectory } from '../../../support/temporary.js';

const check = (id: string, run: (signal: AbortSignal) => Promise<Finding>): Check => ({ id, run });

describe('doctor', () => {
  it('keeps checks apart: one that hangs and one that throws are told, and the others have their answers', async () => {
    let aborted = false;
    const results = await examine(
      [
        check('a.hangs', (signal) => {
          signal.addEventListener('abort', () => (aborted = true));
          return new Promise(() => undefined);
        }),
        check('b.throws', () => {
          throw new Error('boom');
        }),
        check('c.rejects', () => Promise.reject(new Error('bang'))),
        check('d.works', async () => ({ status: 'pass', detail: 'fine' })),
      ],
      systemClock,
      50,
    );
    assert.deepEqual(
      results.map(({ id, status, detail }) => `${id} ${status} ${detail}`),
      [
        'a.hangs warn a.hangs: there was no answer within 0.05 s',
        'b.throws warn b.throws could not be checked: boom',
        'c.rejects warn c.rejects could not be checked: bang',
        'd.works pass fine',
      ],
    );
    assert.ok(aborted, 'the one that hangs is told to stop');
    assert.equal(results[3]?.docs, 'docs/doctor.md#dworks');
    assert.equal(doctorSummary(results).split('   ')[0], '0 problems, 3 warnings.');
  });

  it('explains every check in docs/doctor.md, and no other', () => {
    const unused = undefined as never;
    const client = { showNode: () => Promise.reject(new Error('unused')) } as never;
    const ids = [
      ...machineChecks({
        directories: unused,
        version: '1',
        nodeVersion: 'v22',
        proxy: async () => WITHOUT_PROXY,
        exceptions: async () => [],
        pairing: unused,
        plugins: unused,
      }),
      ...daemonChecks({ client, version: '1', pairing: unused, proxy: async () => WITHOUT_PROXY }),
      ...nodeChecks({ service: unused } as never),
      ...fleetChecks(client, 'x'),
      udpCheck(unused),
      ...deepChecks({} as never),
    ].map(({ id }) => id);
    const text = readFileSync(fileURLToPath(new URL('../../../../docs/doctor.md', import.meta.url)), 'utf8');
    const explained = [...text.matchAll(/^### (\S+)$/gm)].map((match) => match[1]);
    assert.deepEqual(explained.sort(), ids.sort());
  });

  it('knows what a wrong clock, an old Node and an old certificate mean', () => {
    assert.equal(skewFinding(300).detail, 'clock within 1 s of the daemon');
    assert.equal(skewFinding(-40_000).status, 'warn');
    assert.match(skewFinding(-40_000).detail, /40 s behind/);
    assert.equal(skewFinding(6 * 60_000).status, 'fail');
    assert.equal(versionFinding('1.0.0', 'v20.18.9').status, 'fail');
    assert.equal(versionFinding('1.0.0', 'v20.19.0').status, 'pass');
    assert.equal(versionFinding('1.0.0', 'v24.0.0').status, 'pass');
    assert.deepEqual(
      [60, 13, -1].map((days) => certificateFinding(days, 'it').status),
      ['pass', 'warn', 'fail'],
    );
  });

  it('reads NO_PROXY as programs do, and never shows a proxy', () => {
    const proxy = 'http://eva:canary@proxy:3128';
    const endpoint = 'https://nas.lan:7443';
    const of = (list: string) =>
      proxyFinding(proxySettings({ HTTPS_PROXY: proxy, NO_PROXY: list }, null), endpoint, ['a.b']);
    assert.equal(proxyFinding(proxySettings({ HTTPS_PROXY: '' }, null), endpoint).status, 'pass');
    assert.deepEqual(
      ['', 'other.lan', 'nas.lan', '.lan', '*.lan', '*', 'nas.lan:7443', 'as.lan'].map((list) => of(list).status),
      ['warn', 'warn', 'pass', 'pass', 'pass', 'pass', 'pass', 'warn'],
    );
    assert.doesNotMatch(JSON.stringify(of('')), /canary/);
    assert.equal(proxyFinding(proxySettings({ https_proxy: proxy }, null), 'https://[fd7a::1]:7443').status, 'warn');
    const { detail, fix } = of('') as { detail: string; fix?: string };
    assert.equal(
      detail,
      'HTTPS_PROXY is set; nas.lan is not in NO_PROXY: it is reached through the proxy http://proxy:3128',
    );
    assert.equal(fix, 'palyra config set network.no_proxy a.b nas.lan');
  });

  describe('on a machine', () => {
    const home = temporaryDirectory();
    const checks = () => {
      const directories = directoriesOf({ PALYRA_HOME: home() });
      const pairing = async () => null;
      const failed = [{ plugin: 'palyra-plugin-gpio', message: 'needs palyra 0.5' }];
      const all = machineChecks({
        directories,
        version: '1.0.0',
        nodeVersion: 'v22.0.0',
        proxy: async () => WITHOUT_PROXY,
        exceptions: async () => [],
        pairing,
        plugins: async () => ({ failures: failed, waiting: [] }),
      });
      const one = async (id: string) =>
        (
          await examine(
            all.filter((each) => each.id === id),
            systemClock,
          )
        )[0]!;
      return { directories, one };
    };

    it('finds a state directory that others can enter, and narrows it', async function () {
      if (process.platform === 'win32') this.skip();
      const { directories, one } = checks();
      mkdirSync(directories.nodeState, { recursive: true });
      chmodSync(directories.nodeState, 0o755);
      const found = await one('state.permissions');
      assert.equal(found.status, 'fail');
      assert.match(found.fix ?? '', /^chmod 700 /);
      await found.repair?.();
      assert.equal(statSync(directories.nodeState).mode & 0o777, 0o700);
      assert.equal((await one('state.permissions')).status, 'pass');
      assert.equal((await one('state.disk')).status, 'pass');
    });

    it('finds the socket of a process that died, not that of one that lives', async function () {
      if (process.platform === 'win32') this.skip();
      const { directories, one } = checks();
      mkdirSync(join(home(), 'run'));
      const server = createServer((socket) => socket.end());
      await new Promise<void>((resolve) => server.listen(directories.nodeSocketPath, resolve));
      assert.equal((await one('state.leftovers')).status, 'pass');
      await new Promise((resolve) => server.close(resolve));
      writeFileSync(directories.nodeSocketPath, '');
      const found = await one('state.leftovers');
      assert.equal(found.status, 'warn', found.detail);
      await found.repair?.();
      assert.equal((await one('state.leftovers')).status, 'pass');
    });

    it('names a plugin that does not load', async () => {
      const found = await checks().one('plugins.capabilities');
      assert.equal(found.status, 'warn');
      assert.match(found.detail, /^plugin palyra-plugin-gpio failed to load: needs palyra 0\.5$/);
    });

    it('writes a report without secrets, in no spelling of a log, and never over another file', async () => {
      const log = join(home(), 'node.log');
      const pem = '-----BEGIN PRIVATE KEY-----\ncanary-first-line\ncanary-second-line\n-----END PRIVATE KEY-----';
      const lines = [
        JSON.stringify({
          time: 't',
          level: 'info',
          scope: 's',
          msg: 'joining https://nas:7443/j/CANARYCANARY-0000',
          token: 'canary-1',
        }),
        JSON.stringify({
          time: 't',
          level: 'info',
          scope: 's',
          msg: 'm',
          deep: { inviteCode: 'canary-2', kept: 'yes' },
        }),
        JSON.stringify({ time: 't', level: 'error', scope: 's', msg: pem }),
        `crash with ${pem}`,
        'proxy http://eva:canary-3@proxy:3128 refused',
      ];
      writeFileSync(log, `${lines.join('\n')}\n`);
      const unit = join(home(), 'palyra-node.service');
      writeFileSync(unit, 'Environment=HTTPS_PROXY=http://eva:canary-4@proxy:3128\nExecStart="/bin/palyra-node"\n');
      const path = join(home(), 'report.json.gz');
      const facts = { password: 'canary-5', services: { node: { unit, link: 'https://nas/j/canarycanary' } } };
      await writeBundle(
        path,
        await createBundle(path, { facts, checks: [{ detail: pem }], files: [unit], logs: { node: log } }),
      );
      const text = gunzipSync(readFileSync(path)).toString();
      assert.doesNotMatch(text, /canary/i);
      const report = JSON.parse(text);
      assert.equal(report.logs.node[1].deep.kept, 'yes');
      assert.match(report.files[unit], /ExecStart/);
      assert.equal(statSync(path).mode & 0o777, process.platform === 'win32' ? 0o666 : 0o600);
      await assert.rejects(writeBundle(path, Buffer.from('')), { reason: 'USAGE_INVALID' });
    });
  });
});
