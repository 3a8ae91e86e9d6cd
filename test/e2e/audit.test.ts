import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { Sandbox } from '../support/palyra.js';

describe('palyra audit', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;
  let file: string;
  before(async () => {
    sandbox = new Sandbox();
    file = join(sandbox.directory, 'audit.ndjson');
    await sandbox.startDaemon();
    for (const name of ['alpha', 'beta', 'gamma']) await sandbox.invite(['--name', name]);
    await sandbox.json(['invites', 'revoke', 'ZZZZZZ']);
  });
  after(() => sandbox.dispose());
  const lines = () => readFileSync(file, 'utf8').split('\n').slice(0, -1);
  const verifying = async (content: readonly string[], args: readonly string[] = []) => {
    const copy = join(sandbox.directory, 'copy.ndjson');
    writeFileSync(copy, content.map((line) => `${line}\n`).join(''));
    const { code, document } = await sandbox.json(['audit', 'verify', '--file', copy, ...args], { home: 'elsewhere' });
    return { code, document };
  };

  it('list shows who did what, for people and for programs', async () => {
    const { code, stdout } = await sandbox.run(['audit', 'list', '--since', '1h']);
    assert.equal(code, 0);
    assert.match(stdout, /^ENTRY +TIME +WHO +FROM +ACTION +ON +OUTCOME\n/);
    assert.match(stdout, /owner \S+ +local +invites\.revoke +inv_ZZZZZZ +INVITE_NOT_FOUND/);
    const listed = await sandbox.json(['audit', 'list', '--action', 'invites.', '--limit', '2']);
    assertDocument(listed.document);
    assert.equal(listed.document.entries.length, 2);
    assert.ok(listed.document.nextCursor > 1);
    const plain = await sandbox.run(['audit', 'list', '--plain', '--action', 'invites.revoke']);
    assert.equal(plain.stdout.trim().split('\t').length, 7);
    const nothing = await sandbox.json(['audit', 'list', '--actor', 'nobody']);
    assert.deepEqual([nothing.code, nothing.document.entries], [0, []]);
  });

  it('export writes the lines to stdout or to a new private file', async () => {
    const { code, stdout, stderr } = await sandbox.run(['audit', 'export']);
    assert.deepEqual([code, stderr], [0, '']);
    const exported = await sandbox.json(['audit', 'export', '--output', file]);
    assertDocument(exported.document);
    assert.equal(exported.document.entries, lines().length);
    assert.equal(readFileSync(file, 'utf8'), stdout);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const again = await sandbox.json(['audit', 'export', '--output', file]);
    assert.deepEqual([again.code, again.document.error.code], [2, 'USAGE_INVALID']);
  });

  it('verify asks the daemon, or checks a file where no daemon is', async () => {
    const live = await sandbox.json(['audit', 'verify']);
    assertDocument(live.document);
    assert.deepEqual([live.code, live.document.ok], [0, true]);
    const people = await sandbox.run(['audit', 'verify']);
    assert.match(people.stderr, /✓ \d+ entries, whole and unchanged\n {2}head \d+:[0-9a-f]{64}/);
    const whole = await verifying(lines());
    assertDocument(whole.document);
    assert.deepEqual([whole.code, whole.document.head], [0, live.document.head]);
  });

  it('verify names the first bad entry, with exit code 1', async () => {
    const good = lines();
    const changed = await verifying(good.with(1, good[1]!.replace('"ok"', '"no"')));
    assertDocument(changed.document);
    assert.deepEqual([changed.code, changed.document.ok, changed.document.firstBad.line], [1, false, 2]);
    const removed = await verifying(good.toSpliced(1, 1));
    assert.deepEqual([removed.code, removed.document.firstBad.seq], [1, 3]);
    const { head } = (await verifying(good)).document;
    const cut = await verifying(good.slice(0, -1), ['--head', `${head.seq}:${head.hash}`]);
    assert.deepEqual([cut.code, cut.document.firstBad.seq], [1, head.seq]);
    const people = await sandbox.run(['audit', 'verify', '--file', join(sandbox.directory, 'copy.ndjson')]);
    assert.equal(people.code, 0, 'nobody can know that the end is missing without the head');
  });

  it('verify finds damage in the files of a running daemon', async () => {
    const path = join(sandbox.home('daemon'), 'state', 'daemon', 'audit', 'audit.v1.log');
    const whole = readFileSync(path, 'utf8');
    writeFileSync(path, whole.replace('"beta"', '"bets"').replace('inv_', 'inw_'));
    const { code, stdout } = await sandbox.run(['audit', 'verify']);
    assert.equal(code, 1);
    assert.match(stdout, /^✗ line 1 ?(\(entry 1\))?: /);
    writeFileSync(path, whole);
    assert.equal((await sandbox.run(['audit', 'verify'])).code, 0);
  });

  it('refuses what is not a file and what is not a head', async () => {
    for (const args of [
      ['--file', join(sandbox.directory, 'nowhere')],
      ['--file', file, '--head', 'x'],
      ['--head', `1:${'0'.repeat(64)}`],
    ]) {
      assert.equal((await sandbox.json(['audit', 'verify', ...args])).code, 2);
    }
  });
});
