import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { Sandbox, type Document } from '../support/palyra.js';

const FREE = ['--port', '0', '--node-port', '0', '--console-port', '0'];

describe('what is refused, and how it is told', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;

  beforeEach(() => (sandbox = new Sandbox()));
  afterEach(() => sandbox.dispose());

  const refused = async (args: readonly string[], code: string, exit: number, home = 'daemon'): Promise<Document> => {
    const { code: exitCode, document } = await sandbox.json(args, { home });
    assert.deepEqual([document.error?.code, exitCode], [code, exit], JSON.stringify(document));
    assertDocument(document);
    return document.error;
  };
  const stop = async () => assert.equal((await sandbox.json(['daemon', 'stop', '--now'])).code, 0);
  const journal = () => join(sandbox.home('daemon'), 'state', 'daemon', 'node-runtime.v1.journal');

  it('a port that is taken: which one, and which flag changes it', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    try {
      const args = ['daemon', 'start', '--port', '0', '--node-port', String(port), '--console-port', '0'];
      const error = await refused(args, 'PORT_IN_USE', 78);
      assert.match(error.message, new RegExp(String(port)));
      assert.match(`${error.message} ${error.hint}`, /--node-port/);
      assert.equal((await sandbox.json(['daemon', 'status'])).code, 5, 'nothing half-started remains');
    } finally {
      other.close();
    }
  });

  it('an address that is not one of this machine', async () => {
    await refused(['daemon', 'start', ...FREE, '--listen', '192.0.2.1'], 'ADDRESS_UNAVAILABLE', 78);
  });

  it('a second daemon on the same directory, naming the first', async () => {
    const { pid } = await sandbox.startDaemon();
    const error = await refused(['daemon', 'run', ...FREE], 'STATE_LOCKED', 78);
    assert.match(error.message, new RegExp(String(pid)));
    assert.equal((await sandbox.json(['daemon', 'status'])).document.pid, pid);
  });

  it('a state directory that others may read is put right, one of its files is refused', async () => {
    await sandbox.startDaemon();
    await stop();
    const key = join(sandbox.home('daemon'), 'state', 'daemon', 'identity', 'ca.key');
    chmodSync(key, 0o644);
    const error = await refused(['daemon', 'start', ...FREE], 'STATE_NOT_OWNED', 78);
    assert.match(error.message, /ca\.key/);
  });

  it('a journal that is damaged in the middle: nothing is changed; a torn tail is cut and nothing is lost', async () => {
    const invites = async () => ((await sandbox.json(['invites', 'list'])).document.invites as unknown[]).length;
    const kill = (pid: number) => process.kill(pid, 'SIGKILL');
    const first = await sandbox.startDaemon();
    for (const name of ['a', 'b', 'c']) await sandbox.invite(['--name', name]);
    kill(first.pid as number);
    appendFileSync(journal(), '0badc0de 99 {"torn');
    const second = await sandbox.startDaemon();
    assert.equal(await invites(), 3);
    for (const name of ['d', 'e', 'f']) await sandbox.invite(['--name', name]);
    kill(second.pid as number);
    const damaged = readFileSync(journal());
    assert.ok(damaged.length > 500, 'the journal holds the invites');
    damaged[Math.floor(damaged.length / 2)]! ^= 0x20;
    writeFileSync(journal(), damaged);
    const error = await refused(['daemon', 'start', ...FREE], 'STATE_CORRUPT', 78);
    assert.match(error.message, /node-runtime\.v1\.journal/);
    assert.deepEqual(readFileSync(journal()), damaged);
  });

  it('a path that is too long for a socket', async () => {
    await refused(['daemon', 'start', ...FREE], 'SOCKET_PATH_TOO_LONG', 78, 'x'.repeat(90));
  });

  it('a link of another daemon, before anything is sent to it', async () => {
    await sandbox.startDaemon();
    const { link } = await sandbox.invite();
    const error = await refused(
      ['node', 'pair', `${String(link).slice(0, -4)}0000`],
      'DAEMON_IDENTITY_MISMATCH',
      5,
      'pi',
    );
    assert.match(error.hint, /Do not go on/);
    const { document } = await sandbox.json(['invites', 'list']);
    assert.equal(document.invites[0].state, 'open');
  });

  it('a name that another machine has, at the invite and at the joining', async () => {
    await sandbox.startDaemon();
    await sandbox.joinNode('pi');
    await refused(['node', 'pair', '--name', 'pi'], 'NAME_TAKEN', 78);
    const { link } = await sandbox.invite();
    await refused(['node', 'pair', link, '--name', 'pi'], 'NAME_TAKEN', 78, 'other');
  });

  it('a second node on one machine, and a second daemon for one node', async () => {
    await sandbox.startDaemon();
    await sandbox.joinNode('pi');
    await refused(['node', 'run'], 'NODE_ALREADY_RUNNING', 78, 'pi');
    await sandbox.startDaemon({ home: 'other' });
    const { document } = await sandbox.json(['node', 'pair'], { home: 'other' });
    await refused(['node', 'pair', document.invite.link], 'NODE_ALREADY_PAIRED', 78, 'pi');
  });

  it('the same link again on the same machine is no error', async () => {
    await sandbox.startDaemon();
    const { link } = await sandbox.invite();
    const [first, again] = [
      await sandbox.json(['node', 'pair', link], { home: 'pi' }),
      await sandbox.json(['node', 'pair', link], { home: 'pi' }),
    ];
    assert.deepEqual([first.code, first.document.changed, again.code, again.document.changed], [0, true, 0, false]);
    assertDocument(first.document);
  });

  it('input that is too large, before it is sent', async () => {
    await sandbox.startDaemon();
    const input = JSON.stringify({ text: 'x'.repeat(600 * 1024) });
    const { code, document } = await sandbox.json(['nodes', 'invoke', 'pi', 'echo', '--input', '-'], { input });
    assert.deepEqual([code, document.error.code], [2, 'INPUT_TOO_LARGE']);
  });
});
