/**
 * The terminal UI of a daemon on another machine, over HTTPS and with the credentials people have there: a session of an operator, a token that may do less,
 * the owner beside the daemon. Logins that ask are answered where they belong; what the role does not allow is not offered.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Sandbox, type RunningProcess } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';
import { HAS_TMUX, Tmux } from '../support/tmux.js';

const PASSWORD = 'correct horse battery';
const SIZE = { columns: 110, rows: 30 };

describe('palyra tui of another machine', function () {
  this.timeout(180_000);
  // Each step stands on the one before.
  stepByStep(this);
  let sandbox: Sandbox;
  let window: Tmux;
  let url: string;
  let machine: RunningProcess;

  const laptop = { home: 'laptop' };
  const done = async (args: readonly string[], options: Parameters<Sandbox['json']>[1] = {}) => {
    const { code, document } = await sandbox.json(args, options);
    assert.equal(code, 0, JSON.stringify(document));
    return document;
  };
  const startLogin = async (home: string, args: readonly string[] = []): Promise<[RunningProcess, string]> => {
    const login = sandbox.spawn(['login', url, ...args], { home, timeoutMs: 120_000 });
    await login.line(/Waiting for a person/);
    const pin = /PIN {3}(\d{3} \d{3})\n/.exec(login.stderr)?.[1]?.replace(' ', '');
    assert.ok(pin !== undefined, login.stderr);
    return [login, pin];
  };
  const wrong = (pin: string) => `${(Number(pin[0]) + 1) % 10}${pin.slice(1)}`;
  const tui = async (home: string, args: string) => {
    window?.dispose();
    window = await Tmux.palyra(sandbox, SIZE, { PALYRA_HOME: sandbox.home(home) });
    window.run(`$P tui ${args}; echo exit $?`);
  };

  before(async function () {
    if (!HAS_TMUX) this.skip();
    sandbox = new Sandbox();
    url = (await sandbox.startDaemon()).urls.public;
    await sandbox.joinNode('nas');
    await done(['operators', 'create', 'max', '--role', 'operator', '--password-stdin'], { input: `${PASSWORD}\n` });
    const words = /[0-9A-Z]{4}( [0-9A-Z]{4}){3}/.exec((await sandbox.run(['daemon', 'status'])).stdout)![0];
    const pinned = ['--fingerprint', words];
    await done(['login', url, '--name', 'home', '--operator', 'max', '--password-stdin', ...pinned], {
      ...laptop,
      input: `${PASSWORD}\n`,
    });
    const file = join(sandbox.directory, 'token');
    const scopes = 'nodes:read,events:read,dispatches:read,invoke:echo';
    await done(['tokens', 'create', 'wall', '--scope', scopes, '--out', file], laptop);
    await done(['login', url, '--name', 'wall', '--token-file', file], laptop);
  });
  after(async () => {
    window?.dispose();
    await sandbox?.dispose();
  });

  it('shows the fleet to a token, runs what it may run, and tells what it may not', async () => {
    await tui('laptop', '--context wall');
    const screen = await window.until(/● live[^]*▸ nas +● online/);
    assert.match(screen, /^ palyra {2}\S+ \(wall\) · .*max \(operator, token\)/);
    assert.match(screen, /= palyra nodes show nas --context wall/);
    assert.doesNotMatch(screen, /n new node/);
    window.press('i');
    await window.until(/▸ echo/);
    window.press('Enter');
    await window.until(/▸ text/);
    window.type('from afar');
    window.press('Enter');
    await window.until(/✓ nas · echo[^]*from afar/);
    window.press('Escape', 'Escape', 'Escape', 'a');
    await window.until(/the token lacks the scope approvals:read/);
    window.press('n');
    await window.until(/✗ Inviting machines takes the role approver/);
    window.press('q');
    await window.until(/exit 0/);
  });

  it('leaves machines that ask to whoever may let them in', async () => {
    machine = sandbox.spawn(['node', 'run', new URL(url).host, '--name', 'win-pc'], {
      home: 'win',
      timeoutMs: Infinity,
    });
    await machine.line(/Waiting for a person/);
    await tui('laptop', '--context home');
    const screen = await window.until(/win-pc +\? asking to join/);
    assert.match(screen, /\(home\) · .*max \(operator\)/);
    assert.doesNotMatch(screen, /waiting for you|n new node/);
    window.press('a');
    await window.until(/elsewhere \(read only\): join as "win-pc"/);
    window.press('Enter');
    await window.until(/✗ This takes the role approver; you are operator/);
    window.press('r');
    await window.until(/✗ This takes the role approver; you are operator/);
  });

  it('lets an operator in on another of their machines, after a wrong PIN was refused', async () => {
    const [login, pin] = await startLogin('phone', ['--operator', 'max']);
    await window.until(/1 waiting[^]*log in as max/);
    window.press('Home');
    await window.until(/▸ \S+ +log in as max[^]*as {5}max: the program can do what max can do/);
    window.press('Enter');
    await window.until(/PIN shown by palyra login on \S+ {2}_ _ _/);
    window.type(wrong(pin));
    window.press('Enter');
    await window.until(/✗ .*(wrong|not the PIN)/i);
    window.type(pin);
    window.press('Enter');
    await window.until(/✓ palyra on \S+ is logged in as max/);
    const { code, stderr } = await login.finished;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Logged in as max \(operator\)/);
  });

  it('finds the context of an address, and goes when the session is ended', async () => {
    window.press('q');
    await window.until(/exit 0/);
    await done(['context', 'use', 'home'], laptop);
    await tui('laptop', `--daemon ${url}`);
    await window.until(/\(home\) · [^]*● live/);
    await done(['operators', 'role', 'max', 'viewer']);
    await window.until(/exit 4/);
    assert.match(window.history, /✗ .*session/i);
    assert.equal(window.ask('#{alternate_on}'), '0');
  });

  it('is read-only for viewers', async () => {
    await done(['login', url, '--name', 'home', '--operator', 'max', '--password-stdin'], {
      ...laptop,
      input: `${PASSWORD}\n`,
    });
    await tui('laptop', '');
    await window.until(/max \(viewer\) +read-only +● live/);
    for (const key of ['i', 'n', 'x', 'w']) {
      window.press(key);
      await window.until(/✗ Read-only: you are a viewer here/);
      window.press('Down');
      await window.until(/= palyra nodes show/);
    }
    window.press('q');
    await window.until(/exit 0/);
  });

  it('rejects a login beside the daemon and says why, and lets one in as somebody else', async () => {
    await tui('daemon', '');
    const [first] = await startLogin('stranger');
    await window.until(/2 waiting/);
    window.press('a', 'End', 'r');
    await window.until(/Why\? The program is told:/);
    window.type('not you');
    window.press('Enter');
    await window.until(/✓ Login on \S+ rejected/);
    assert.equal((await first.finished).code, 7);
    const [second, pin] = await startLogin('bot');
    await window.until(/log in +\d+ s/);
    window.press('End', 'e');
    await window.until(/Log in as \(name of an operator\):/);
    window.type('max');
    window.press('Enter');
    await window.until(/as {5}max: the program can do what max can do/);
    window.press('Enter');
    await window.until(/PIN shown by palyra login/);
    window.type(pin);
    window.press('Enter');
    await window.until(/✓ palyra on \S+ is logged in as max/);
    assert.match((await second.finished).stderr, /Logged in as max \(viewer\)/);
    window.press('q');
    await window.until(/exit 0/);
  });

  it('answers a login in lines too', async () => {
    await tui('daemon', '--screen-reader');
    await window.until(/1 asking to join\. 1 request for you to answer\.[^]*>$/);
    const [login, pin] = await startLogin('tablet', ['--operator', 'max']);
    await window.until(/palyra on \S+ asks to log in as max\. Type 2 to answer\./);
    window.run('2');
    await window.until(/1 of 2\. win-pc asks to join/);
    window.run('');
    await window.until(/2 of 2\. palyra on \S+ asks to log in as max\.[^]*Type the PIN to approve/);
    window.run(wrong(pin));
    await window.until(/wrong|not the PIN/i);
    window.run(pin);
    await window.until(/palyra on \S+ is logged in as max/);
    assert.equal((await login.finished).code, 0);
    await machine.end('SIGKILL');
    window.run('q');
    await window.until(/exit 0/);
  });
});
