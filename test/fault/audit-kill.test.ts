/** A daemon that is killed again and again while it changes things: nothing is in its state that its audit log does not tell, and the chain stays whole. */
import assert from 'node:assert/strict';
import type { AuditEntry } from '../../src/lib/base/audit-chain.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox } from '../support/palyra.js';
import { until } from '../support/until.js';

/** A campaign takes more. */
const KILLS = Number(process.env['PALYRA_KILLS'] ?? 3);
const AT_ONCE = 4;
const ENOUGH_WITHIN_MS = 60_000;

describe('the audit log under SIGKILL', function () {
  this.timeout(60_000 + KILLS * 60_000);
  let sandbox: Sandbox;
  before(() => (sandbox = new Sandbox()));
  after(() => sandbox.dispose());

  it('holds every change that was confirmed, and every one that was made', async () => {
    const daemon = await LiveDaemon.start(sandbox);
    const confirmed: string[] = [];
    for (let round = 0; round < KILLS; round++) {
      const workers = Array.from({ length: AT_ONCE }, () =>
        daemon
          .with(async (client) => {
            for (;;) confirmed.push((await client.createInvite({})).id);
          })
          .catch(() => undefined),
      );
      const enough = confirmed.length + 10 + 3 * round;
      await until(() => confirmed.length >= enough, undefined, ENOUGH_WITHIN_MS);
      await daemon.kill();
      await Promise.all(workers);
      await daemon.startAgain();
    }
    await daemon.with(async (client) => {
      const report = await client.verifyAudit();
      assert.ok(report.ok, JSON.stringify(report));
      const entries: AuditEntry[] = [];
      for await (const line of client.exportAudit()) entries.push(JSON.parse(line) as AuditEntry);
      const created = entries.filter(({ action }) => action === 'invites.create');
      const told = new Set(created.map(({ target }) => target['invite']));
      assert.deepEqual(
        confirmed.filter((id) => !told.has(id)),
        [],
      );
      const untold = (await client.listInvites()).filter(({ id }) => !told.has(id));
      const interrupted = created.filter(({ outcome }) => outcome === 'interrupted');
      assert.ok(untold.length <= interrupted.length, `${untold.length} invites, ${interrupted.length} interruptions`);
      assert.ok(interrupted.length <= KILLS * AT_ONCE);
      const requests = created.map(({ requestId }) => requestId);
      assert.equal(new Set(requests).size, requests.length, 'one entry a request');
    });
  });

  it('tells of every dispatch that is in the state, also of those that were accepted in the last moment', async () => {
    const home = 'with-node';
    const daemon = await LiveDaemon.start(sandbox, { home });
    await daemon.with(async (client) => {
      const { link } = await client.createInvite({ name: 'pi' });
      await sandbox.startNode('pi', [link]);
    });
    for (let round = 0; round < KILLS; round++) {
      let accepted = 0;
      const workers = Array.from({ length: AT_ONCE }, () =>
        daemon
          .with(async (client) => {
            for (;;) {
              await client.createDispatch('pi', {
                capability: 'echo',
                input: { n: accepted },
                wait: false,
                queueMs: 600_000,
              });
              accepted += 1;
            }
          })
          .catch(() => undefined),
      );
      await until(() => accepted >= 10 + 3 * round, undefined, ENOUGH_WITHIN_MS);
      await daemon.kill();
      await Promise.all(workers);
      await daemon.startAgain();
    }
    await daemon.with(async (client) => {
      assert.ok((await client.verifyAudit()).ok);
      const told: unknown[] = [];
      for await (const line of client.exportAudit()) {
        const { action, target } = JSON.parse(line) as AuditEntry;
        if (action === 'dispatches.create') told.push(target['dispatch']);
      }
      const kept: string[] = [];
      for (let cursor: string | undefined; ;) {
        const page = await client.listDispatches({ limit: 1000, ...(cursor === undefined ? {} : { cursor }) });
        kept.push(...page.dispatches.map(({ id }) => id));
        if (page.nextCursor === null) break;
        cursor = page.nextCursor;
      }
      assert.ok(kept.length >= 10 * KILLS);
      assert.deepEqual(
        kept.filter((id) => !told.includes(id)),
        [],
      );
      const entries = told.filter((id) => id !== undefined);
      assert.equal(new Set(entries).size, entries.length, 'one entry a dispatch');
    });
  });
});
