/** Requests as they are shown: a kind that this version does not know is never shown as one it knows. */
import assert from 'node:assert/strict';
import type { ApprovalView } from '../../../src/lib/base/requests.js';
import { approvalColumns, approvalLines, isKnownKind } from '../../../src/lib/cli/approval-report.js';
import { login, NOW, request } from '../../support/tui-states.js';

const cells = (one: ApprovalView) => approvalColumns(NOW).map(({ value }) => value(one));
const kind = (name: string) => ({ kind: name, pinRequired: false }) as unknown as Partial<ApprovalView>;

describe('A request in the queue', () => {
  it('says what is asked for', () => {
    assert.equal(cells(request('M4XT9Q'))[1], 'join as "win-pc"');
    assert.equal(cells(login('B7CK2P', { operator: 'max' }))[1], 'log in as max');
    assert.equal(cells(request('9DM4AB', kind('capabilities'), 'pi-lab'))[1], 'pi-lab wants echo, system.health');
  });

  it('of an unknown kind is neither a login nor to be answered here', () => {
    const newer = request('H1H2H3', kind('firmware'));
    assert.equal(isKnownKind(newer.kind), false);
    assert.deepEqual([cells(newer)[1], cells(newer)[4]], ['win-pc asks for firmware', 'needs a newer palyra']);
    const text = approvalLines(newer, NOW).join('\n');
    assert.match(text, /asks {3}win-pc[^]*firmware: this version of palyra does not know it/);
    assert.doesNotMatch(text, /log ?in/);
  });
});
