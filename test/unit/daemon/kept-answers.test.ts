/** Answers that outlive the daemon: in one durable step with what they answer, for whoever has the key, and bounded. */
import assert from 'node:assert/strict';
import { silentLog } from '../../../src/lib/base/log.js';
import { PalyraError } from '../../../src/lib/base/errors.js';
import { KeptAnswers } from '../../../src/lib/daemon/http/kept-answers.js';
import { MAX_REPEATS, REPEAT_TTL_MS } from '../../../src/lib/runtime/repeats.js';
import { RuntimeFixture } from '../../support/runtime-fixture.js';
import { seededRandom } from '../../support/seeded-random.js';

const KEY = 'd4f0c2aa-5b1e-4d0e-9c62-1f7a2b3c4d5e';

describe('Answers that outlive the daemon', () => {
  let fixture: RuntimeFixture;
  let kept: KeptAnswers;
  let runs = 0;

  const open = () => {
    kept = new KeptAnswers({ repeats: fixture.runtime.repeats, random: seededRandom(7), log: silentLog });
  };
  const restart = async () => {
    await fixture.restart();
    open();
  };
  const invite = async () => {
    runs++;
    const { id } = await fixture.invite({ name: `n${runs}` });
    return { status: 200, body: { id, secret: 'K7QF-2M9D-4TXW' }, headers: {} };
  };
  const rows = () => fixture.store.load().then(({ repeats }) => [...repeats.values()]);

  beforeEach(async () => {
    fixture = await RuntimeFixture.open();
    runs = 0;
    open();
  });

  it('are marked in the step that does it, and kept in one more', async () => {
    const before = fixture.store.committed.length;
    await kept.answer('eva', KEY, 'request', invite);
    const [first, second, ...others] = fixture.store.committed.slice(before);
    assert.deepEqual(first?.map(({ table }) => table).sort(), ['invites', 'repeats']);
    assert.deepEqual(
      second?.map(({ table, op }) => [table, op]),
      [['repeats', 'set']],
    );
    assert.deepEqual(others, []);
    assert.doesNotMatch(JSON.stringify(fixture.store.committed), /K7QF|secret/);
  });

  it('come again after a restart, to the same caller with the same request only', async () => {
    const first = await kept.answer('eva', KEY, 'request', invite);
    await restart();
    assert.deepEqual(await kept.answer('eva', KEY, 'request', invite), first);
    await assert.rejects(kept.answer('eva', KEY, 'another', invite), { reason: 'IDEMPOTENCY_CONFLICT' });
    assert.equal(runs, 1);
    await kept.answer('max', KEY, 'request', invite);
    assert.equal(runs, 2, 'the key of somebody else is another one');
  });

  it('are not known when the daemon ended in between; nothing is done twice then', async () => {
    const stuck = new KeptAnswers({
      repeats: {
        find: (id) => fixture.runtime.repeats.find(id),
        around: (row, work) => fixture.runtime.repeats.around(row, work),
        keep: () => Promise.reject(new PalyraError('STORAGE_FULL')),
      },
      ...{ random: seededRandom(7), log: silentLog },
    });
    await stuck.answer('eva', KEY, 'request', invite);
    await restart();
    await assert.rejects(kept.answer('eva', KEY, 'request', invite), { reason: 'IDEMPOTENCY_ANSWER_GONE' });
    assert.equal(runs, 1);
  });

  it('leave nothing behind when nothing was done, or when it was refused after all', async () => {
    const before = fixture.store.committed.length;
    const nothing = async () => ({ status: 200, body: { changed: false }, headers: {} });
    await kept.answer('eva', KEY, 'request', nothing);
    assert.equal(fixture.store.committed.length, before, 'no write of its own');
    const refuse = async () => {
      await invite();
      throw new PalyraError('PIN_WRONG');
    };
    await assert.rejects(kept.answer('eva', KEY, 'request', refuse), { reason: 'PIN_WRONG' });
    await fixture.runtime.durable();
    assert.deepEqual(await rows(), []);
  });

  it('mark the request that did it, not another one at the same moment, nor what goes on after it', async () => {
    let later: Promise<unknown> = Promise.resolve();
    const request = async () => {
      const answer = await invite();
      later = new Promise((resolve) => setImmediate(() => resolve(fixture.invite({ name: 'later' }))));
      return answer;
    };
    await Promise.all([
      kept.answer('eva', KEY, 'a', request),
      fixture.invite({ name: 'another' }),
      kept.answer('eva', `${KEY}2`, 'b', invite),
    ]);
    await later;
    const marking = fixture.store.committed.filter((changes) =>
      changes.some(({ table, op }) => table === 'repeats' && op === 'put'),
    );
    assert.equal(marking.length, 2);
    const names = marking
      .flat()
      .flatMap((change) => (change.table === 'invites' && change.op === 'put' ? [change.row.name] : []));
    assert.deepEqual(names.sort(), ['n1', 'n2']);
  });

  it('are bounded in number, and forgotten after a day', async () => {
    const { repeats } = fixture.runtime;
    const row = (id: string) => ({ id, salt: '', check: null, box: null });
    const touch = () => fixture.invite({ name: null });
    for (let index = 0; index < 30; index++) await repeats.around(row(`r${index}`), touch);
    assert.ok(MAX_REPEATS > 30 && repeats.find('r0') !== null);
    for (let index = 0; index < 20; index++) await repeats.keep(`r${index}`, 'x'.repeat(600_000));
    const { length } = await rows();
    assert.ok(length < 30 && length > 10, `${length} rows are left`);
    assert.equal(repeats.find('r0'), null, 'the oldest went');
    fixture.clock.advance(REPEAT_TTL_MS);
    assert.equal(repeats.find('r29'), null);
    await fixture.runtime.tick();
    assert.deepEqual(await rows(), []);
  });
});
