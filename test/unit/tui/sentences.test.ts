/** What line mode says about requests and changes, to whoever may or may not answer them. */
import assert from 'node:assert/strict';
import type { ApprovalView } from '../../../src/lib/base/requests.js';
import type { WatchItem } from '../../../src/lib/client/control-plane-client.js';
import {
  approvalSentence,
  eventSentence,
  greeting,
  menu,
  nodeSentence,
  requestSentence,
  together,
} from '../../../src/lib/tui/lines/sentences.js';
import type { Who } from '../../../src/lib/tui/state/rights.js';
import { after, busy, living, login, node, NOW, request } from '../../support/tui-states.js';

const SIZE = { columns: 80, rows: 24 };
const as = (role: Who['role']) => ({ who: { operator: 'max', role, scopes: null } });
const unknown = request('H1H2H3', { kind: 'firmware', pinRequired: false } as unknown as Partial<ApprovalView>);

describe('The sentences of line mode', () => {
  it('name what is asked for and how it is answered, by whoever may', () => {
    const said = (one: ApprovalView, role: Who['role']) => approvalSentence(one, 0, 1, living(SIZE, [], as(role)));
    const max = login('B7CK2P', { operator: 'max' });
    assert.match(said(max, 'operator'), /palyra on laptop asks to log in as max\. linux, from 192\.168\.1\.77, asked/);
    assert.match(said(max, 'operator'), /Type the PIN to approve, r to reject, Enter for next\.$/);
    assert.match(said(login('Q2WW8Z'), 'operator'), /as whoever approves it.*Type the PIN to approve, Enter for next/);
    assert.match(said(request('M4XT9Q'), 'approver'), /win-pc asks to join\. win32, .*key 3XQ8 7KPM, asked/);
    assert.match(said(request('M4XT9Q'), 'operator'), /takes the role approver; you are operator\. Enter for next\.$/);
    assert.match(said(request('M4XT9Q'), 'viewer'), /Read-only: you are a viewer here\. Enter for next\.$/);
    assert.match(said(unknown, 'owner'), /win-pc asks for firmware.*does not know such requests.* Enter for next\.$/);
  });

  it('offer an answer only to whoever can give it', () => {
    const told = (one: ApprovalView, role: Who['role']) => requestSentence(one, living(SIZE, [], as(role))).text;
    assert.match(told(request('M4XT9Q'), 'approver'), /^win-pc asks to join\. Type 2 to answer\. \d\d:\d\d\.$/);
    assert.match(told(request('M4XT9Q'), 'operator'), /^win-pc asks to join\. \d\d:\d\d\.$/);
    assert.match(told(unknown, 'owner'), /^win-pc asks for firmware\. \d\d:\d\d\.$/);
    assert.match(menu(living(SIZE, [], as('approver'))), /n new node/);
    assert.doesNotMatch(menu(living(SIZE, [], as('operator'))), /n new node/);
  });

  it('greet with who one is, and count only what one can answer', () => {
    const requests = [request('M4XT9Q'), login('Q2WW8Z')];
    const greeted = (role: Who['role']) => greeting(after(busy(SIZE, as(role)), { type: 'approvals', requests }));
    assert.match(greeted('owner'), /connected to nas as max \(owner\)\..* 1 asking to join\. 2 requests for you/);
    assert.match(greeted('operator'), / 1 asking to join\. 1 request for you to answer\.$/);
  });

  it('tell that trust was withdrawn and given back, and never call a login a node', () => {
    const event = (change: string) =>
      eventSentence({
        ...{ type: 'node', change, id: '1-1', seq: 1, at: new Date(NOW).toISOString(), by: null },
        node: node('nas', { presence: 'revoked', trust: 'revoked' }),
      } as unknown as WatchItem);
    assert.match(event('revoked')!.text, /^nas was revoked/);
    assert.match(event('restored')!.text, /^nas is trusted again/);
    assert.match(nodeSentence(node('nas', { presence: 'revoked' }), NOW, true), /^nas: revoked/);
    const changed = (subject: string) => ({ about: 'node', subject, text: '' }) as const;
    assert.match(together([changed('nas'), changed('pi')]), /^2 nodes changed: nas, pi\. Type 1/);
    const asked = requestSentence(login('Q2WW8Z'), living(SIZE));
    assert.match(together([changed('nas'), asked]), /^2 things happened: nas, laptop\./);
  });
});
