/** What the terminal UI offers to whom is what the route table allows. */
import assert from 'node:assert/strict';
import { ACTIONS, SIGHTS, type Action } from '../../src/lib/tui/state/rights.js';
import { ROUTES, type RouteId } from '../../src/lib/wire/http/routes.js';

const ROUTE_OF: Readonly<Record<Action, RouteId>> = {
  run: 'dispatches.create',
  invite: 'invites.create',
  remove: 'nodes.remove',
};

describe('The rights that the terminal UI knows', () => {
  it('are those of the routes it would call', () => {
    for (const [action, { role, scope }] of Object.entries(ACTIONS)) {
      const route = ROUTES[ROUTE_OF[action as Action]];
      assert.deepEqual([role, scope], [route.access, route.scope], action);
    }
    assert.equal(ROUTES['approvals.list'].scope, SIGHTS.approvals);
    assert.equal(ROUTES['dispatches.list'].scope, SIGHTS.dispatches);
    assert.equal(ROUTES['approvals.approve'].scope, 'approvals:decide');
    // Whoever may watch may open it at all.
    for (const id of ['events.stream', 'session.show', 'approvals.list', 'dispatches.list', 'inventory.show'] as const)
      assert.equal(ROUTES[id].access === 'viewer' || ROUTES[id].scope === 'session', true, id);
  });
});
