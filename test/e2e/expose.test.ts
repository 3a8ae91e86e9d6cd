import assert from 'node:assert/strict';
import { assertDocument } from '../support/document-schemas.js';
import { Sandbox, type Document } from '../support/palyra.js';

const PORTS = ['--port', '0', '--node-port', '0', '--console-port', '0'];
const hostsOf = ({ listen }: Document) =>
  listen
    .filter(({ purpose }: Document) => purpose === 'public')
    .map(({ url }: Document) => new URL(url as string).hostname) as string[];

(process.platform === 'linux' ? describe : describe.skip)('daemon expose', function () {
  this.timeout(120_000);
  let sandbox: Sandbox;
  before(async () => {
    sandbox = new Sandbox();
    await sandbox.startDaemon();
  });
  after(() => sandbox.dispose());

  it('moves a running daemon, which stays there over restarts until a flag says otherwise for one run', async () => {
    const { code, document } = await sandbox.json(['daemon', 'expose', 'loopback', '127.0.0.2']);
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.equal(document.changed, true);
    assert.deepEqual(hostsOf((await sandbox.json(['daemon', 'status'])).document), ['127.0.0.1', '127.0.0.2']);
    assert.equal((await sandbox.json(['daemon', 'expose', '127.0.0.2', 'loopback'])).document.changed, false);
    await sandbox.json(['daemon', 'stop', '--now']);
    assert.deepEqual(hostsOf((await sandbox.json(['daemon', 'start', ...PORTS])).document).sort(), [
      '127.0.0.1',
      '127.0.0.2',
    ]);
    await sandbox.json(['daemon', 'stop', '--now']);
    const once = await sandbox.json(['daemon', 'start', ...PORTS, '--listen', 'loopback']);
    assert.deepEqual(hostsOf(once.document), ['127.0.0.1']);
  });

  it('tells people where it serves, and what an address that is none is', async () => {
    const people = await sandbox.run(['daemon', 'expose', '127.0.0.3']);
    assert.match(people.stderr, /✓ Serving https:\/\/127\.0\.0\.3:\d+\n! Other machines cannot reach/);
    const nowhere = await sandbox.json(['daemon', 'expose', 'nas.lan']);
    assert.deepEqual([nowhere.code, nowhere.document.error.code], [2, 'USAGE_INVALID']);
    const nothing = await sandbox.json(['daemon', 'expose']);
    assert.deepEqual([nothing.code, nothing.document.error.code], [2, 'USAGE_INVALID']);
  });
});
