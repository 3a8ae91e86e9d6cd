import assert from 'node:assert/strict';
import type { GrantedScope } from '../../../src/lib/base/access.js';
import type { Caller, OperatorRole } from '../../../src/lib/base/model.js';
import { ACCOUNT_BUCKET, MAX_BUCKETS, SOURCE_BUCKET } from '../../../src/lib/runtime/login-throttle.js';
import { OWNER_OPERATOR_ID } from '../../../src/lib/runtime/operators.js';
import { MAX_SESSIONS, MAX_SESSIONS_PER_OPERATOR, SESSION_LIMITS } from '../../../src/lib/runtime/sessions.js';
import { MAX_TOKENS } from '../../../src/lib/runtime/tokens.js';
import { emptyTables, tablesFromJson, tablesToJson } from '../../../src/lib/runtime/state.js';
import { settle } from '../../support/hand-clock.js';
import { OWNER, RuntimeFixture } from '../../support/runtime-fixture.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe('Access', () => {
  let fixture: RuntimeFixture;
  const access = () => fixture.runtime.access;
  const operator = async (name: string, role: OperatorRole = 'operator') =>
    (await access().operators.create(OWNER, { name, role, password: null })).id;
  const open = (
    operatorId: string,
    more: { kind?: 'browser' | 'cli'; tokenId?: string | null; replaces?: string } = {},
  ) =>
    access().openSession({
      ...{ operatorId, kind: 'browser', by: 'approval', tokenId: null, address: '192.0.2.1', client: 'test' },
      ...more,
    });
  const token = (operatorId: string, scopes: GrantedScope[], by: Caller = OWNER, expiresInMs = HOUR) =>
    access().tokens.create(by, { name: 't', operatorId, scopes, expiresInMs });
  const isLive = ({ session, secret }: Awaited<ReturnType<typeof open>>) =>
    access().sessions.authenticate(session.id, secret) !== null;

  beforeEach(async () => {
    fixture = await RuntimeFixture.open();
  });

  describe('operators', () => {
    it('has the one that the daemon belongs to from the first start, who stays', async () => {
      const owner = access().findOperator('EVA');
      assert.deepEqual([owner.id, owner.role, owner.state], [OWNER_OPERATOR_ID, 'owner', 'active']);
      assert.equal(access().operatorOf(OWNER), owner);
      for (const change of [{ role: 'approver' }, { state: 'disabled' }] as const) {
        await assert.rejects(access().operators.update(OWNER, 'eva', change), { reason: 'LAST_OWNER' });
      }
      await assert.rejects(access().operators.remove('eva'), { reason: 'LAST_OWNER' });
      await fixture.restart();
      assert.equal(access().operators.list().length, 1);
    });

    it('keeps names unique without case', async () => {
      await operator('Anna');
      await assert.rejects(operator('aNNA'), { reason: 'OPERATOR_EXISTS' });
      await assert.rejects(operator('Opr_000000'), { reason: 'REQUEST_INVALID' });
      assert.equal(access().operators.named(OWNER_OPERATOR_ID), null, 'an id is no name to log in with');
      assert.throws(() => access().findOperator('berta'), { reason: 'OPERATOR_NOT_FOUND' });
    });

    it('ends sessions with the role they began under, and everything with the account', async () => {
      const anna = await operator('anna');
      const session = await open(anna);
      const made = await token(anna, ['nodes:read']);
      const isTokenLive = () => access().tokens.authenticate(made.token.id, made.secret) !== null;
      await access().operators.update(OWNER, 'anna', { role: 'viewer' });
      assert.ok(!isLive(session));
      assert.equal(access().tokens.authenticate(made.token.id, made.secret)?.caller.role, 'viewer');
      const second = await open(anna);
      await access().operators.update(OWNER, 'anna', { state: 'disabled' });
      assert.ok(!isLive(second) && !isTokenLive());
      await assert.rejects(open(anna), { reason: 'OPERATOR_NOT_FOUND' });
      await access().operators.update(OWNER, 'anna', { state: 'active' });
      assert.ok(!isLive(second) && !isTokenLive(), 'they do not come back');
      await access().operators.remove('anna');
      assert.throws(() => access().findOperator(anna), { reason: 'OPERATOR_NOT_FOUND' });
    });

    it('ends all sessions but the one that asks when the password changes', async () => {
      const anna = await operator('anna', 'owner');
      const [mine, others] = [await open(anna), await open(anna)];
      const { caller } = access().sessions.authenticate(mine.session.id, mine.secret)!;
      const password = { algorithm: 'scrypt', n: 2, r: 1, p: 1, salt: '00', hash: '00' } as const;
      await access().operators.update(caller, 'anna', { password });
      assert.deepEqual([isLive(mine), isLive(others)], [true, false]);
    });
  });

  describe('sessions', () => {
    for (const kind of ['browser', 'cli'] as const) {
      const { idleMs, absoluteMs } = SESSION_LIMITS[kind];
      it(`${kind}: ends when unused for ${idleMs / MINUTE} minutes, and ${absoluteMs / HOUR} hours after it began`, async () => {
        const unused = await open(OWNER_OPERATOR_ID, { kind });
        fixture.clock.advance(idleMs - 1);
        const used = await open(OWNER_OPERATOR_ID, { kind });
        fixture.clock.advance(1);
        assert.deepEqual([isLive(unused), isLive(used)], [false, true]);
        let age = 1;
        for (; age + idleMs / 2 < absoluteMs; age += idleMs / 2) {
          fixture.clock.advance(idleMs / 2);
          assert.ok(isLive(used), 'used often enough');
        }
        fixture.clock.advance(absoluteMs - age);
        assert.ok(!isLive(used), 'old');
      });
    }

    it('survives a restart, its use as well as itself, and holds no secret', async () => {
      const session = await open(OWNER_OPERATOR_ID);
      fixture.clock.advance(20 * MINUTE);
      assert.ok(isLive(session));
      await fixture.runtime.tick();
      await fixture.restart();
      fixture.clock.advance(20 * MINUTE);
      assert.ok(isLive(session), 'the use after 20 minutes was written');
      assert.ok(!JSON.stringify(tablesToJson(await fixture.store.load())).includes(session.secret));
    });

    it('writes no use that is only a little newer', async () => {
      const session = await open(OWNER_OPERATOR_ID);
      await fixture.runtime.tick();
      const before = fixture.store.committed.length;
      for (let round = 0; round < 100; round++) {
        fixture.clock.advance(2000);
        assert.ok(isLive(session));
        await fixture.runtime.tick();
      }
      assert.equal(fixture.store.committed.length, before);
    });

    it('is swept when it is over, and who listens is told once that is durable', async () => {
      const ended: string[] = [];
      access().onEnded((ids) => ended.push(...ids));
      const first = await open(OWNER_OPERATOR_ID);
      const made = await token(OWNER_OPERATOR_ID, ['nodes:read'], OWNER, MINUTE);
      const ofToken = await open(OWNER_OPERATOR_ID, { tokenId: made.token.id });
      assert.equal(ofToken.session.expiresAt, made.token.expiresAt);
      fixture.clock.advance(MINUTE);
      await fixture.runtime.tick();
      assert.deepEqual(ended.sort(), [made.token.id, ofToken.session.id].sort());
      await access().sessions.end(({ id }) => id === first.session.id);
      assert.ok(ended.includes(first.session.id));
      assert.equal((await fixture.store.load()).sessions.size, 0);
    });

    it('tells who listens also while the disk is full', async () => {
      const ended: string[] = [];
      access().onEnded((ids) => ended.push(...ids));
      const { session } = await open(OWNER_OPERATOR_ID);
      fixture.store.diskFull = true;
      await assert.rejects(operator('anna'), { reason: 'STORAGE_FULL' });
      fixture.clock.advance(HOUR);
      await fixture.runtime.tick();
      assert.deepEqual(ended, [session.id]);
    });

    it('is not there when it could not be written', async () => {
      fixture.store.diskFull = true;
      await assert.rejects(open(OWNER_OPERATOR_ID), { reason: 'STORAGE_FULL' });
      await settle();
      assert.deepEqual(access().sessions.list(), []);
    });

    it(`keeps ${MAX_SESSIONS_PER_OPERATOR} of an operator and ${MAX_SESSIONS} in all: the oldest own one makes room`, async () => {
      const people = MAX_SESSIONS / MAX_SESSIONS_PER_OPERATOR;
      const ids = await Promise.all(Array.from({ length: people }, (_, index) => operator(`op-${index}`)));
      const late = await operator('late');
      const opened = [];
      for (let round = 0; round < MAX_SESSIONS_PER_OPERATOR; round++) {
        fixture.clock.advance(1);
        opened.push(...(await Promise.all(ids.map((id) => open(id)))));
      }
      assert.ok(opened.every(isLive));
      await assert.rejects(open(late), { reason: 'ACCESS_FULL' });
      const one = await open(ids[0]!);
      assert.deepEqual(
        opened.filter((session) => !isLive(session)),
        [opened[0]],
      );
      assert.ok(isLive(one));
      assert.equal(access().sessions.list().length, MAX_SESSIONS);
    }).timeout(20_000);

    it('takes the place of the one it replaces', async () => {
      const first = await open(OWNER_OPERATOR_ID);
      const second = await open(OWNER_OPERATOR_ID, { replaces: first.session.id });
      assert.deepEqual([isLive(first), isLive(second)], [false, true]);
      assert.notEqual(first.session.id, second.session.id);
    });

    it('refuses every secret but its own', async () => {
      const { session, secret } = await open(OWNER_OPERATOR_ID);
      const other = await open(OWNER_OPERATOR_ID);
      for (const wrong of [
        other.secret,
        secret.slice(0, -1),
        `${secret}A`,
        '',
        secret.toLowerCase(),
        session.secretHash,
      ]) {
        assert.equal(access().sessions.authenticate(session.id, wrong), null);
      }
      assert.equal(Buffer.from(secret, 'base64url').length, 32);
    });
  });

  describe('tokens', () => {
    it('do no more than the operator may now, nor than their maker could', async () => {
      const anna = await operator('anna', 'operator');
      const session = await open(anna);
      const { caller } = access().sessions.authenticate(session.session.id, session.secret)!;
      const made = await token(anna, ['nodes:write', 'invoke:door.open'], caller);
      const roleNow = () => access().tokens.authenticate(made.token.id, made.secret)!.caller.role;
      assert.equal(roleNow(), 'operator');
      await access().operators.update(OWNER, 'anna', { role: 'owner' });
      assert.equal(roleNow(), 'operator', 'its maker was an operator');
      await access().operators.update(OWNER, 'anna', { role: 'viewer' });
      assert.equal(roleNow(), 'viewer');
    });

    it('make no token with scopes they were not given', async () => {
      const made = await token(OWNER_OPERATOR_ID, ['tokens:write', 'nodes:read', 'invoke:door.open']);
      const { caller } = access().tokens.authenticate(made.token.id, made.secret)!;
      const make = (scope: GrantedScope) => token(OWNER_OPERATOR_ID, [scope], caller);
      for (const scope of ['nodes:write', 'invoke', 'invoke:door.close', 'operators:write'] as const) {
        await assert.rejects(make(scope), { reason: 'SCOPE_MISSING' });
      }
      for (const scope of ['nodes:read', 'invoke:door.open'] as const) assert.ok(await make(scope));
      const broad = await token(OWNER_OPERATOR_ID, ['invoke', 'tokens:write']);
      const byBroad = access().tokens.authenticate(broad.token.id, broad.secret)!.caller;
      assert.ok(await token(OWNER_OPERATOR_ID, ['invoke:anything.at_all'], byBroad), '`invoke` holds each of them');
    });

    it('live for a year at most', async () => {
      await assert.rejects(token(OWNER_OPERATOR_ID, ['nodes:read'], OWNER, 365 * DAY + 1), {
        reason: 'REQUEST_INVALID',
      });
      const made = await token(OWNER_OPERATOR_ID, ['nodes:read'], OWNER, 365 * DAY);
      fixture.clock.advance(365 * DAY - 1);
      assert.ok(access().tokens.authenticate(made.token.id, made.secret) !== null);
      fixture.clock.advance(1);
      assert.equal(access().tokens.authenticate(made.token.id, made.secret), null);
    });

    it('end with the sessions that began with them', async () => {
      const made = await token(OWNER_OPERATOR_ID, ['nodes:read']);
      const ofToken = await open(OWNER_OPERATOR_ID, { tokenId: made.token.id });
      const other = await open(OWNER_OPERATOR_ID);
      const { caller } = access().sessions.authenticate(ofToken.session.id, ofToken.secret)!;
      assert.deepEqual(caller.scopes, ['nodes:read']);
      assert.ok(await access().tokens.end(made.token.id));
      assert.deepEqual([isLive(ofToken), isLive(other)], [false, true]);
      assert.equal(await access().tokens.end(made.token.id), false);
      await assert.rejects(open(OWNER_OPERATOR_ID, { tokenId: made.token.id }), { reason: 'TOKEN_REFUSED' });
    });

    it(`are ${MAX_TOKENS} at most; expired ones make room`, async () => {
      const make = (expiresInMs: number) => token(OWNER_OPERATOR_ID, ['nodes:read'], OWNER, expiresInMs);
      await make(MINUTE);
      await Promise.all(Array.from({ length: MAX_TOKENS - 1 }, () => make(HOUR)));
      await assert.rejects(make(HOUR), { reason: 'ACCESS_FULL' });
      fixture.clock.advance(MINUTE);
      await make(HOUR);
    });
  });

  describe('the login throttle', () => {
    const attempt = (account: string | null, source: string) =>
      access()
        .countLoginTry({ account, source })
        .then(
          () => true,
          (error: { reason: string; details: { retryAfterMs: number } }) => {
            assert.equal(error.reason, 'LOGIN_THROTTLED');
            assert.ok(error.details.retryAfterMs > 0);
            return false;
          },
        );

    it('evaluates 5 + 18 tries of an account in 15 minutes at most, from however many sources, in any case of its name', async () => {
      let evaluated = 0;
      for (let second = 0; second < 15 * 60; second++) {
        for (const name of ['Anna', 'anna']) if (await attempt(name, `source ${second}`)) evaluated++;
        fixture.clock.advance(1000);
      }
      assert.equal(evaluated, 5 + 17);
    });

    it('evaluates 200 tries of a source in an hour at most, tokens and names together', async () => {
      let evaluated = 0;
      for (let second = 0; second < 3600; second++) {
        if (await attempt(second % 2 === 0 ? null : `name ${second}`, '192.0.2.1')) evaluated++;
        fixture.clock.advance(1000);
      }
      assert.ok(evaluated <= 200 && evaluated >= 195, String(evaluated));
    });

    it('locks nobody out: a try is looked at within a minute after an attack of hours', async () => {
      for (let minute = 0; minute < 180; minute++) {
        for (let round = 0; round < 20; round++) await attempt('anna', '192.0.2.1');
        fixture.clock.advance(MINUTE);
      }
      while (await attempt('anna', '192.0.2.1'));
      fixture.clock.advance(ACCOUNT_BUCKET.everyMs);
      assert.ok(await attempt('anna', '192.0.2.1'));
    });

    it('writes nothing for a try that is refused, and counts across a restart', async () => {
      while (await attempt('anna', '192.0.2.1'));
      const before = fixture.store.committed.length;
      for (let round = 0; round < 1000; round++) assert.equal(await attempt('anna', '192.0.2.1'), false);
      assert.equal(fixture.store.committed.length, before);
      await fixture.restart();
      assert.equal(await attempt('anna', '192.0.2.9'), false);
    });

    it('is not raced: of tries at once no more are evaluated than one after another', async () => {
      const results = await Promise.all(Array.from({ length: 200 }, (_, index) => attempt('anna', `source ${index}`)));
      assert.equal(results.filter(Boolean).length, ACCOUNT_BUCKET.capacity);
    });

    it('is not evaluated when it could not be counted', async () => {
      fixture.store.diskFull = true;
      await assert.rejects(access().countLoginTry({ account: 'anna', source: '192.0.2.1' }), {
        reason: 'STORAGE_FULL',
      });
    });

    it('keeps a bounded number of rows, and none of a bucket that is full again', async () => {
      for (let round = 0; round < 3000; round++) await attempt(`name ${round}`, `source ${round}`);
      const rows = async () => [...(await fixture.store.load()).loginTries.keys()];
      assert.ok((await rows()).every((key) => Number(key.split(':')[1]) < MAX_BUCKETS));
      fixture.clock.advance(SOURCE_BUCKET.everyMs * SOURCE_BUCKET.capacity);
      await fixture.runtime.tick();
      assert.deepEqual(await rows(), []);
    });

    it('opens again soon after the wall clock was set back', async () => {
      while (await attempt('anna', '192.0.2.1'));
      fixture.clock.jump(-DAY);
      fixture.clock.advance(ACCOUNT_BUCKET.everyMs);
      assert.ok(await attempt('anna', '192.0.2.1'));
    });
  });

  it('reads a snapshot from before there were operators', () => {
    const { operators: _, sessions: _s, tokens: _t, loginTries: _l, ...old } = tablesToJson(emptyTables());
    assert.deepEqual(tablesFromJson(old), emptyTables());
  });
});
