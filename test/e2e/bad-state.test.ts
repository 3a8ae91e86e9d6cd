/** What is wrong with the machine: a port, a directory, the bytes of the state. The daemon does not start, says why, changes nothing, and starts when it is right again. */
import assert from 'node:assert/strict';
import { chownSync, lstatSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox } from '../support/palyra.js';
import { assertRefused, type Refusal } from '../support/refusals.js';

const NOBODY = 65_534;
const PORT_FLAGS = ['--port', '--node-port', '--console-port'];
const PORTS = PORT_FLAGS.flatMap((flag) => [flag, '0']);

describe('a daemon that must not start', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let snapshot: string;
  let journal: string;

  before(async () => {
    sandbox = new Sandbox();
    daemon = await LiveDaemon.start(sandbox);
    ({ snapshot, journal } = daemon.files);
    await daemon.pair('pi');
    await sandbox.invite();
  });
  after(() => sandbox.dispose());

  /** Both ways to start it say the same. */
  const refused = async (expected: Refusal, ports = PORTS) => {
    await assertRefused(sandbox, ['daemon', 'start', ...ports], expected);
    const { code, document } = await sandbox.json(['daemon', 'run', ...ports]);
    assert.deepEqual([code, document.error.code], [expected.exit, expected.reason]);
  };
  const stop = async () => assert.equal((await sandbox.json(['daemon', 'stop'])).code, 0);
  /** It starts, and knows what it knew. */
  const startsAgain = async () => {
    await daemon.startAgain();
    const { nodes } = await daemon.with((client) => client.listNodes());
    assert.deepEqual(
      nodes.map(({ name, trust }) => [name, trust]),
      [['pi', 'paired']],
    );
  };
  const asRoot = (work: () => Promise<void>) =>
    async function (this: Mocha.Context) {
      if (process.getuid?.() !== 0) return this.skip();
      await work();
    };

  it('beside another one on the same directory, which goes on', async () => {
    const says = new RegExp(`process ${daemon.pid} uses `);
    await assertRefused(sandbox, ['daemon', 'run', ...PORTS], { reason: 'STATE_LOCKED', exit: 78, says });
    assert.equal((await daemon.with((client) => client.daemonStatus())).pid, daemon.pid);
  });

  it('on a port that is taken, whichever it is', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    try {
      for (const flag of PORT_FLAGS) {
        const ports = PORT_FLAGS.flatMap((name) => [name, name === flag ? `${port}` : '0']);
        const expected = { reason: 'PORT_IN_USE', exit: 78, says: new RegExp(`${port}`), hints: /--port/ };
        await assertRefused(sandbox, ['daemon', 'start', ...ports], expected, { home: 'other' });
      }
    } finally {
      taken.close();
    }
    const { code, document } = await sandbox.json(['daemon', 'status'], { home: 'other' });
    assert.deepEqual([code, document.running], [5, false], 'nothing of it is left');
  });

  it('in a home whose path no socket can have', async () => {
    const expected = { reason: 'SOCKET_PATH_TOO_LONG', exit: 78, hints: /shorter PALYRA_HOME/ };
    await assertRefused(sandbox, ['daemon', 'start', ...PORTS], expected, { home: 'x'.repeat(100) });
  });

  it('on a journal with a changed byte in its middle: says which file and where, and keeps it', async () => {
    // Killed, because a clean stop leaves a snapshot and an empty journal.
    await daemon.kill();
    const good = readFileSync(journal);
    const bad = Buffer.from(good);
    // Not in the last record: that one could be a write which the crash cut short, and nobody was told of it.
    bad[Math.floor(good.lastIndexOf('\n', -2) / 2)]! ^= 0x01;
    writeFileSync(journal, bad);
    const says = /node-runtime\.v1\.journal.*\d/;
    await refused({ reason: 'STATE_CORRUPT', exit: 78, says, hints: /Nothing was changed/i });
    assert.deepEqual(readFileSync(journal), bad);
    writeFileSync(journal, good);
    await startsAgain();
  });

  it('on a snapshot with a changed byte', async () => {
    await stop();
    const good = readFileSync(snapshot);
    const bad = Buffer.from(good);
    bad[bad.length - 40]! ^= 0x01;
    writeFileSync(snapshot, bad);
    await refused({ reason: 'STATE_CORRUPT', exit: 78, says: /node-runtime\.v1\.json/ });
    assert.deepEqual(readFileSync(snapshot), bad);
    writeFileSync(snapshot, good);
    await startsAgain();
  });

  it('on a state that a newer version wrote', async () => {
    await stop();
    const good = readFileSync(snapshot, 'utf8');
    const newer = good.replace('"version":1,', '"version":2,');
    assert.notEqual(newer, good);
    writeFileSync(snapshot, newer);
    await refused({ reason: 'STATE_VERSION_UNSUPPORTED', exit: 78, says: /version 2/, hints: /Upgrade palyra/ });
    assert.equal(readFileSync(snapshot, 'utf8'), newer);
    writeFileSync(snapshot, good);
    await startsAgain();
  });

  it('on a state of which the newest snapshot was taken away', async () => {
    await stop();
    const away = `${snapshot}.away`;
    renameSync(snapshot, away);
    await refused({ reason: 'STATE_CORRUPT', exit: 78, says: /node-runtime\.v1\.json/ });
    renameSync(away, snapshot);
    await startsAgain();
  });

  it('in a directory behind a symbolic link', async () => {
    await stop();
    const { stateDirectory } = daemon;
    const real = `${stateDirectory}-real`;
    renameSync(stateDirectory, real);
    symlinkSync(real, stateDirectory);
    await refused({ reason: 'STATE_NOT_OWNED', exit: 78, says: /symbolic link/, hints: /0700/ });
    rmSync(stateDirectory);
    renameSync(real, stateDirectory);
    await startsAgain();
  });

  it(
    'in a directory, or on a file, of somebody else, which stays theirs',
    asRoot(async () => {
      await stop();
      for (const path of [daemon.stateDirectory, snapshot, join(daemon.stateDirectory, 'identity', 'ca.key')]) {
        const { uid } = lstatSync(path);
        chownSync(path, NOBODY, NOBODY);
        await assertRefused(sandbox, ['daemon', 'start', ...PORTS], { reason: 'STATE_NOT_OWNED', exit: 78 });
        assert.equal(lstatSync(path).uid, NOBODY);
        chownSync(path, uid, uid);
      }
      await startsAgain();
    }),
  );

  it(
    'and a node neither',
    asRoot(async () => {
      const directory = join(sandbox.home('pi'), 'state', 'node');
      for (const path of [directory, join(directory, 'device.key')]) {
        chownSync(path, NOBODY, NOBODY);
        await assertRefused(sandbox, ['node', 'run'], { reason: 'STATE_NOT_OWNED', exit: 78 }, { home: 'pi' });
        chownSync(path, 0, 0);
      }
      const node = await sandbox.startNode('pi');
      assert.equal((await node.end('SIGTERM')).code, 143);
    }),
  );
});
