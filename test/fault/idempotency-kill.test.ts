/** A request with an Idempotency-Key over a daemon that is killed: the same answer, done once, and nothing of it to be read in the state. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { processesBelow } from '../support/processes.js';
import { Sandbox, type Document } from '../support/palyra.js';
import { codeSecret, secretsBelow, textSecret } from '../support/secret-search.js';
import { ask } from '../support/test-daemon.js';

describe('a request under a key, over kill -9 of the daemon', function () {
  this.timeout(90_000);
  let sandbox: Sandbox;
  let daemon: Document;

  before(async () => {
    sandbox = new Sandbox();
    daemon = await sandbox.startDaemon();
  });
  after(() => sandbox.dispose());

  const post = (path: string, key: string, json: unknown = {}) => {
    const local: string = daemon.listen.find(({ purpose }: Document) => purpose === 'local').url;
    const headers = { 'idempotency-key': key };
    return ask({ socketPath: local.replace(/^unix:/, '') }, { method: 'POST', path, json, headers });
  };

  async function killAndStart(): Promise<void> {
    process.kill(daemon.pid, 'SIGKILL');
    daemon = await sandbox.startDaemon();
  }

  it('gets the same answer, secret and all, and is done once', async () => {
    const key = randomUUID();
    const tokenKey = randomUUID();
    const [shortKey, longBody] = ['short-key', { name: 'once', expiresInMs: 600_000 }];
    const first = await post('/v1/invites', key, longBody);
    assert.equal(first.status, 200, first.text);
    const token = await post('/v1/tokens', tokenKey, { name: 'ci', scopes: ['nodes:read'] });
    assert.equal(token.status, 200, token.text);
    const short = await post('/v1/invites', shortKey, { name: 'short' });
    const operator = await post('/v1/operators', randomUUID(), {
      ...{ name: 'max', role: 'viewer', password: 'correct horse battery staple' },
    });
    assert.equal(operator.status, 200, operator.text);
    await killAndStart();
    const again = await post('/v1/invites', key, longBody);
    assert.deepEqual([again.status, again.text], [200, first.text]);
    assert.equal((await post('/v1/tokens', tokenKey, { name: 'ci', scopes: ['nodes:read'] })).text, token.text);
    const other = await post('/v1/invites', key, { ...longBody, name: 'twice' });
    assert.deepEqual([other.status, other.json.reason], [409, 'IDEMPOTENCY_CONFLICT']);
    // Under a key that could be guessed only the mark was kept: it is refused, never done again.
    const gone = await post('/v1/invites', shortKey, { name: 'short' });
    assert.deepEqual([gone.status, gone.json.reason], [409, 'IDEMPOTENCY_ANSWER_GONE']);
    const { invites } = (await sandbox.json(['invites', 'list'])).document;
    assert.deepEqual(invites.map(({ name }: Document) => name).sort(), ['once', 'short']);
    await killAndStart();
    assert.equal((await post('/v1/invites', key, longBody)).text, first.text, 'also after a second one');

    const secrets = [
      codeSecret('the code of the invite', first.json.invite.code),
      codeSecret('the code under the short key', short.json.invite.code),
      textSecret('the secret of the token', [token.json.secret ?? token.json.token.secret]),
      textSecret('the password', ['correct horse battery staple']),
      textSecret('the key', [key, tokenKey]),
    ];
    assert.deepEqual(secretsBelow(join(sandbox.home('daemon'), 'state'), secrets), []);
    assert.equal(processesBelow(sandbox.directory).length, 1);
  });
});
