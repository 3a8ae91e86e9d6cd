/** The log of a machine, asked for from elsewhere: only once its own user has switched that on, never more than was asked for, never a secret. */
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { Sandbox, type Document } from '../support/palyra.js';

describe('system.logs', function () {
  this.timeout(120_000);
  let sandbox: Sandbox;
  let log: string;

  const ask = (...words: string[]) => sandbox.json(['nodes', 'invoke', 'pi', 'system.logs', ...words]);
  const line = (record: object) => appendFileSync(log, `${JSON.stringify(record)}\n`);

  before(async () => {
    sandbox = new Sandbox();
    await sandbox.startDaemon();
    log = join(sandbox.home('pi'), 'state', 'logs', 'node.log');
    const { link } = await sandbox.invite(['--name', 'pi']);
    // As a service starts it.
    const node = sandbox.spawn(['node', 'run', link, '--log-file', log], { home: 'pi', timeoutMs: Infinity });
    await node.line(/^● Online/m);
  });
  after(() => sandbox.dispose());

  it('is not offered until it is switched on at the machine and granted', async () => {
    const { node } = (await sandbox.json(['nodes', 'show', 'pi'])).document;
    assert.ok(!node.capabilities.includes('system.logs'));
    assert.equal((await ask()).document.error.code, 'CAPABILITY_NOT_FOUND');
    const off = await sandbox.json(['nodes', 'logs', 'pi']);
    assert.deepEqual([off.code, off.document.error.code], [3, 'CAPABILITY_NOT_FOUND']);
    assert.match(off.document.error.hint, /At that machine: palyra node capabilities enable system\.logs/);
    const enabled = await sandbox.json(['node', 'capabilities', 'enable', 'system.logs'], { home: 'pi' });
    assert.equal(enabled.code, 0, JSON.stringify(enabled.document));
    const request = await eventually(async () => {
      const { requests } = (await sandbox.json(['approvals', 'list'])).document;
      return requests.find(({ wants }: Document) => wants.includes('system.logs'));
    }, 'it waits for a grant');
    const waiting = await sandbox.json(['nodes', 'logs', 'pi']);
    assert.deepEqual([waiting.code, waiting.document.error.code], [7, 'CAPABILITY_NOT_GRANTED']);
    assert.match(waiting.document.error.hint, /palyra nodes grant pi system\.logs/);
    assert.equal((await sandbox.run(['approvals', 'approve', request.id])).code, 0);
  });

  it('gives the last records that were asked for, oldest first', async () => {
    const { code, document } = await ask();
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    const { entries, truncated } = document.dispatch.output;
    assert.equal(truncated, false);
    assert.ok(entries.length > 0, 'the node has logged its own start');
    for (let index = 0; index < 5; index++) {
      line({
        time: new Date().toISOString(),
        level: index === 3 ? 'warn' : 'info',
        scope: 'test',
        msg: `entry ${index}`,
      });
    }
    const last = (await ask('lines=2')).document.dispatch.output;
    assert.deepEqual([last.entries.map(({ msg }: Document) => msg), last.truncated], [['entry 3', 'entry 4'], true]);
    const asked = await sandbox.json(['nodes', 'logs', 'pi', '-n', '2']);
    assert.equal(asked.code, 0, JSON.stringify(asked.document));
    assertDocument(asked.document);
    assert.deepEqual([asked.document.entries, asked.document.truncated], [last.entries, true]);
    const people = await sandbox.run(['nodes', 'logs', 'pi', '--tail', '3', '--level', 'warn']);
    assert.equal(people.code, 0);
    assert.match(people.stdout, /^\d\d:\d\d:\d\d warn {2}test {6}entry 3$/m);
    assert.doesNotMatch(people.stdout, /entry 4/);
    const warnings = (await ask('level=warn')).document.dispatch.output;
    assert.ok(warnings.entries.some(({ msg }: Document) => msg === 'entry 3'));
    assert.ok(!warnings.entries.some(({ level }: Document) => level === 'info'));
  });

  it('never gives out debug records, nor what looks like a secret, also in lines that no log wrote', async () => {
    const now = new Date().toISOString();
    line({ time: now, level: 'debug', scope: 'plugin', msg: 'printed by a plugin' });
    line({
      time: now,
      level: 'error',
      scope: 'x',
      msg: 'failed',
      password: 'hunter2',
      at: 'https://h:7443/j/K7QF2M9D4TXW',
    });
    appendFileSync(log, 'Error: cannot reach https://eva:hunter2@proxy.example/\n');
    const { output } = (await ask('lines=3')).document.dispatch;
    const text = JSON.stringify(output);
    assert.doesNotMatch(text, /printed by a plugin|hunter2|K7QF2M9D4TXW/);
    assert.deepEqual(
      output.entries.slice(-2).map(({ time, level, scope }: Document) => [time === null, level, scope]),
      [
        [false, 'error', 'x'],
        [true, 'error', 'runtime'],
      ],
    );
  });

  it('stays small however large the log is', async () => {
    const record = { time: new Date().toISOString(), level: 'info', scope: 'x', msg: 'x'.repeat(1_000) };
    for (let index = 0; index < 400; index++) line(record);
    const { output } = (await ask('lines=1000')).document.dispatch;
    assert.equal(output.truncated, true);
    assert.ok(output.entries.length > 10 && JSON.stringify(output).length < 80_000);
  });
});
