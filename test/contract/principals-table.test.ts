/**
 * Who gets what: every route, asked over TLS by six principals. The table is committed; a new route fails until it has a row, and whoever changes what
 * somebody may do changes the table with it. Objects do not exist, so `…_NOT_FOUND` and REQUEST_INVALID mean: allowed.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { OperatorRole } from '../../src/lib/base/model.js';
import { ROUTES, toPath, type Route, type RouteId } from '../../src/lib/wire/http/routes.js';
import { askSecurely, createOperator, createTestToken, openTestSession } from '../support/access.js';
import { PROJECT_ROOT } from '../support/source-tree.js';
import { startTestDaemon, type HttpAsk, type TestDaemon } from '../support/test-daemon.js';
import { pairTestNode } from '../support/test-node.js';

const SNAPSHOT = join(PROJECT_ROOT, 'test', 'contract', 'snapshots', 'principals.json');
const ALL = Object.entries(ROUTES) as [RouteId, Route][];
const ROLES: readonly OperatorRole[] = ['viewer', 'operator', 'approver', 'owner'];
const WRONG = 'token with another scope';
const NONSENSE = { node: 'nobody', id: 'nothing', operator: 'nobody', code: 'K7QF2M9D4TXW', name: 'no.such' };

describe('who gets what', function () {
  this.timeout(120_000);
  let target: TestDaemon;
  const table: Record<string, Record<string, string>> = {};

  before(async () => {
    target = await startTestDaemon();
    for (const role of ROLES) await createOperator(target, `the-${role}`, role);
  });
  after(() => target.dispose());

  const headersOf = async (principal: string, route: Route): Promise<Record<string, string>> => {
    if (principal === 'anonymous') return {};
    if (principal !== WRONG) return (await openTestSession(target, `the-${principal}`)).headers;
    const scope = route.scope === 'metrics:read' ? 'audit:read' : 'metrics:read';
    const token = await createTestToken(target, 'the-owner', [scope]);
    return token.headers;
  };

  for (const [id, route] of ALL) {
    it(id, async () => {
      const row: Record<string, string> = {};
      for (const principal of ['anonymous', ...ROLES, WRONG]) {
        const what: HttpAsk = {
          method: route.method,
          path: toPath(id, NONSENSE),
          headers: {
            ...(await headersOf(principal, route)),
            ...(id === 'events.stream' ? { 'last-event-id': 'none' } : {}),
          },
          ...(id === 'daemon.stop' ? { json: { drainMs: -1 } } : {}),
          ...(id === 'daemon.rotateCa' ? { json: { keepMs: -1 } } : {}),
        };
        const { status, json } = await askSecurely(target, what);
        row[principal] = status === 200 ? '200' : `${status} ${json.reason}`;
      }
      table[id] = row;
      assertRow(id, route, row);
    });
  }

  it('is what was agreed on (PALYRA_TEST_UPDATE=1 writes it)', () => {
    if (process.env['PALYRA_TEST_UPDATE'] === '1' || !existsSync(SNAPSHOT)) {
      writeFileSync(SNAPSHOT, `${JSON.stringify(table, null, 2)}\n`);
    }
    assert.deepEqual(table, JSON.parse(readFileSync(SNAPSHOT, 'utf8')));
    assert.deepEqual(
      Object.keys(table),
      ALL.map(([id]) => id),
      'a row for every route',
    );
  });

  it('gives a device certificate nothing: not on the public port, and HTTP is not spoken on the port of the nodes', async () => {
    const node = await pairTestNode(target, { name: 'alpha' });
    const asDevice = (port: number) =>
      new Promise<{ status: number; text: string }>((resolve, reject) => {
        const sent = request(
          {
            ...{ host: '127.0.0.1', port, path: '/v1/nodes', agent: false, rejectUnauthorized: false },
            ...{ key: node.keyPem, cert: node.certificatePem, ALPNProtocols: ['http/1.1'], timeout: 5000 },
          },
          (response) => {
            let text = '';
            response.on('data', (part: Buffer) => (text += part.toString()));
            response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
          },
        );
        sent.on('timeout', () => sent.destroy(new Error('no answer')));
        sent.on('error', reject);
        sent.end();
      });
    const { status, text } = await asDevice(target.ports.public);
    assert.deepEqual([status, JSON.parse(text).reason], [401, 'UNAUTHENTICATED']);
    await assert.rejects(asDevice(target.ports.node));
  });
});

/** What holds for every row, whatever is committed. */
function assertRow(id: RouteId, route: Route, row: Record<string, string>): void {
  const isRefused = (principal: string) => /401|403/.test(row[principal]!);
  if (route.access === 'anonymous') {
    assert.equal(new Set(Object.values(row)).size, 1, `${id} treats everybody as nobody`);
    return;
  }
  assert.equal(row['anonymous'], '401 UNAUTHENTICATED');
  for (const role of ROLES) {
    const allowed: boolean = ROLES.indexOf(role) >= ROLES.indexOf(route.access);
    assert.equal(isRefused(role), !allowed, `${id} as ${role}: ${row[role]}`);
  }
  if (route.scope === 'session') assert.equal(isRefused(WRONG), false);
  else assert.equal(row[WRONG], '403 SCOPE_MISSING');
}
