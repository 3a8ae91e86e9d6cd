import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Sandbox, type Document } from '../support/palyra.js';

/** Everything that must never be found where somebody else may look, with what may hold it. */
describe('secrets', function () {
  this.timeout(90_000);
  let sandbox: Sandbox;
  let invites: Document[];

  before(async () => {
    sandbox = new Sandbox();
    await sandbox.startDaemon();
    invites = [await sandbox.invite(['--name', 'a']), await sandbox.invite(['--name', 'b']), await sandbox.invite()];
    await sandbox.startNode('a', [], { env: { PALYRA_INVITE: invites[0].link, PALYRA_LOG_LEVEL: 'debug' } });
    const place = new URL(invites[1].link).host;
    await sandbox.startNode('b', [place, '--code-stdin'], { input: invites[1].code });
    const wrong = String(invites[2].link).replace(/\/j\/.{12}/, '/j/000000000000');
    await sandbox.json(['node', 'pair', wrong], { home: 'c' });
    await sandbox.json(['nodes', 'invoke', 'a', 'echo', 'text=hello']);
  });
  after(() => sandbox.dispose());

  const codes = () => invites.flatMap(({ code }) => [String(code), String(code).replaceAll('-', '')]);
  const files = (below: string): string[] =>
    readdirSync(join(sandbox.directory, below), { recursive: true })
      .map((name) => join(sandbox.directory, below, String(name)))
      .filter((path) => statSync(path).isFile());

  it('are in no file but the identity directories: no code, no private key', () => {
    for (const file of ['daemon', 'a', 'b', 'c'].flatMap(files)) {
      const text = readFileSync(file, 'latin1');
      for (const code of codes()) assert.ok(!text.includes(code), `${file} holds a code`);
      if (/\.key$/.test(file)) continue;
      assert.ok(!text.includes('PRIVATE KEY'), `${file} holds a private key`);
    }
  });

  it('lie in files and directories that only their owner can read', () => {
    for (const file of ['daemon', 'a', 'b'].flatMap(files)) {
      assert.equal(statSync(file).mode & 0o077, 0, file);
      assert.equal(statSync(join(file, '..')).mode & 0o077, 0, join(file, '..'));
    }
  });

  it('are in no command line and no environment of a process that runs on', function () {
    if (!existsSync('/proc/self/cmdline')) return this.skip();
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const [args, environment] = [readIfAllowed(`/proc/${pid}/cmdline`), readIfAllowed(`/proc/${pid}/environ`)];
      if (!args.includes('run.js') || !environment.includes(sandbox.directory)) continue;
      for (const code of codes()) assert.ok(!args.includes(code), args);
    }
  });
});

describe('an invite link', function () {
  this.timeout(60_000);
  const LINK = 'https://192.168.1.20:7443/j/K7QF2M9D4TXW-9Q3MZ8XHCV2R5T7WK4NBD6YJPE';

  for (const shell of ['bash', 'dash', 'sh', 'zsh', 'fish']) {
    it(`is one word in ${shell} without quotes`, function () {
      const { stdout, error } = spawnSync(shell, ['-c', `printf '<%s>' ${LINK}`], { encoding: 'utf8' });
      if (error !== undefined) return this.skip();
      assert.equal(stdout, `<${LINK}>`);
    });
  }

  it('is not spent by looking at its page, and a wrong, spent, revoked and expired code answer alike', async () => {
    const sandbox = new Sandbox();
    try {
      await sandbox.startDaemon();
      const [invite, revoked, short] = [
        await sandbox.invite(),
        await sandbox.invite(),
        await sandbox.invite(['--expires', '30s']),
      ];
      await sandbox.json(['invites', 'revoke', revoked.id]);
      const ca = readFileSync(join(sandbox.home('daemon'), 'state', 'daemon', 'identity', 'ca.crt'), 'utf8');
      const { Client } = await import('undici');
      const client = new Client(new URL(invite.link).origin, { connect: { ca } });
      const pages = new Set<string>();
      for (let index = 0; index < 100; index++) {
        const { body } = await client.request({ method: 'GET', path: new URL(invite.link).pathname });
        pages.add((await body.text()).replaceAll(/[0-9A-Z]{12}-[0-9A-Z]{26}/g, 'CODE'));
      }
      await client.close();
      assert.equal(pages.size, 1);
      const joined = await sandbox.json(['node', 'pair', invite.link], { home: 'first' });
      assert.equal(joined.code, 0, JSON.stringify(joined.document));
      const wrong = String(short.link).replace(/\/j\/.{12}/, '/j/000000000000');
      const refusals = [];
      for (const link of [invite.link, revoked.link, wrong]) {
        const { code, document } = await sandbox.json(['node', 'pair', link, '--name', 'x'], { home: 'second' });
        refusals.push(JSON.stringify([code, document.error.code, document.error.message]));
      }
      assert.equal(new Set(refusals).size, 1, refusals.join('\n'));
      assert.match(refusals[0] ?? '', /INVITE_REFUSED/);
    } finally {
      await sandbox.dispose();
    }
  });
});

function readIfAllowed(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
