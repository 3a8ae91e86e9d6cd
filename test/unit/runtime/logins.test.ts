import assert from 'node:assert/strict';
import type { PalyraError } from '../../../src/lib/base/errors.js';
import type { LoginRecord } from '../../../src/lib/base/requests.js';
import { LOGIN_TTL_MS } from '../../../src/lib/runtime/login-requests.js';
import { MAX_PENDING_REQUESTS } from '../../../src/lib/runtime/pairing.js';
import { MAX_PENDING_PER_SOURCE, MAX_PIN_RENEWALS, MAX_WRONG_PINS } from '../../../src/lib/runtime/pin-requests.js';
import { FACTS, RuntimeFixture } from '../../support/runtime-fixture.js';

const EVA = { id: 'opr_000001', name: 'eva' };
const MAX = { id: 'opr_000002', name: 'max' };

describe('A login that waits for a person', () => {
  let fixture: RuntimeFixture;
  let asked: number;
  beforeEach(async () => {
    fixture = await RuntimeFixture.open();
    asked = 0;
  });

  const logins = () => fixture.runtime.logins;
  const queue = () => fixture.runtime.approvals;
  const asks = (
    claimHash: string,
    o: { pin?: string; operator?: string; address?: string } = {},
  ): Promise<LoginRecord> =>
    logins().request(
      {
        loginId: `lgn_${++asked}`,
        claimHash,
        client: { hostname: 'laptop', platform: 'linux', arch: 'x64', version: '0.1.0' },
        operator: o.operator ?? null,
        address: o.address ?? '192.0.2.7',
        pin: { salt: '00', hash: o.pin ?? '111111' },
      },
      (address) => address,
    );
  const yes = (id: string, pin: string | null = '111111', operator = EVA, by = operator.name) =>
    queue().approveLogin(id, { by, operator, pin: pin === null ? null : ({ hash }) => hash === pin });
  const answerTo = (login: LoginRecord, timeoutMs = 0) => logins().awaitAnswer(login, { timeoutMs });

  it('is approved with its PIN as one operator, and spent once', async () => {
    const login = await asks('aa');
    assert.equal(fixture.runtime.summary().approvals.pending, 1);
    assert.equal(fixture.runtime.summary().nodes.asking, 0, 'it is no machine');
    assert.equal((await answerTo(login)).state, 'pending');
    const { approval, changed } = await yes(login.id);
    assert.deepEqual(
      [changed, approval.state, approval.grantedTo],
      [true, 'approved', { operatorId: EVA.id, name: 'eva' }],
    );
    assert.equal((await answerTo(login)).state, 'approved');
    assert.equal((await logins().spend(login)).state, 'issued');
    await assert.rejects(logins().spend(login), { reason: 'LOGIN_UNKNOWN' });
    await assert.rejects(answerTo(login), { reason: 'LOGIN_UNKNOWN' });
  });

  it('is spent by one of two who come at once', async () => {
    const login = await asks('aa');
    await yes(login.id);
    const both = await Promise.allSettled([logins().spend(login), logins().spend(login)]);
    assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  });

  it('is not spent before somebody has approved it', async () => {
    await assert.rejects(logins().spend(await asks('aa')), { reason: 'LOGIN_UNKNOWN' });
  });

  it('wakes the program that waits', async () => {
    const login = await asks('aa');
    const waiting = answerTo(login, 60_000);
    await yes(login.id);
    assert.equal((await waiting).state, 'approved');
  });

  it('survives a restart between approval and claim, and is still spent once', async () => {
    const login = await asks('aa');
    await yes(login.id);
    await fixture.restart();
    const found = logins().find(login.loginId);
    assert.equal((await answerTo(found)).state, 'approved');
    await logins().spend(found);
    await fixture.restart();
    await assert.rejects(logins().spend(found), { reason: 'LOGIN_UNKNOWN' });
  });

  it('is decided by the first of two; the same answer changes nothing, another is told who, as whom and when', async () => {
    const { id } = await asks('aa');
    const [first, second] = await Promise.allSettled([yes(id), yes(id, '111111', MAX)]);
    assert.equal(first.status, 'fulfilled');
    assert.equal((second as PromiseRejectedResult).reason.reason, 'ALREADY_DECIDED');
    assert.match(String((second as PromiseRejectedResult).reason.message), /approved as eva by eva 0 s ago/);
    assert.equal((await yes(id, null)).changed, false);
    await assert.rejects(queue().reject(id, { by: 'max', reason: null }), { reason: 'ALREADY_DECIDED' });
  });

  it('takes its PIN and no other, counted over restarts; the fifth wrong one rejects it', async () => {
    const login = await asks('aa');
    await assert.rejects(yes(login.id, null), { reason: 'PIN_REQUIRED' });
    for (let attempt = 1; attempt <= MAX_WRONG_PINS; attempt += 1) {
      await assert.rejects(yes(login.id, '000000'), { reason: 'PIN_WRONG' });
      await fixture.restart();
    }
    await assert.rejects(yes(login.id), { reason: 'ALREADY_DECIDED' });
    await assert.rejects(answerTo(login), { reason: 'LOGIN_REJECTED' });
  });

  it('tells the program who said no and why', async () => {
    const login = await asks('aa');
    const waiting = assert.rejects(answerTo(login, 60_000), (error: PalyraError) => {
      assert.equal(error.reason, 'LOGIN_REJECTED');
      assert.match(error.message, /by max: "not now"/);
      return true;
    });
    await queue().reject(login.id, { by: 'max', reason: 'not now' });
    await waiting;
  });

  it('ends after ten minutes; approved, it can be fetched ten minutes more', async () => {
    const forgotten = await asks('aa');
    const late = await asks('bb');
    fixture.clock.advance(LOGIN_TTL_MS - 1);
    await yes(late.id);
    fixture.clock.advance(1);
    await assert.rejects(answerTo(forgotten), { reason: 'LOGIN_EXPIRED' });
    await assert.rejects(yes(forgotten.id), /expired/);
    fixture.clock.advance(LOGIN_TTL_MS - 2);
    assert.equal((await answerTo(late)).state, 'approved');
    fixture.clock.advance(1);
    await assert.rejects(answerTo(late), { reason: 'LOGIN_EXPIRED' });
    await assert.rejects(logins().spend(late), { reason: 'LOGIN_EXPIRED' });
  });

  it('tells the program that waits when its time is over', async () => {
    const waiting = assert.rejects(answerTo(await asks('aa'), 2 * LOGIN_TTL_MS), { reason: 'LOGIN_EXPIRED' });
    fixture.clock.advance(LOGIN_TTL_MS);
    await waiting;
  });

  it('keeps its id and what was asked first when the program begins anew; the PIN is another', async () => {
    const first = await asks('aa', { operator: 'eva' });
    const again = await asks('aa', { operator: 'admin', pin: '222222' });
    assert.deepEqual([again.id, again.operator], [first.id, 'eva']);
    assert.throws(() => logins().find(first.loginId), { reason: 'LOGIN_UNKNOWN' });
    await assert.rejects(yes(first.id), { reason: 'PIN_WRONG' });
    await yes(first.id, '222222');
    assert.equal((await answerTo(logins().find(again.loginId))).state, 'approved');
  });

  it('draws a bounded number of PINs, and none for another source', async () => {
    await asks('aa');
    await assert.rejects(asks('aa', { address: '192.0.2.8' }), { reason: 'LOGIN_UNKNOWN' });
    for (let renewal = 0; renewal < MAX_PIN_RENEWALS; renewal += 1) await asks('aa');
    await assert.rejects(asks('aa'), { reason: 'LOGIN_THROTTLED' });
  });

  it('has few places for one source and in all, shared with machines, given back by time', async () => {
    for (let index = 0; index < MAX_PENDING_PER_SOURCE; index += 1) await asks(`source ${index}`);
    await assert.rejects(asks('one more'), { reason: 'LOGIN_THROTTLED' });
    const join = (key: string, address: string) =>
      queue().request(
        {
          spki: Buffer.from(key),
          keyFingerprint: key,
          facts: FACTS,
          requestedName: null,
          address,
          pin: { salt: '00', hash: '111111' },
        },
        (source) => source,
      );
    await assert.rejects(join('key', '192.0.2.7'), { reason: 'PAIRING_BUSY' });
    for (let index = MAX_PENDING_PER_SOURCE; index < MAX_PENDING_REQUESTS; index += 1) {
      const address = `198.51.100.${index}`;
      await (index % 2 === 0 ? asks(`all ${index}`, { address }) : join(`key ${index}`, address));
    }
    await assert.rejects(asks('one too many', { address: '203.0.113.1' }), { reason: 'LOGIN_THROTTLED' });
    await assert.rejects(join('too many', '203.0.113.1'), { reason: 'PAIRING_BUSY' });
    fixture.clock.advance(LOGIN_TTL_MS);
    assert.equal((await asks('later')).state, 'pending');
  });

  it('shows in the events who asks for what, and what became of it', async () => {
    const seen: unknown[] = [];
    fixture.runtime.events.subscribe(({ event }) => seen.push(event));
    const { id } = await asks('aa');
    await yes(id);
    const asking = { type: 'approval.requested', approvalId: id, kind: 'login', name: 'laptop', address: '192.0.2.7' };
    assert.deepEqual(seen, [
      asking,
      { type: 'approval.decided', approvalId: id, kind: 'login', state: 'approved', by: 'eva' },
    ]);
  });

  it('is no request to join: a machine that asks for it by its id is told that there is none', async () => {
    const { id } = await asks('aa');
    assert.throws(() => fixture.runtime.approval(id), { reason: 'APPROVAL_NOT_FOUND' });
    await assert.rejects(queue().approve(id, { by: 'eva', pin: 'waived' }), { reason: 'APPROVAL_NOT_FOUND' });
    assert.equal(queue().find(id).state, 'pending');
  });

  it('survives an orderly end of the daemon, which leaves a snapshot', async () => {
    const { id } = await asks('aa');
    await fixture.runtime.tick();
    await fixture.runtime.close();
    await fixture.restart();
    assert.equal(queue().find(id).kind, 'login');
    assert.equal((await yes(id)).changed, true);
  });
});
