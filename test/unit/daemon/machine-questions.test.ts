/** Questions at machines as operators see them: only while they are asked, what they are about only for who may see what runs are given. */
import assert from 'node:assert/strict';
import type { Caller } from '../../../src/lib/base/model.js';
import type { Offer } from '../../../src/lib/base/link-messages.js';
import { MachineQuestions } from '../../../src/lib/daemon/machine-questions.js';
import { settle } from '../../support/hand-clock.js';
import { OWNER, RuntimeFixture, type TestLink } from '../../support/runtime-fixture.js';

describe('Questions at machines', () => {
  let fixture: RuntimeFixture;
  let link: TestLink;
  let questions: MachineQuestions;

  beforeEach(async () => {
    fixture = await RuntimeFixture.open();
    link = await fixture.link(await fixture.pair('pi-lab'));
    questions = new MachineQuestions(fixture.runtime, fixture.clock);
  });

  const token = (...scopes: string[]): Caller => ({ kind: 'operator', name: 'ci', role: 'approver', scopes });

  async function ask(input: object, asking: object = { asking: { channel: 'dialog', timeLeftMs: 60_000 } }) {
    const inputJson = JSON.stringify(input);
    await fixture.runtime.requestDispatch(OWNER, {
      ...{ node: 'pi-lab', capability: 'door.open', inputJson, input: input as never, timeoutMs: 90_000 },
    });
    const { id, attempt, epoch } = link.received
      .filter((message): message is Offer => message.kind === 'offer')
      .at(-1)!;
    link.session.receive({ kind: 'mediation', id, attempt, epoch, ...asking });
    await settle();
    return { id, attempt, epoch };
  }

  it('are listed while they are asked: not before, not after their time, not once it runs', async () => {
    assert.deepEqual(questions.list(OWNER), []);
    const first = await ask({ url: 'https://a.example/' });
    fixture.clock.advance(1000);
    const second = await ask({ door: 'front', seconds: 3 });
    assert.deepEqual(
      questions.list(OWNER).map(({ id, asked }) => [id, asked?.what, asked?.channel]),
      [
        [first.id, 'https://a.example/', 'dialog'],
        [second.id, '{"door":"front","seconds":3}', 'dialog'],
      ],
    );
    link.session.receive({ kind: 'started', ...second });
    await settle();
    assert.deepEqual(
      questions.list(OWNER).map(({ id }) => id),
      [first.id],
    );
    fixture.clock.advance(59_500);
    assert.deepEqual(questions.list(OWNER), [], 'nobody answers it any more, whatever the machine reports later');
    assert.equal(questions.find(OWNER, first.id), null);
  });

  it('of a machine that does not say how it asks last until the deadline', async () => {
    const { id } = await ask({}, {});
    const [request] = questions.list(OWNER);
    assert.deepEqual([request?.id, request?.asked?.channel, request?.asked?.what], [id, null, '{}']);
    assert.equal(request?.expiresAt, fixture.runtime.dispatchView(id).deadlineAt);
  });

  it('hide what they are about from who may not see what runs are given, and cut what is long', async () => {
    const { id } = await ask({ url: `https://a.example/${'x'.repeat(600)}` });
    assert.equal(questions.find(token('approvals:read'), id)?.asked?.what, null);
    const seen = questions.find(token('approvals:read', 'dispatches:read'), id.slice(-6).toLowerCase())?.asked?.what;
    assert.deepEqual([seen?.length, seen?.endsWith('…')], [500, true]);
  });

  it('are refused to whoever answers them elsewhere', async () => {
    const { id } = await ask({});
    for (const text of [id, id.slice(-6)]) {
      assert.throws(() => questions.assertNot(OWNER, text), { reason: 'ANSWERED_AT_MACHINE' });
    }
    assert.doesNotThrow(() => questions.assertNot(OWNER, id.slice(-5)));
    assert.doesNotThrow(() => questions.assertNot(OWNER, 'req_M4XT9Q'));
  });
});
