/** The list of nodes as a document, against the schema that the command line itself publishes, for fleets of three sizes on a real daemon. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import type { Ajv, AnySchema, Options, ValidateFunction } from 'ajv';
import { assertDocument, assertLine } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { pairMachines } from '../support/fleet.js';
import { Sandbox } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

const Ajv2020 = createRequire(import.meta.url)('ajv/dist/2020.js') as { default: new (options: Options) => Ajv };

describe('nodes list --json', function () {
  this.timeout(180_000);
  // Each fleet is the one before and more.
  stepByStep(this);
  let sandbox: Sandbox;
  let published: ValidateFunction;
  const names: string[] = [];

  before(async () => {
    sandbox = new Sandbox();
    const ajv = new Ajv2020.default({ strict: false, validateFormats: false, allErrors: true });
    published = ajv.compile(JSON.parse((await sandbox.run(['schema', 'nodes.list'])).stdout) as AnySchema);
  });
  after(() => sandbox.dispose());

  it('would not pass the schema with a field missing or of another type', () => {
    const summary = { total: 0, online: 0, late: 0, offline: 0, asking: 0, revoked: 0, conflict: 0 };
    const document = { schema: 'palyra.nodes.list/v1', nodes: [] as unknown[], asking: [], summary, warnings: [] };
    assert.ok(published(document));
    for (const broken of [
      { ...document, summary: undefined },
      { ...document, nodes: [{ name: 'pi' }] },
    ])
      assert.ok(!published(JSON.parse(JSON.stringify(broken))));
  });

  for (const count of [0, 1, 1000]) {
    it(`is the document that is published for ${count} nodes`, async () => {
      if (count > 0) names.push(...(await pairMachines(sandbox.home('daemon'), count - names.length, `fleet${count}`)));
      await sandbox.startDaemon();
      const { code, document } = await sandbox.json(['nodes', 'list']);
      assert.equal(code, 0);
      published(document);
      assert.deepEqual(published.errors?.slice(0, 5) ?? [], []);
      assertDocument(document);
      assert.deepEqual(
        document.nodes.map(({ name }: { name: string }) => name),
        names.toSorted(),
      );
      assert.deepEqual([document.summary.total, document.summary.online], [count, 0]);

      // More than a pipe holds, and nobody reads until long after it was written.
      const slow = sandbox.spawn(['nodes', 'list', '--json']);
      slow.child.stdout?.pause();
      setTimeout(() => slow.child.stdout?.resume(), 2000);
      assert.equal(JSON.parse((await slow.finished).stdout).nodes.length, count);

      const quiet = await sandbox.run(['nodes', 'list', '--quiet']);
      assert.deepEqual(quiet.stdout.split('\n').slice(0, -1), names.toSorted());

      const watching = sandbox.spawn(['nodes', 'list', '--watch', '--json'], { timeoutMs: Infinity });
      await eventually(() => watching.stdout.includes('\n'), 'the snapshot');
      assert.equal((await watching.end('SIGINT')).code, 130);
      const [first = ''] = watching.stdout.split('\n');
      const snapshot = JSON.parse(first);
      assertLine('palyra.nodes.watch/v1', snapshot);
      assert.equal(snapshot.nodes.length, count);
      assert.equal((await sandbox.run(['daemon', 'stop'])).code, 0);
    });
  }
});
