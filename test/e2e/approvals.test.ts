import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { LoginClient } from '../support/login-client.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox, type RunningProcess } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

/** Shown by a machine that asks. */
interface Shown {
  readonly id: string;
  readonly pin: string;
}

describe('a machine without an invite', function () {
  this.timeout(120_000);
  // Each step stands on the one before.
  stepByStep(this);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let place: string;
  let asking: RunningProcess;
  let first: Shown;

  before(async () => {
    sandbox = new Sandbox();
    const started = await sandbox.startDaemon();
    daemon = LiveDaemon.of(sandbox, 'daemon', started);
    place = new URL(started.urls.public).host;
  });
  after(() => sandbox.dispose());

  const asks = async (home: string, args: readonly string[] = []): Promise<[RunningProcess, Shown]> => {
    const node = sandbox.spawn(['node', 'run', place, ...args], { home, timeoutMs: Infinity });
    await node.line(/Waiting for a person/);
    const pin = /PIN {3}(\d{3} \d{3})\n/.exec(node.stderr)?.[1];
    const id = /palyra approvals approve ([0-9A-Z]{6}) /.exec(node.stderr)?.[1];
    assert.ok(pin !== undefined && id !== undefined, node.stderr);
    return [node, { id, pin: pin.replace(' ', '') }];
  };

  it('shows identity words, a PIN and the command that approves it', async () => {
    [asking, first] = await asks('win', ['--name', 'win-pc']);
    assert.match(asking.stderr, /identity [0-9A-Z ]{19} {3}← compare with: palyra daemon status/);
    assert.match(asking.stderr, /Asking to join as "win-pc"/);
    const { document } = await sandbox.json(['approvals', 'list']);
    assertDocument(document);
    const [request, ...others] = document.requests;
    assert.equal(others.length, 0);
    assert.equal(request.id, `req_${first.id}`);
    assert.deepEqual([request.kind, request.subject.name, request.pinRequired], ['join', 'win-pc', true]);
    assert.ok(request.wants.includes('echo'));
    assert.equal((await sandbox.json(['nodes', 'list'])).document.summary.asking, 1);
    const table = await sandbox.run(['approvals']);
    assert.match(table.stdout, new RegExp(`^${first.id} .*join as "win-pc".*approvals approve ${first.id}`, 'm'));
    const shown = await sandbox.json(['approvals', 'show', first.id.slice(0, 4).toLowerCase()]);
    assertDocument(shown.document);
    assert.equal(shown.document.request.id, request.id);
  });

  it('keeps its id and its PIN over restarts of the node and of the daemon', async () => {
    await asking.end('SIGTERM');
    let again: Shown;
    [asking, again] = await asks('win', ['--name', 'win-pc']);
    assert.deepEqual(again, first);
    await daemon.kill();
    await daemon.startAgain();
    const { document } = await sandbox.json(['approvals', 'list']);
    assert.deepEqual(
      document.requests.map(({ id }: { id: string }) => id),
      [`req_${first.id}`],
    );
  });

  it('is not approved without its PIN, nor with another one', async () => {
    const none = await sandbox.json(['approvals', 'approve', first.id]);
    assert.deepEqual([none.code, none.document.error.code], [2, 'PIN_REQUIRED']);
    const other = String((Number(first.pin) + 1) % 1_000_000).padStart(6, '0');
    const wrong = await sandbox.json(['approvals', 'approve', first.id, '--pin', other]);
    assert.deepEqual([wrong.code, wrong.document.error.code], [4, 'PIN_WRONG']);
    assert.equal(wrong.document.error.details.triesLeft, 4);
    const typo = await sandbox.json(['approvals', 'approve', first.id, '--pin', '12']);
    assert.deepEqual([typo.code, typo.document.error.code], [2, 'PIN_MALFORMED']);
  });

  it('joins at once when its PIN is typed, with the name and labels it is given', async () => {
    const args = ['approvals', 'approve', first.id, '--pin', `${first.pin.slice(0, 3)} ${first.pin.slice(3)}`];
    const { code, document } = await sandbox.json([...args, '--name', 'desk', '--label', 'site=lab', '--only', 'echo']);
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.deepEqual([document.changed, document.decision, document.node.name], [true, 'approved', 'desk']);
    await asking.line(/✓ Paired as "desk"/);
    await asking.line(/^● Online/m);
    const { node } = (await sandbox.json(['nodes', 'show', 'desk'])).document;
    assert.deepEqual([node.labels, node.capabilities], [{ site: 'lab' }, ['echo']]);
  });

  it('is approved twice without an error, and not rejected afterwards', async () => {
    const again = await sandbox.json(['approvals', 'approve', first.id]);
    assert.deepEqual([again.code, again.document.changed], [0, false]);
    const rejected = await sandbox.json(['approvals', 'reject', first.id]);
    assert.deepEqual([rejected.code, rejected.document.error.code], [7, 'ALREADY_DECIDED']);
    assert.match(rejected.document.error.message, /issued by .+ \d+ s ago/);
    assert.equal((await sandbox.json(['approvals', 'list'])).document.requests.length, 0);
  });

  it('is told who said no and why, and stops', async () => {
    const [stranger, { id }] = await asks('stranger');
    const { code, document } = await sandbox.json(['approvals', 'reject', id, '--reason', 'not ours']);
    assert.equal(code, 0);
    assertDocument(document);
    const { code: exit, stderr } = await stranger.finished;
    assert.equal(exit, 78);
    assert.match(stderr, /✗ The request to join was rejected: by .+: "not ours"/);
    const [next, other] = await asks('stranger');
    assert.notEqual(other.id, id);
    await next.end('SIGTERM');
  });

  it('joins by an invite while it waits with a PIN', async () => {
    const { link } = await sandbox.invite();
    await sandbox.startNode('stranger', [link, '--name', 'guest']);
    assert.equal((await sandbox.json(['approvals', 'list'])).document.requests.length, 0);
  });

  it('that came with an invite for a person to confirm is approved without a PIN', async () => {
    const people = await sandbox.run(['node', 'pair', '--name', 'seen', '--approve', '--no-wait']);
    assert.match(people.stderr, /^Who comes with it waits for a yes: {2}palyra approvals$/m);
    const { document } = await sandbox.json(['node', 'pair', '--name', 'checked', '--approve']);
    assertDocument(document);
    assert.equal(document.invite.approval, 'person');
    const node = sandbox.spawn(['node', 'run', document.invite.link], { home: 'checked', timeoutMs: Infinity });
    await node.line(/Waiting for a person/);
    const [request] = (await sandbox.json(['approvals', 'list'])).document.requests;
    assert.equal(request.pinRequired, false);
    assert.equal((await sandbox.run(['approvals', 'approve', request.id])).code, 0);
    await node.line(/✓ Paired as "checked"/);
  });

  it('takes the place of a node it was before: shown first, then with --replace and a purpose', async () => {
    const [again, { id, pin }] = await asks('reinstalled', ['--name', 'desk']);
    const shown = await sandbox.run(['approvals', 'show', id]);
    assert.match(shown.stdout, /taken {2}the name belongs to desk, .*: --replace desk, or --name/);
    const taken = await sandbox.json(['approvals', 'approve', id, '--pin', pin]);
    assert.equal(taken.document.error.code, 'NAME_TAKEN');
    assert.match(JSON.stringify(taken.document.error), /--replace desk/);
    const args = ['approvals', 'approve', id, '--pin', pin, '--replace', 'desk', '--purpose', 'front door'];
    const { code, document } = await sandbox.json(args);
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.deepEqual([document.request.replaces.name, document.node.labels], ['desk', { site: 'lab' }]);
    assert.equal(document.node.purpose, 'front door');
    await again.line(/✓ Paired as "desk"/);
    assert.equal((await asking.finished).code, 78, 'the old key is refused');
    assert.match((await sandbox.run(['approvals', 'show', id])).stdout, /replaces desk, /);
  });

  it('stands in one queue with programs that log in, which are approved by the PIN they show', async () => {
    const program = await new LoginClient(Number(place.split(':').at(-1))).ask();
    const id = program.requestId.slice('req_'.length);
    assert.match((await sandbox.run(['approvals'])).stdout, new RegExp(`^${id} +log in +laptop · linux/x64 · `, 'm'));
    const shown = await sandbox.json(['approvals', 'show', id]);
    assertDocument(shown.document);
    assert.equal(shown.document.request.kind, 'login');
    const nobody = await sandbox.json(['approvals', 'approve', id, '--pin', program.pin, '--as', 'nobody']);
    assert.deepEqual([nobody.code, nobody.document.error.code], [3, 'OPERATOR_NOT_FOUND']);
    const { code, document } = await sandbox.json(['approvals', 'approve', id, '--pin', program.pin]);
    assert.equal(code, 0, JSON.stringify(document));
    assertDocument(document);
    assert.equal((await program.claim()).json.state, 'approved');
    const again = await sandbox.run(['approvals', 'approve', id]);
    assert.match(again.stdout + again.stderr, /laptop: already approved as .+ by /);
  });

  it('leaves no PIN in the state or the log of the daemon', () => {
    const files = (directory: string): string[] =>
      readdirSync(directory).flatMap((name) => {
        const path = join(directory, name);
        return statSync(path).isDirectory() ? files(path) : [path];
      });
    const text = files(join(sandbox.home('daemon'), 'state'))
      .map((path) => readFileSync(path, 'latin1'))
      .join('\n');
    const pin = new RegExp(`(?<![0-9a-f])${first.pin.slice(0, 3)} ?${first.pin.slice(3)}(?![0-9a-f])`, 'i');
    assert.doesNotMatch(text, pin);
  });
});
