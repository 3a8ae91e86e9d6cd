/** Certificates near their end, told everywhere by a daemon whose clock is moved on by hand: status, doctor, log and audit log. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { ShiftedClock } from '../support/access.js';
import { assertDocument } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { linesOf } from '../support/log-lines.js';
import { Sandbox } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';
import { ask, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { pairTestNode } from '../support/test-node.js';

const DAY_MS = 86_400_000;

describe('certificates near their end', function () {
  this.timeout(60_000);
  stepByStep(this);
  const clock = new ShiftedClock();
  const { log, lines } = linesOf();
  let sandbox: Sandbox;
  let target: TestDaemon;
  let client: ControlPlaneClient;

  before(async () => {
    sandbox = new Sandbox();
    const run = join(sandbox.home('here'), 'run');
    mkdirSync(run, { recursive: true, mode: 0o700 });
    const { version } = JSON.parse((await sandbox.run(['version', '--json'])).stdout);
    target = await startTestDaemon({ socketPath: join(run, 'daemon.sock'), version }, { clock, log });
    client = new ControlPlaneClient({ socketPath: target.socketPath });
  });
  after(async () => {
    await sandbox.dispose();
    await client?.close();
    await target?.dispose();
  });

  const alarms = async () => (await client.daemonStatus()).alarms.map(({ code, level }) => `${code} ${level}`);
  const status = () => sandbox.json(['daemon', 'status'], { home: 'here' });
  const doctor = async () => {
    const { document } = await sandbox.json(['doctor'], { home: 'here' });
    return document.checks.find(({ id }: { id: string }) => id === 'daemon.local');
  };
  const told = (text: string) => lines.filter((line) => line.includes(text)).length;
  const audited = async () => {
    const { json } = await ask(target, { path: '/v1/audit?limit=100' });
    return JSON.stringify(json).split('certificate.ending').length - 1;
  };
  /** To so many days before the end of the CA. */
  const beforeTheEnd = async (days: number) => {
    const { ca } = await client.daemonStatus();
    clock.advance(Date.parse(ca.notAfter) - clock.now() - days * DAY_MS);
  };

  it('are none at first', async () => {
    const { code, document } = await status();
    assert.equal(code, 0);
    assertDocument(document);
    assert.deepEqual([document.alarms, document.warnings], [[], []]);
    assert.equal((await doctor()).status, 'pass');
  });

  it('of nodes that did not renew theirs are named, from 14 days before it ends until it cannot be renewed', async () => {
    await pairTestNode(target, { name: 'pi-lab' });
    await pairTestNode(target, { name: 'attic' });
    clock.advance(70 * DAY_MS);
    assert.deepEqual(await alarms(), [], '20 days are left, time enough');
    clock.advance(7 * DAY_MS);
    assert.deepEqual(await alarms(), ['node-certificates-ending 30']);
    const { document } = await status();
    assertDocument(document);
    const expected = /^not renewed in time: the certificate of (pi-lab, attic|attic, pi-lab); the first ends in 12 d/;
    assert.match(document.alarms[0].message, expected);
    assert.match(document.warnings[0], expected);
    await eventually(() => told('not renewed in time') === 1, 'the log says so');
    clock.advance(14 * DAY_MS);
    assert.deepEqual(await alarms(), ['node-certificates-ending 0']);
    clock.advance(30 * DAY_MS);
    assert.deepEqual(await alarms(), []);
  });

  it('are none while the server certificate renews itself in time', async () => {
    clock.advance(400 * DAY_MS);
    await eventually(async () => (await alarms()).length === 0, 'the server certificate was renewed');
  });

  it('of the CA are told at 30, 7 and 1 day, once a day in the log and once a level in the audit log', async () => {
    await beforeTheEnd(31);
    await eventually(async () => (await alarms()).length === 0, 'the server certificate was renewed');
    const before = await audited();
    const told30 = told('certificate authority of the daemon');
    assert.equal(told30, 0);
    const seen: string[] = [];
    for (const days of [29.5, 28, 6.5, 0.52]) {
      const count = told('certificate authority of the daemon');
      await beforeTheEnd(days);
      await eventually(() => told('certificate authority of the daemon') === count + 1, 'the log says so');
      seen.push(...(await alarms()));
    }
    assert.deepEqual(seen, ['ca-ending 30', 'ca-ending 30', 'ca-ending 7', 'ca-ending 1']);
    await eventually(async () => (await audited()) - before === 3, 'each level is in the audit log');
    const { code, stdout } = await sandbox.run(['daemon', 'status'], { home: 'here' });
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^! certificate {2}the certificate authority of the daemon ends in 12 h: palyra daemon rotate-ca$/m,
    );
    const { status: found, detail, fix } = await doctor();
    assert.deepEqual([found, fix], ['fail', 'palyra daemon rotate-ca']);
    assert.match(detail, /ends in 12 h$/);
  });

  it('end when what is said is done', async () => {
    assert.equal((await sandbox.run(['daemon', 'rotate-ca', '--overlap', '0s'], { home: 'here' })).code, 0);
    await eventually(async () => (await alarms()).length === 0, 'there is a new CA');
  });
});
