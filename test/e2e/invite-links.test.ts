/** What can happen to an invite between two machines: it is pasted into a shell, opened by a preview, mistyped, used twice, used too late. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { delimiter, join } from 'node:path';
import { systemClock } from '../../src/lib/base/clock.js';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { invite as newInvite } from '../support/test-node.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { BIN, RunningProcess, Sandbox, type Document } from '../support/palyra.js';

const PREVIEWS = 100;

describe('an invite', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  /** A directory of the PATH, as npm makes one. */
  let installed: string;

  before(async () => {
    sandbox = new Sandbox();
    installed = join(sandbox.directory, 'bin');
    mkdirSync(installed);
    symlinkSync(BIN, join(installed, 'palyra'));
    daemon = await LiveDaemon.start(sandbox);
  });
  after(() => sandbox.dispose());

  const stateOf = async (invite: Document) =>
    (await daemon.with((client) => client.showInvite(invite.id as string))).state;

  for (const shell of ['bash', 'dash']) {
    it(`is pasted into ${shell} as it is printed, without quotes, and joins`, async function () {
      if (spawnSync(shell, ['-c', 'exit 0']).error !== undefined) return this.skip();
      const name = `by-${shell}`;
      const link = (await sandbox.run(['node', 'pair', '--name', name])).stdout.trim();
      assert.match(link, /^https:\S+$/);
      const env = { PATH: `${installed}${delimiter}${process.env['PATH']}`, PALYRA_HOME: sandbox.home(name) };
      const child = spawn(shell, ['-c', `exec palyra join ${link}`], { env });
      const joined = new RunningProcess(child, [`join (in ${shell})`], 30_000);
      try {
        await joined.line(/^● Online/m);
        assert.match(joined.stderr, new RegExp(`✓ Paired as "${name}"`));
      } finally {
        await joined.end('SIGTERM');
      }
    });
  }

  it(`is not spent by opening its page ${PREVIEWS} times, and the page does not repeat it`, async () => {
    const invite = await sandbox.invite(['--name', 'previewed']);
    const ca = await daemon.with((client) => client.caCertificate());
    const agent = new Agent({ keepAlive: true, ca, maxSockets: 4 });
    const spellings = [invite.link as string, (invite.link as string).replace(/\/j\/.*/, (path) => path.toUpperCase())];
    const opened = await Promise.all(
      Array.from({ length: PREVIEWS }, (_, index) => page(spellings[index % spellings.length]!, agent)),
    );
    agent.destroy();
    assert.deepEqual([...new Set(opened.map(({ status }) => status))], [200]);
    assert.equal(new Set(opened.map(({ body }) => body)).size, 1);
    assert.ok(!opened[0]!.body.includes(String(invite.code).replaceAll('-', '')));
    assert.equal(await stateOf(invite), 'open');
    const { code, document } = await sandbox.json(['node', 'pair', invite.link], { home: 'previewed' });
    assert.equal(code, 0, JSON.stringify(document));
    assert.equal(await stateOf(invite), 'used');
  });

  it('joins one machine: the same machine again is told so, another one is refused', async () => {
    const { link } = await sandbox.invite(['--name', 'single']);
    const first = await sandbox.json(['node', 'pair', link], { home: 'single' });
    const again = await sandbox.json(['node', 'pair', link], { home: 'single' });
    const other = await sandbox.json(['node', 'pair', link], { home: 'other' });
    assert.deepEqual([first.code, first.document.changed], [0, true]);
    assert.deepEqual([again.code, again.document.changed], [0, false]);
    assert.equal(again.document.node.id, first.document.node.id);
    assert.deepEqual([other.code, other.document.error.code], [78, 'INVITE_REFUSED']);
  });

  it('of which two machines try at once joins exactly one', async () => {
    const { link } = await sandbox.invite();
    const tries = await Promise.all(
      ['race-1', 'race-2', 'race-3'].map((home) => sandbox.json(['node', 'pair', link, '--name', home], { home })),
    );
    assert.deepEqual(tries.map(({ code }) => code).sort(), [0, 78, 78]);
    const refusals = tries.filter(({ code }) => code !== 0).map(({ document }) => document.error.code as string);
    assert.deepEqual(refusals, ['INVITE_REFUSED', 'INVITE_REFUSED']);
  });

  it('does not leave this machine when another daemon answers', async () => {
    const { link } = await sandbox.invite();
    const pin = /-([0-9A-Z]{26})$/.exec(link as string)![1]!;
    const wrong = (link as string).replace(pin, `${pin.slice(1)}${pin[0] === '0' ? '1' : '0'}`);
    const { code, document } = await sandbox.json(['node', 'pair', wrong], { home: 'careful' });
    assert.deepEqual([code, document.error.code], [5, 'DAEMON_IDENTITY_MISMATCH']);
    assert.ok(!JSON.stringify(document).includes(pin));
  });
});

