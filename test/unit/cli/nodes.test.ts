import assert from 'node:assert/strict';
import type { NodeView } from '../../../src/lib/base/model.js';
import { fieldColumns, statusOf, tableColumns } from '../../../src/lib/cli/node-columns.js';
import { nodeReport } from '../../../src/lib/cli/node-report.js';
import { selectNodes, sortNodes } from '../../../src/lib/cli/node-selection.js';
import { formatTable, formatTsv } from '../../../src/lib/cli/table.js';

const NOW = Date.parse('2026-11-22T05:00:00.000Z');

function node(over: Partial<NodeView>): NodeView {
  return {
    ...{
      id: 'nod_01JDA5M8T2',
      name: 'pi-lab',
      hostname: 'raspberrypi',
      purpose: null,
      labels: {},
      presence: 'online',
      presenceReason: null,
    },
    ...{
      presenceSince: '2026-11-22T01:48:00.000Z',
      lastSeenAt: '2026-11-22T04:59:51.000Z',
      trust: 'paired',
      platform: 'linux',
      arch: 'arm64',
    },
    ...{
      version: '0.4.1',
      protocol: 1,
      outdated: false,
      address: '192.168.1.37',
      transport: 'grpc',
      capabilities: ['echo'],
      asksThrough: null,
      queue: { waiting: 0, running: 0 },
    },
    certificate: { fingerprint: 'sha256:00', notAfter: '2027-02-20T04:46:02.000Z', daysLeft: 90 },
    ...{ rival: null, ephemeralMs: null, replaces: null },
    ...{ pairedAt: '2026-10-04T00:00:00.000Z', pairedBy: 'eva' },
    ...over,
  };
}

const FLEET = [
  node({ name: 'pi-lab', labels: { site: 'lab', room: '2' } }),
  node({
    name: 'macbook',
    presence: 'offline',
    presenceReason: 'lost',
    lastSeenAt: '2026-11-22T02:00:00.000Z',
    version: '0.4.0',
    outdated: true,
  }),
  node({ name: 'new', presence: 'never-seen', lastSeenAt: null, capabilities: [] }),
];
const names = (nodes: readonly NodeView[]) => nodes.map(({ name }) => name);

describe('nodes for people', () => {
  it('have one word for their state everywhere', () => {
    assert.deepEqual(FLEET.map(statusOf), ['online', 'offline (lost)', 'never seen']);
  });

  it('make a table', () => {
    assert.deepEqual(formatTable(FLEET, tableColumns(NOW, { wide: false })), [
      'NAME      STATUS           SEEN   PLATFORM      VERSION   LABELS',
      'pi-lab    online           9 s    linux/arm64   0.4.1     room=2,site=lab',
      'macbook   offline (lost)   3 h    linux/arm64   0.4.0 ↑   —',
      'new       never seen       —      linux/arm64   0.4.1     —',
    ]);
    assert.match(
      formatTable(FLEET, tableColumns(NOW, { wide: true }))[0] ?? '',
      /ID +ADDRESS +TRANSPORT +CERT +CAPABILITIES +PURPOSE +GOES AFTER +QUEUE$/,
    );
  });

  it('give any field of their JSON form to scripts', () => {
    const lines = formatTsv(FLEET, fieldColumns(['name', 'lastSeenAt', 'certificate.daysLeft', 'capabilities', 'age']));
    assert.equal(lines[1], 'macbook\t2026-11-22T02:00:00.000Z\t90\techo\toutdated');
    assert.equal(lines[2], 'new\t-\t90\t-\tcurrent');
    assert.throws(() => formatTsv(FLEET, fieldColumns(['colour'])), { reason: 'USAGE_INVALID' });
  });

  it('are selected by state, labels and capability', () => {
    assert.deepEqual(names(selectNodes(FLEET, { status: 'offline,never seen' })), ['macbook', 'new']);
    assert.deepEqual(names(selectNodes(FLEET, { labels: 'site=lab,room!=3' })), ['pi-lab']);
    assert.deepEqual(names(selectNodes(FLEET, { labels: 'site!=lab' })), ['macbook', 'new']);
    assert.deepEqual(names(selectNodes(FLEET, { capability: 'echo' })), ['pi-lab', 'macbook']);
    assert.throws(() => selectNodes(FLEET, { status: 'happy' }), { reason: 'USAGE_INVALID' });
    assert.throws(() => selectNodes(FLEET, { labels: 'site' }), { reason: 'USAGE_INVALID' });
  });

  it('are sorted by name unless told otherwise, and by name within the same', () => {
    assert.deepEqual(names(sortNodes(FLEET, 'name')), ['macbook', 'new', 'pi-lab']);
    assert.deepEqual(names(sortNodes(FLEET, 'seen')), ['pi-lab', 'macbook', 'new']);
    assert.deepEqual(names(sortNodes(FLEET, 'version')), ['macbook', 'new', 'pi-lab']);
    assert.deepEqual(names(sortNodes(FLEET, 'status')), ['pi-lab', 'macbook', 'new']);
  });

  it('tell their story on one screen, with nothing a terminal would obey', () => {
    const lines = nodeReport(
      {
        node: node({ hostname: 'evil\u001b[2J' }),
        capabilities: [{ name: 'echo', mediation: 'none', granted: true }],
        recentDispatches: [],
      },
      NOW,
    );
    assert.equal(lines[0], 'pi-lab · online for 3 h 12 min · paired 2026-10-04 by eva');
    assert.ok(lines.every((line) => !line.includes('\u001b')));
    assert.ok(lines.includes('  can do      echo'));
  });

  it('say why they are gone and when they were gone before', () => {
    const at = (time: string) => new Date(`2026-11-21T${time}`).toISOString();
    const past = { to: at('20:00:30'), reason: 'paused', message: 'it slept', times: 1 } as const;
    const report = (absences: Parameters<typeof nodeReport>[0]['absences']) =>
      nodeReport(
        { node: node({}), capabilities: [], recentDispatches: [], ...(absences === undefined ? {} : { absences }) },
        NOW,
      );
    const lines = report([
      { from: at('21:00:00'), to: null, reason: 'lost', message: 'the connection was lost', times: 1 },
      { from: at('20:00:00'), ...past },
      ...Array.from({ length: 8 }, () => ({ from: at('19:59:58.500'), ...past, to: at('20:00:00'), times: 7 })),
    ]);
    assert.equal(lines[1], '  why         the connection was lost · since Nov 21 21:00:00');
    const first = lines.indexOf('  was away    Nov 21 20:00:00 for 30.0 s: it slept');
    assert.deepEqual(
      lines.slice(first + 1).filter((line) => line.startsWith(' '.repeat(14))),
      Array.from(
        { length: 4 },
        () => `${' '.repeat(14)}Nov 21 19:59:58 for 1.5 s: it slept · lost 7 times in that time`,
      ),
    );
    assert.ok(!report([{ from: at('20:00:00'), ...past }]).some((line) => line.startsWith('  why')));
    assert.deepEqual(report(undefined), report([]), 'an older daemon does not tell');
  });
});
