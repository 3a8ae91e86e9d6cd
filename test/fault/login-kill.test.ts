/** A daemon that is killed while passwords are guessed: what was tried is not forgotten, so killing it buys no tries. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox } from '../support/palyra.js';
import { ask } from '../support/test-daemon.js';

const KILLS = 3;

describe('guessing passwords under SIGKILL', function () {
  this.timeout(120_000);
  let sandbox: Sandbox;
  before(() => (sandbox = new Sandbox()));
  after(() => sandbox.dispose());

  it('evaluates no more than without', async () => {
    const started = await sandbox.startDaemon({ home: 'daemon' });
    const daemon = LiveDaemon.of(sandbox, 'daemon', started);
    const socketPath = join(sandbox.home('daemon'), 'run', 'daemon.sock');
    const port = Number(new URL(started.urls.console as string).port);
    const json = { name: 'anna', role: 'viewer', password: 'correct horse battery' };
    const made = await ask({ socketPath }, { method: 'POST', path: '/v1/operators', json });
    assert.equal(made.status, 200, made.text);
    const begunAt = Date.now();
    let evaluated = 0;
    let throttled = 0;
    const guess = async () => {
      const { json: answer } = await ask(
        { port },
        { method: 'POST', path: '/v1/session', json: { operator: 'anna', password: 'x' } },
      );
      if (answer.reason === 'LOGIN_REFUSED') evaluated += 1;
      else throttled += 1;
    };
    const allowed = () => 5 + Math.floor((Date.now() - begunAt) / 50_000);
    for (let round = 0; round < KILLS; round++) {
      // One after another until two are through, then some at once, in the middle of which it dies.
      for (let n = 0; n < 2; n++) await guess();
      const caught = Array.from({ length: 3 }, () => guess().catch(() => undefined));
      await new Promise((resolve) => setTimeout(resolve, 30));
      await daemon.kill();
      await Promise.all(caught);
      await daemon.startAgain();
    }
    for (let n = 0; n < 10; n++) await guess();
    assert.ok(evaluated >= 2 && evaluated <= allowed(), `${evaluated} evaluated, ${allowed()} allowed`);
    assert.ok(throttled >= 10 - (allowed() - 5), `${throttled} refused unseen`);
  });
});