describe('an invite that is not good', function () {
  this.timeout(60_000);
  const HOUR_MS = 3_600_000;
  let sandbox: Sandbox;
  let offsetMs = 0;
  let target: TestDaemon;

  beforeEach(async () => {
    sandbox = new Sandbox();
    const clock = { ...systemClock, now: () => systemClock.now() + offsetMs };
    offsetMs = 0;
    target = await startTestDaemon({}, { clock });
  });
  afterEach(async () => {
    await target.dispose();
    await sandbox.dispose();
  });

  it('is refused in the same words whether it is wrong, spent, revoked or expired, by link and by code', async () => {
    // Made an hour ago as far as the daemon is concerned.
    offsetMs = -HOUR_MS;
    const expired = await newInvite(target, { expiresInMs: 30_000 });
    offsetMs = 0;
    const [spent, revoked, open] = [await newInvite(target), await newInvite(target), await newInvite(target)];
    await target.daemon.runtime.invites.revoke({ kind: 'owner', name: 'tester' }, revoked.id);
    assert.equal((await sandbox.json(['node', 'pair', spent.link], { home: 'first' })).code, 0);
    const wrong = { link: open.link.replace(/\/j\/.{12}/, '/j/0123456789AB'), code: '0123-4567-89AB' };
    const place = `127.0.0.1:${target.ports.public}`;
    const answers: { told: unknown; tookMs: number }[] = [];
    for (const { link } of [wrong, spent, revoked, expired]) answers.push(await refusal([link]));
    assert.equal(new Set(answers.map(({ told }) => JSON.stringify(told))).size, 1, JSON.stringify(answers));
    const typed = await refusal([place, '--code-stdin'], wrong.code);
    assert.deepEqual(typed.told, answers[0]!.told);
    for (const { tookMs } of answers) assert.ok(tookMs >= 250);

    async function refusal(args: readonly string[], input?: string) {
      const began = performance.now();
      const home = `refused-${answers.length}`;
      const json = await sandbox.json(['node', 'pair', ...args], { home, ...(input === undefined ? {} : { input }) });
      assert.equal(json.code, 78, JSON.stringify(json.document));
      assert.equal(json.document.error.code, 'INVITE_REFUSED');
      return { told: json.document, tookMs: performance.now() - began };
    }
  });

  it('is not even looked at after five wrong codes from one address; an invite made after that is good', async () => {
    const before = await newInvite(target);
    const wrong = before.link.replace(/\/j\/.{12}/, '/j/0123456789AB');
    for (let tried = 0; tried < 5; tried++) {
      const { document } = await sandbox.json(['node', 'pair', wrong], { home: 'guesser' });
      assert.equal(document.error.code, 'INVITE_REFUSED');
    }
    const paused = await sandbox.json(['node', 'pair', before.link], { home: 'guesser' });
    assert.deepEqual([paused.code, paused.document.error.code], [8, 'PAIRING_THROTTLED']);
    const fresh = await newInvite(target);
    const { code, document } = await sandbox.json(['node', 'pair', fresh.link], { home: 'honest' });
    assert.equal(code, 0, JSON.stringify(document));
  });
});

function page(link: string, agent: Agent): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    get(link, { agent }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode, body }));
    }).on('error', reject);
  });
}
