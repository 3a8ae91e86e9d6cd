/** Every way to change something leaves exactly one entry, and reading leaves none: generated from the route table, with a real daemon. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readEntry, type AuditEntry } from '../../src/lib/base/audit-chain.js';
import { ControlPlaneClient } from '../../src/lib/client/control-plane-client.js';
import { ROUTES, toPath, type Route, type RouteId } from '../../src/lib/wire/http/routes.js';
import { SCHEMAS } from '../../src/lib/wire/http/schemas.js';
import { ask, eventually, startTestDaemon, type HttpAsk, type TestDaemon } from '../support/test-daemon.js';
import { invite, pairTestNode, TestPairing } from '../support/test-node.js';

const ALL = Object.entries(ROUTES) as [RouteId, Route][];
const NONSENSE = { node: 'nobody', id: 'nothing', operator: 'nobody', code: 'K7QF2M9D4TXW' };
const CANARY = 'canary-8d7f3a';

describe('the audit log of a daemon', () => {
  let target: TestDaemon;
  const owner = (what: HttpAsk) => ask({ socketPath: target.socketPath }, what);
  const stranger = (what: HttpAsk) => ask({ port: target.ports.console }, what);
  const entries = async (query = ''): Promise<AuditEntry[]> =>
    (await owner({ path: `/v1/audit?limit=1000${query}` })).json.entries;
  /** What was written while `work` ran, oldest first. */
  const during = async (work: () => Promise<unknown>): Promise<AuditEntry[]> => {
    const last = (await entries())[0]?.seq ?? 0;
    await work();
    return (await entries()).filter(({ seq }) => seq > last).reverse();
  };
  const one = (found: AuditEntry[], action: string): AuditEntry => {
    const own = found.filter((entry) => entry.action === action);
    assert.equal(own.length, 1, JSON.stringify(found));
    return own[0]!;
  };

  before(async () => {
    target = await startTestDaemon();
  });
  after(() => target.dispose());

  for (const [id, route] of ALL) {
    const what: HttpAsk = {
      method: route.method,
      path: toPath(id, NONSENSE),
      ...(id === 'daemon.stop' ? { json: { drainMs: -1 } } : {}),
      ...(id === 'daemon.rotateCa' ? { json: { keepMs: -1 } } : {}),
    };
    if (route.safe) {
      it(`${id} reads, and leaves no entry`, async () => {
        const found = await during(() => Promise.race([Promise.all([owner(what), stranger(what)]), sleep(500)]));
        assert.deepEqual(found, []);
      });
      continue;
    }
    it(`${id} leaves exactly one entry, whatever comes of it`, async () => {
      let reason = '';
      const mine = one(await during(async () => (reason = (await owner(what)).json.reason ?? 'ok')), id);
      assert.equal(mine.outcome, reason);
      assert.deepEqual(mine.actor, { kind: 'owner', name: 'tester', credential: 'local socket' });
      assert.deepEqual(mine.origin, { listener: 'local', address: 'local' });
      const theirs = one(await during(() => stranger(what)), id);
      if (route.access !== 'anonymous') assert.equal(theirs.outcome, 'UNAUTHENTICATED');
      assert.equal(theirs.actor.kind, 'anonymous');
      assert.deepEqual(theirs.origin, { listener: 'console', address: '127.0.0.1' });
      assert.notEqual(mine.requestId, theirs.requestId);
    });
  }

  it('tells of a machine that joins: the invite, the request, the certificate; and nothing of the code', async () => {
    const found = await during(() => pairTestNode(target, { name: 'alpha' }));
    assert.deepEqual(
      found.map(({ action }) => action),
      ['invites.create', 'certificate.issued', 'pairing.issued', 'invite.redeemed', 'CompletePairingSession'].sort(
        (a, b) => found.findIndex((e) => e.action === a) - found.findIndex((e) => e.action === b),
      ),
    );
    const completed = one(found, 'CompletePairingSession');
    const issued = one(found, 'certificate.issued');
    assert.equal(completed.outcome, 'ok');
    assert.equal(issued.target['node'], completed.target['node']);
    assert.equal(issued.target['name'], 'alpha');
    assert.match(String(issued.target['serial']), /^[0-9a-f]+$/);
    assert.equal(one(found, 'invite.redeemed').target['invite'], completed.target['invite']);
    assert.ok(found.findIndex(({ action }) => action === 'certificate.issued') < found.indexOf(completed));
  });

  it('tells of wrong codes and wrong proofs, with the address they came from', async () => {
    const { code } = await invite(target);
    const pairing = await TestPairing.with(target, code);
    const wrong = await during(() => pairing.begin({ locator: Buffer.alloc(16, 7) }).catch(() => undefined));
    const refused = one(wrong, 'pairing.refused');
    assert.deepEqual(
      [refused.outcome, refused.origin],
      ['INVITE_REFUSED', { listener: 'public', address: '127.0.0.1' }],
    );
    const begun = await pairing.begin();
    const forged = await during(() => pairing.complete(begun, { codeProof: Buffer.alloc(32) }).catch(() => undefined));
    assert.equal(one(forged, 'CompletePairingSession').outcome, 'INVITE_REFUSED');
    pairing.client.close();
  });

  it('knows the input of a dispatch by its hash and size only, and has it before the dispatch is over', async () => {
    const body = { capability: 'echo', input: { text: CANARY }, queueMs: 60_000, timeoutMs: 60_000 };
    const path = '/v1/nodes/alpha/dispatches';
    const waiting = ask({ socketPath: target.socketPath }, { method: 'POST', path, json: body });
    let found: AuditEntry[] = [];
    await eventually('the dispatch is told', async () => {
      found = await entries('&action=dispatches.create&node=alpha');
      return found.length > 0;
    });
    const { target: on, outcome } = one(found, 'dispatches.create');
    assert.equal(outcome, 'ok');
    assert.equal(on['inputBytes'], JSON.stringify(body.input).length);
    assert.match(String(on['inputSha256']), /^[0-9a-f]{64}$/);
    const cancel = () => owner({ method: 'POST', path: `/v1/dispatches/${String(on['dispatch'])}/cancel` });
    const after = await during(async () => {
      await cancel();
      await waiting;
    });
    assert.deepEqual(
      after.map(({ action }) => action),
      ['dispatches.cancel'],
    );
    const files = ['audit.v1.log', 'intents.v1.log'].map((name) =>
      readFile(join(target.options.stateDirectory, 'audit', name), 'utf8'),
    );
    for (const text of await Promise.all(files)) assert.ok(text.length > 0 && !text.includes(CANARY));
  });

  it('is filtered and paged, newest first', async () => {
    await owner({ method: 'DELETE', path: '/v1/nodes/alpha' });
    const about = await entries('&node=alpha');
    for (const action of ['nodes.remove', 'node.revoked', 'certificate.issued', 'dispatches.create'])
      one(about, action);
    assert.ok((await entries('&action=invites.')).every(({ action }) => action.startsWith('invites.')));
    assert.ok((await entries('&actor=tester')).every(({ actor }) => actor.name === 'tester'));
    assert.deepEqual(await entries(`&since=${new Date(Date.now() + 60_000).toISOString()}`), []);
    const all = await entries();
    const paged: AuditEntry[] = [];
    for (let cursor: number | null = all[0]!.seq + 1; cursor !== null;) {
      const page: { entries: AuditEntry[]; nextCursor: number | null } = (
        await owner({ path: `/v1/audit?limit=7&cursor=${cursor}` })
      ).json;
      SCHEMAS['audit.list'].answer.parse(page);
      paged.push(...page.entries);
      cursor = page.nextCursor;
    }
    assert.deepEqual(paged, all);
    assert.equal((await owner({ path: '/v1/audit?tpyo=1' })).json.reason, 'REQUEST_INVALID');
  });

  it('is exported as it is on disk, whole or in pages, and verified', async () => {
    const { text, headers } = await owner({ path: '/v1/audit/export' });
    assert.equal(headers['content-type'], 'application/x-ndjson');
    assert.equal(text, await readFile(join(target.options.stateDirectory, 'audit', 'audit.v1.log'), 'utf8'));
    for (const line of text.split('\n').slice(0, -1)) assert.equal(typeof readEntry(Buffer.from(line)), 'object');
    const client = new ControlPlaneClient({ socketPath: target.socketPath });
    const lines: string[] = [];
    for await (const line of client.exportAudit({ pageSize: 4 })) lines.push(line);
    assert.equal(`${lines.join('\n')}\n`, text);
    const report = await client.verifyAudit();
    assert.deepEqual([report.ok, report.entries], [true, lines.length]);
    await client.close();
  });

  it('tells when guessing is throttled', async () => {
    const { code } = await invite(target);
    const pairing = await TestPairing.with(target, code);
    const found = await during(async () => {
      for (let n = 0; n < 6; n++) await pairing.begin({ locator: Buffer.alloc(16, n) }).catch(() => undefined);
    });
    assert.equal(found.at(-1)?.action, 'pairing.throttled');
    assert.equal(found.at(-1)?.outcome, 'PAIRING_THROTTLED');
    pairing.client.close();
  });

  it('is the business of the owner', async () => {
    for (const path of ['/v1/audit', '/v1/audit/export', '/v1/audit/verify']) {
      assert.equal((await stranger({ path })).json.reason, 'UNAUTHENTICATED');
    }
  });
});
