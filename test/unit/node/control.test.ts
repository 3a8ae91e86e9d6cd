import { strict as assert } from 'node:assert';
import { stat, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

import { readHostStatus, serveHostStatus } from '../../../src/lib/node/control.js';
import type { HostStatus } from '../../../src/lib/node/status.js';
import { rejectsWith } from '../../support/rejects-with.js';
import { temporaryDirectory } from '../../support/temporary.js';

describe("the node's status socket", () => {
  const home = temporaryDirectory();
  const path = () => join(home(), 'run', 'node.sock');
  const status: HostStatus = {
    pid: 7,
    version: '1.2.3',
    deviceId: 'nod_01JTEST',
    name: 'pi-lab',
    state: 'online',
    since: '2026-11-22T00:00:00.000Z',
    daemon: { name: 'nas', endpoint: '127.0.0.1:7444' },
    transport: { mode: 'auto', used: 'grpc', why: 'it is the best that works', failures: [] },
    rttMs: 0.4,
    beats: 3,
    attempts: 0,
    nextTryAt: null,
    lastError: null,
    certificate: { notAfter: '2026-12-22T00:00:00.000Z', renewsAt: '2026-12-12T00:00:00.000Z', problem: null },
    clock: null,
    capabilities: ['echo'],
    waiting: [],
    plugins: { loaded: 0, failed: [] },
    running: 0,
  };

  it('answers the status to whoever may open it, and is private', async () => {
    const close = await serveHostStatus(path(), () => status);
    assert.deepEqual(await readHostStatus(path()), status);
    assert.deepEqual(await Promise.all([readHostStatus(path()), readHostStatus(path())]), [status, status]);
    assert.equal((await stat(path())).mode & 0o777, 0o600);
    assert.equal((await stat(join(home(), 'run'))).mode & 0o777, 0o700);
    await close();
    assert.equal(await readHostStatus(path()), null);
  });

  it('takes the place of the socket of a process that was killed', async () => {
    const close = await serveHostStatus(path(), () => ({ ...status, pid: 1 }));
    const again = await serveHostStatus(path(), () => status);
    assert.equal((await readHostStatus(path()))?.pid, 7);
    await Promise.all([close(), again()]);
  });

  it('closes although somebody is connected who does not read', async () => {
    const close = await serveHostStatus(path(), () => status);
    const socket = connect(path());
    await new Promise((resolve) => socket.once('connect', resolve));
    await close();
    socket.destroy();
  });

  it('refuses to work in a directory that is not private', async () => {
    await symlink(home(), join(home(), 'link'));
    await rejectsWith(
      serveHostStatus(join(home(), 'link', 'node.sock'), () => status),
      'STATE_NOT_OWNED',
    );
  });

  it('finds no node where there is no socket, and says so when something else answers', async () => {
    assert.equal(await readHostStatus(join(home(), 'none.sock')), null);
    await writeFile(join(home(), 'file'), 'no socket');
    assert.equal(await readHostStatus(join(home(), 'file')), null);
    const stranger = createServer((socket) => socket.end('hello?'));
    const strange = join(home(), 'strange.sock');
    await new Promise<void>((resolve) => stranger.listen(strange, resolve));
    const error = await rejectsWith(readHostStatus(strange), 'DAEMON_UNREACHABLE');
    assert.match(error.message, /not a palyra node/);
    stranger.close();
  });
});
