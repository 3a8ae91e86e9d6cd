import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { HttpsServer } from '../support/https-server.js';
import { askTls } from '../support/login-client.js';
import { Sandbox, type Document, type RunningProcess, type RunOptions } from '../support/palyra.js';
import { secretsBelow, textSecret, type Secret } from '../support/secret-search.js';
import { stepByStep } from '../support/step-by-step.js';

const PASSWORD = 'canary-of-passwords-7Q';

describe('the command line on another machine', function () {
  this.timeout(180_000);
  // Each step stands on the one before.
  stepByStep(this);
  let sandbox: Sandbox;
  let url: string;
  let port: string;
  /** The identity words that palyra daemon status shows. */
  let words: string;
  /** Everything any command printed. */
  let printed = '';
  const secrets: Secret[] = [textSecret('password', [PASSWORD])];

  before(async () => {
    sandbox = new Sandbox();
    const started = await sandbox.startDaemon();
    url = started.urls.public;
    port = new URL(url).port;
    words = /[0-9A-Z]{4}( [0-9A-Z]{4}){3}/.exec((await sandbox.run(['daemon', 'status'])).stdout)?.[0] ?? '';
  });
  after(() => sandbox.dispose());

  const away = (options: RunOptions = {}): RunOptions => ({ home: 'laptop', ...options });
  /** On the laptop. */
  const run = async (args: readonly string[], options: RunOptions = {}) => {
    const finished = await sandbox.run(args, away(options));
    printed += finished.stdout + finished.stderr;
    return finished;
  };
  const json = async (
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<{ code: number | null; document: Document }> => {
    const { code, document } = await sandbox.json(args, away(options));
    assertDocument(document);
    return { code, document };
  };
  const failsWith = async (args: readonly string[], exit: number, reason: string, options: RunOptions = {}) => {
    const { code, document } = await json(args, options);
    assert.deepEqual([code, document.error?.code], [exit, reason], JSON.stringify(document));
    const people = await run(args, options);
    assert.equal(people.code, exit);
    return document.error;
  };
  const startLogin = async (args: readonly string[], home = 'laptop'): Promise<[RunningProcess, string, string]> => {
    const login = sandbox.spawn(['login', ...args], { home, timeoutMs: 60_000 });
    await login.line(/Waiting for a person/);
    const pin = /PIN {3}(\d{3} \d{3})\n/.exec(login.stderr)?.[1];
    const id = /palyra approvals approve ([0-9A-Z]{6}) /.exec(login.stderr)?.[1];
    assert.ok(pin !== undefined && id !== undefined, login.stderr);
    return [login, id, pin];
  };
  const credentialFile = (context: string) => join(sandbox.home('laptop'), 'state', 'credentials', `${context}.json`);

  it('logs in with the PIN that a person types where the daemon is', async () => {
    const [login, id, pin] = await startLogin([url, '--name', 'nas']);
    assert.match(
      login.stderr,
      new RegExp(`identity ${words} {3}\\(new to this machine; compare with: palyra daemon status\\)`),
    );
    assert.match(login.stderr, new RegExp(`${url}/a/${id}`));
    const approved = await sandbox.json(['approvals', 'approve', id, '--pin', pin]);
    assert.equal(approved.code, 0, JSON.stringify(approved.document));
    const { code, stderr } = await login.finished;
    printed += stderr;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Logged in as .+ \(owner\)\. Context "nas" is now current\./);
    const { document } = await json(['whoami', '--sessions']);
    assert.deepEqual(
      [document.role, document.credential, document.context, document.contextSource, document.sessions.length],
      ['owner', 'session', 'nas', 'current context', 1],
    );
    assert.ok(!('csrfToken' in document));
    assert.match((await run(['whoami'])).stdout, /\(owner\) at https:\/\/127/);
  });

  it('keeps the credential where only its owner can read it', () => {
    assert.equal(statSync(credentialFile('nas')).mode & 0o777, 0o600);
    assert.equal(statSync(join(sandbox.home('laptop'), 'state', 'credentials')).mode & 0o777, 0o700);
    const cookie = /"value":"([^"]+)"/.exec(readFileSync(credentialFile('nas'), 'utf8'))?.[1];
    assert.ok(cookie !== undefined);
    secrets.push(textSecret('cookie', [cookie, cookie.slice(-32)]));
  });

  it('lists, invites and invokes as on the machine itself', async () => {
    const { document } = await json(['node', 'pair', '--name', 'pi']);
    await sandbox.startNode('pi', [document.invite.link]);
    assert.deepEqual(
      (await json(['nodes', 'list'])).document.nodes.map(({ name }: { name: string }) => name),
      ['pi'],
    );
    const invoked = await json(['nodes', 'invoke', 'pi', 'echo', 'text=hello']);
    assert.equal(invoked.code, 0);
    assert.equal(invoked.document.dispatch.node, 'pi');
    const watch = sandbox.spawn(['nodes', 'watch', '--json'], away({ timeoutMs: 30_000 }));
    await new Promise<void>((resolve) => watch.child.stdout?.once('data', () => resolve()));
    await watch.end('SIGINT');
    assert.equal(JSON.parse(watch.stdout.split('\n')[0] ?? '').type, 'snapshot');
    assert.match((await run(['approvals', 'list', '--all'])).stdout, /log in/);
  });

  it('takes commands about this machine for what they are', async () => {
    const here = await json(['status']);
    assert.equal(here.document.daemon, null);
    assert.equal((await json(['daemon', 'status'])).document.running, false);
    await failsWith(['daemon', 'stop', '--context', 'nas'], 2, 'USAGE_INVALID');
    await failsWith(['nodes', 'list', '-c', 'local'], 5, 'DAEMON_NOT_RUNNING');
    await failsWith(['nodes', 'list', '-c', 'nowhere'], 3, 'CONTEXT_NOT_FOUND');
    await failsWith(['nodes', 'list', '-c', 'nas', '--daemon', url], 2, 'USAGE_INVALID');
    assert.equal((await json(['--context', 'nas', 'nodes', 'list'])).code, 0);
  });

  it('says aloud which daemon it speaks to, and why', async () => {
    const shown = await json(['context', 'show']);
    assert.deepEqual(
      [shown.document.context.name, shown.document.contextSource, shown.document.context.identity],
      ['nas', 'current context', words],
    );
    assert.equal((await json(['context', 'use', 'local'])).document.changed, true);
    await failsWith(['nodes', 'list'], 5, 'DAEMON_NOT_RUNNING');
    const env = { PALYRA_CONTEXT: 'nas' };
    assert.equal((await json(['nodes', 'list'], { env })).code, 0);
    const used = await json(['context', 'use', 'local'], { env });
    assert.match(used.document.warnings[0], /PALYRA_CONTEXT=nas is set/);
    assert.equal((await json(['whoami'], { env })).document.contextSource, 'PALYRA_CONTEXT');
    assert.equal((await json(['nodes', 'list', '--daemon', url])).code, 0);
    await json(['context', 'use', 'nas']);
    const list = await json(['context', 'list']);
    assert.deepEqual(
      list.document.contexts.map(({ name, current }: Document) => [name, current]),
      [
        ['local', false],
        ['nas', true],
      ],
    );
    assert.match((await run(['context'])).stdout, /^\* +nas/m);
  });

  it('adds an operator, who logs in with a password from stdin', async () => {
    const created = await json(['operators', 'create', 'max', '--role', 'operator', '--password-stdin'], {
      input: `${PASSWORD}\n`,
    });
    assert.equal(created.code, 0, JSON.stringify(created.document));
    assert.match((await run(['operators', 'list'])).stdout, /max +operator +active +yes/);
    await failsWith(['login', url, '--operator', 'max', '--password-stdin'], 4, 'LOGIN_REFUSED', {
      input: 'not-the-password\n',
    });
    const args = ['login', url, '--name', 'max', '--operator', 'max', '--password-stdin', '--fingerprint', words];
    const { code, document } = await json(args, { input: `${PASSWORD}\n` });
    assert.deepEqual([code, document.operator, document.credential], [0, 'max', 'session']);
    await failsWith(['audit', 'list'], 4, 'PERMISSION_DENIED');
    await failsWith(['login', '--operator', 'max', '--password'], 2, 'USAGE_INVALID');
  });

  it('gives a script a token that can do no more than it was given', async () => {
    const file = join(sandbox.directory, 'token');
    const made = await json(['tokens', 'create', 'ci', '--scope', 'nodes:read,invoke:echo', '--out', file]);
    assert.deepEqual([made.code, made.document.secret, made.document.file], [0, null, file]);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const token = readFileSync(file, 'utf8').trim();
    secrets.push(textSecret('token', [token, token.slice(-32)]));
    await failsWith(['tokens', 'create', 'ci', '--scope', 'nodes:read', '--out', file], 2, 'USAGE_INVALID');
    assert.match((await run(['tokens', 'list'])).stdout, /tok_\w+ +ci +max +invoke:echo, nodes:read/);

    // From the environment, with the identity behind the address and nothing stored at all.
    const { daemon } = (await json(['whoami'])).document;
    const env = { PALYRA_DAEMON: `${url}#${daemon.caFingerprint}`, PALYRA_TOKEN: token };
    const bare = await sandbox.json(['nodes', 'list'], { home: 'runner', env });
    assert.equal(bare.code, 0, JSON.stringify(bare.document));
    const who = await sandbox.json(['whoami'], { home: 'runner', env });
    assert.deepEqual([who.document.credentialSource, who.document.context], ['PALYRA_TOKEN', null]);
    const echo = await sandbox.json(['nodes', 'invoke', 'pi', 'echo', 'text=hi'], { home: 'runner', env });
    assert.equal(echo.code, 0, JSON.stringify(echo.document));
    const health = await sandbox.json(['nodes', 'invoke', 'pi', 'system.health'], { home: 'runner', env });
    assert.deepEqual([health.code, health.document.error.code], [4, 'SCOPE_MISSING']);
    const other = { ...env, PALYRA_DAEMON: `${url}#sha256:${'0'.repeat(64)}` };
    const refused = await sandbox.json(['nodes', 'list'], { home: 'runner', env: other });
    assert.deepEqual([refused.code, refused.document.error.code], [5, 'DAEMON_IDENTITY_CHANGED']);

    const login = await json(['login', url, '--name', 'ci', '--token-file', file]);
    assert.deepEqual([login.code, login.document.credential], [0, 'token']);
    const again = await json(['login', url, '--name', 'ci'], { env: { PALYRA_TOKEN_FILE: file } });
    assert.equal(again.code, 0, JSON.stringify(again.document));
    const id = made.document.token.id;
    assert.equal((await json(['tokens', 'revoke', id, '-c', 'max'])).document.changed, true);
    await failsWith(['nodes', 'list', '-c', 'ci'], 4, 'TOKEN_REFUSED');
    await failsWith(['login', url, '--name', 'ci', '--token-file', file], 4, 'TOKEN_REFUSED');
    assert.match((await json(['logout', '-c', 'ci'])).document.warnings[0], /stays valid/);
    assert.equal((await json(['context', 'remove', 'ci'])).code, 0);
  });

  it('changes operators from afar', async () => {
    const nas = ['-c', 'nas'];
    assert.equal((await json(['operators', 'role', 'max', 'viewer', ...nas])).document.operator.role, 'viewer');
    // A role that may do less ends the sessions that began with the other one.
    await failsWith(['nodes', 'list', '-c', 'max'], 4, 'SESSION_ENDED');
    assert.equal(
      (await json(['operators', 'password', 'max', '--remove', ...nas])).document.operator.hasPassword,
      false,
    );
    assert.equal((await json(['operators', 'disable', 'max', ...nas])).document.operator.state, 'disabled');
    const { code } = await json(['nodes', 'list', '-c', 'max']);
    assert.equal(code, 4);
    assert.equal((await json(['operators', 'enable', 'max', ...nas])).document.operator.state, 'active');
    await failsWith(['operators', 'remove', 'max', ...nas], 2, 'CONFIRMATION_REQUIRED');
    assert.equal((await json(['operators', 'remove', 'max', '--yes', ...nas])).code, 0);
    await json(['context', 'rename', 'max', 'old']);
    assert.equal((await json(['context', 'remove', 'old'])).document.current, 'local');
    await json(['context', 'use', 'nas']);
  });

  it('ends with what the person said, and with the time', async () => {
    const [login, id] = await startLogin([url, '--name', 'second'], 'phone');
    await sandbox.json(['approvals', 'reject', id, '--reason', 'not you']);
    const { code, stderr } = await login.finished;
    assert.equal(code, 7, stderr);
    assert.match(stderr, /✗ The login was rejected/);
    const short = await sandbox.run(['login', url, '--timeout', '1s'], { home: 'phone' });
    assert.equal(short.code, 8, short.stderr);
    const [stopped] = await startLogin([url], 'phone');
    const end = await stopped.end('SIGINT');
    assert.equal(end.code, 130, end.stderr);
    await failsWith(['login', url], 2, 'USAGE_INVALID', { env: { PALYRA_JSON: '1' } });
  });

  it('shows another PIN when somebody sits in between', async () => {
    const between = await HttpsServer.start();
    between.answer = ({ method, path, headers, body }, response) => {
      const onward = httpsRequest(
        {
          host: '127.0.0.1',
          port,
          method,
          path,
          headers: { ...headers, host: `127.0.0.1:${port}` },
          rejectUnauthorized: false,
        },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
        },
      );
      onward.on('error', () => response.destroy());
      onward.end(body);
    };
    try {
      const [login, id, pin] = await startLogin([between.url], 'victim');
      const { code, document } = await sandbox.json(['approvals', 'approve', id, '--pin', pin]);
      assert.deepEqual([code, document.error.code], [4, 'PIN_WRONG']);
      await login.end('SIGINT');
    } finally {
      await between.stop();
    }
  });

  it('ends the session at logout: the old cookie is refused', async () => {
    const kept = readFileSync(credentialFile('nas'), 'utf8');
    const copy = { cookie: `__Host-palyra=${/"value":"([^"]+)"/.exec(kept)?.[1] ?? ''}` };
    assert.equal((await askTls(Number(port), { path: '/v1/nodes', headers: copy })).status, 200);
    const { document } = await json(['logout']);
    assert.deepEqual([document.context, document.changed, document.told], ['nas', true, true]);
    await failsWith(['nodes', 'list'], 4, 'UNAUTHENTICATED');
    assert.equal((await json(['logout'])).document.changed, false);
    // By nothing but a request with the cookie, as somebody who copied it would.
    const copied = await askTls(Number(port), { path: '/v1/nodes', headers: copy });
    assert.deepEqual([copied.status, copied.json.reason], [401, 'SESSION_ENDED']);
    writeFileSync(credentialFile('nas'), kept, { mode: 0o600 });
    const { code, document: refused } = await json(['nodes', 'list']);
    assert.deepEqual([code, ['SESSION_ENDED', 'UNAUTHENTICATED'].includes(refused.error.code)], [4, true]);
    await json(['logout']);
  });

  it('refuses another daemon at the address, until it is told to forget the first', async () => {
    await sandbox.run(['daemon', 'stop', '--now']);
    sandbox.manage('impostor');
    const ports = ['--port', port, '--node-port', '0', '--console-port', '0'];
    const started = await sandbox.json(['daemon', 'start', ...ports], { home: 'impostor' });
    assert.equal(started.code, 0, JSON.stringify(started.document));
    await failsWith(['nodes', 'list'], 5, 'DAEMON_IDENTITY_CHANGED');
    const error = await failsWith(
      ['login', url, '--token-file', join(sandbox.directory, 'token')],
      5,
      'DAEMON_IDENTITY_CHANGED',
    );
    assert.match(error.hint, /palyra context remove nas/);
    await failsWith(
      [
        'login',
        `127.0.0.1:${port}`,
        '--name',
        'b',
        '--fingerprint',
        words,
        '--token-file',
        join(sandbox.directory, 'token'),
      ],
      5,
      'DAEMON_IDENTITY_CHANGED',
    );
    await json(['context', 'remove', 'nas']);
    const [login, id, pin] = await startLogin([url]);
    assert.equal((await sandbox.json(['approvals', 'approve', id, '--pin', pin], { home: 'impostor' })).code, 0);
    assert.equal((await login.finished).code, 0);
  });

  it('leaves no password, cookie or token in outputs, logs or files that are not for it', () => {
    const excused = new Set([join(sandbox.directory, 'token'), credentialFile('nas'), credentialFile('127.0.0.1')]);
    assert.deepEqual(
      secretsBelow(sandbox.directory, secrets, (path) => excused.has(path)),
      [],
    );
    for (const secret of secrets) {
      for (const spelling of secret.spellings) assert.ok(!Buffer.from(printed).includes(spelling), secret.name);
    }
    assert.ok(secrets.length >= 3);
    assert.deepEqual(readdirSync(join(sandbox.home('laptop'), 'state', 'credentials')), ['127.0.0.1.json']);
  });
});
