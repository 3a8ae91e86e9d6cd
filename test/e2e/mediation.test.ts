import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { FakeDesktop } from '../support/desktop.js';
import { assertDocument, assertLine } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { BIN, Sandbox, type Document } from '../support/palyra.js';
import { hasTmux, Terminal } from '../support/terminal-window.js';

const PAGE = 'https://intra.corp.example/wiki/start?page=1';
const LABELS = { once: 'Open once', always: 'Always for this site', deny: 'Deny', mute: 'Deny and mute 1 h' };

describe('what asks a person at the machine', function () {
  this.timeout(180_000);
  let sandbox: Sandbox;
  const me = userInfo().username;

  const open = (node: string, url = PAGE, ...flags: string[]) =>
    sandbox.json(['nodes', 'invoke', node, 'desktop.open_url', `url=${url}`, ...flags]);
  const desktopOf = (name: string) => new FakeDesktop(join(sandbox.directory, `desktop-${name}`));
  const errorOf = ({ document }: { document: Document }) => document.dispatch.error;

  before(async () => {
    sandbox = new Sandbox();
    await sandbox.startDaemon();
  });
  after(() => sandbox.dispose());

  describe('in a window', () => {
    let desktop: FakeDesktop;
    let env: Record<string, string>;

    before(async () => {
      desktop = desktopOf('dialog');
      env = desktop.env({ dialog: true });
      await sandbox.joinNode('laptop', { env });
    });

    it('opens what the person allows, once, by an argument list, and shows who asks for what', async () => {
      desktop.answer(LABELS.once);
      const { code, document } = await open('laptop', `${PAGE}&x=$(id)`);
      assert.equal(code, 0, JSON.stringify(document));
      assertDocument(document);
      assert.deepEqual(document.dispatch.output, { opened: `${PAGE}&x=$(id)` });
      assert.equal(document.dispatch.approval.channel, 'dialog');
      assert.deepEqual(desktop.opened(), [`${PAGE}&x=$(id)`]);
      const asked = desktop.asked();
      assert.match(asked, /asks through .* \(desktop\.open_url\)\n▶ intra\.corp\.example\n/);
      assert.match(asked, /page=1&amp;x=\$\(id\)/, 'what Pango would read as markup is escaped');
    });

    it('tells the caller that it was refused, and by whom', async () => {
      desktop.answer(LABELS.deny);
      const refused = await open('laptop');
      assert.equal(refused.code, 7);
      assert.equal(refused.document.dispatch.state, 'denied');
      assert.equal(errorOf(refused).code, 'DENIED_AT_MACHINE');
      assert.equal(errorOf(refused).message, `refused at the machine ("Deny", by ${me})`);
      desktop.answer('closed');
      assert.equal((await open('laptop')).document.dispatch.state, 'denied', 'closing the window is no');
      const people = await sandbox.run(['nodes', 'invoke', 'laptop', 'desktop.open_url', `url=${PAGE}`]);
      assert.equal(people.code, 7);
      assert.match(people.stderr, /was refused: refused at the machine \("Deny", by/);
      assert.equal(desktop.opened().length, 1);
    });

    it('never asks about what nobody should open', async () => {
      const before = desktop.asked();
      for (const url of [
        'javascript:alert(1)',
        'file:///etc/passwd',
        'https://bank.example@evil.example/',
        'http://a:b@x/',
      ]) {
        const { code, document } = await open('laptop', url);
        assert.equal(code, 10, url);
        assert.equal(document.dispatch.error.code, 'INPUT_INVALID', url);
      }
      assert.equal(desktop.asked(), before);
    });

    it('hands on to nobody when the dialog cannot be shown: denied at once', async () => {
      desktop.answer('broken');
      assert.equal(errorOf(await open('laptop')).code, 'NO_ONE_CAN_BE_ASKED');
    });

    it('remembers "always for this site" and "mute" over a restart, and forgets on demand', async () => {
      desktop.answer(LABELS.always);
      assert.equal((await open('laptop')).code, 0);
      desktop.answer(LABELS.mute);
      assert.equal(errorOf(await open('laptop', 'https://other.example/')).code, 'DENIED_AT_MACHINE');
      await restart('laptop', env);
      desktop.answer(LABELS.deny);
      const before = desktop.asked();
      assert.equal((await open('laptop', 'https://intra.corp.example/another')).code, 0, 'allowed without asking');
      const muted = await open('laptop', 'https://other.example/');
      assert.deepEqual([muted.code, errorOf(muted).code], [7, 'MUTED_AT_MACHINE']);
      assert.equal(desktop.asked(), before, 'nobody was asked');
      const list = await sandbox.json(['node', 'capabilities', 'list'], { home: 'laptop' });
      assertDocument(list.document);
      const settings = list.document.capabilities.find(({ name }: Document) => name === 'desktop.open_url');
      assert.deepEqual(settings.allow, [{ pattern: 'https://intra.corp.example/*', by: 'answer' }]);
      const forgotten = await sandbox.json(['node', 'capabilities', 'forget', 'desktop.open_url'], { home: 'laptop' });
      assertDocument(forgotten.document);
      assert.equal(forgotten.document.changed, true);
      assert.equal(errorOf(await open('laptop')).code, 'DENIED_AT_MACHINE', 'asked again');
      const policy = readFileSync(join(sandbox.home('laptop'), 'state', 'node', 'policy.json'), 'utf8');
      const yes = JSON.parse(policy).decisions.filter(({ answer }: Document) => /once|always/.test(answer));
      assert.equal(yes.length, desktop.opened().length, 'every call of the opener has its recorded yes');
    });

    async function restart(name: string, nodeEnv: Record<string, string>): Promise<void> {
      const { document } = await sandbox.json(['node', 'status'], { home: name });
      process.kill(document.process.pid as number, 'SIGKILL');
      await eventually(async () => {
        const status = await sandbox.json(['node', 'status'], { home: name });
        return status.document.connection === null || undefined;
      }, 'the node is gone');
      await sandbox.startNode(name, [], { env: nodeEnv });
    }
  });

  describe('where nobody can be asked', () => {
    let desktop: FakeDesktop;

    before(async () => {
      desktop = desktopOf('server');
      await sandbox.joinNode('server', { env: desktop.env({ dialog: false }) });
    });

    it('says so at once, and a dry run says so before', async () => {
      const planned = await open('server', PAGE, '--dry-run');
      assertDocument(planned.document);
      assert.deepEqual([planned.document.nodes[0].asks, planned.document.nodes[0].asksThrough], ['machine', []]);
      const refused = await open('server');
      assert.equal(refused.code, 7);
      assert.deepEqual([refused.document.dispatch.state, errorOf(refused).code], ['denied', 'NO_ONE_CAN_BE_ASKED']);
      assert.match(
        errorOf(refused).message,
        /palyra node capabilities allow desktop\.open_url 'https:\/\/intra\.corp\.example\/\*'/,
      );
      assert.ok(refused.document.dispatch.timings.totalMs < 5_000);
      assert.equal(refused.document.dispatch.approval, null);
      assert.deepEqual(desktop.opened(), []);
    });

    it('asks in another shell of the user while one watches there, and takes the answer from a third', async () => {
      const watch = sandbox.spawn(['node', 'approvals', 'watch', '--json'], { home: 'server', timeoutMs: Infinity });
      await eventually(async () => {
        const plan = await open('server', PAGE, '--dry-run');
        return plan.document.nodes[0].asksThrough.includes('shell') || undefined;
      }, 'the daemon knows that somebody watches');
      const queue = sandbox.spawn(['approvals', 'watch', '--json'], { timeoutMs: Infinity });
      await eventually(() => queue.stdout.includes('snapshot') || undefined, 'the queue is watched');
      const { document } = await open('server', PAGE, '--no-wait');
      const { id } = document.dispatch as { id: string };
      const waiting = await eventually(async () => {
        const { questions } = (await sandbox.json(['node', 'approvals', 'list'], { home: 'server' })).document;
        return questions.length === 1 && questions[0];
      }, 'the question is there');
      assert.deepEqual([waiting.id, waiting.emphasis, waiting.subject], [id, 'intra.corp.example', PAGE]);
      const shown = (await sandbox.json(['dispatches', 'show', id])).document.dispatch;
      assert.deepEqual([shown.state, shown.approval.channel], ['awaiting-approval', 'shell']);
      assert.ok(Date.parse(shown.approval.expiresAt) - Date.parse(shown.approval.askedAt) <= 60_000);
      assert.equal((await sandbox.json(['dispatches', 'wait', id, '--timeout', '300ms'])).code, 8);
      const listed = await sandbox.run(['node', 'approvals', 'list'], { home: 'server' });
      assert.match(listed.stdout, new RegExp(`palyra node approvals approve ${id.slice(-6)}`));
      await seenInTheQueue(id, shown);
      const yes = await sandbox.json(['node', 'approvals', 'approve', id.slice(-6)], { home: 'server' });
      assert.equal(yes.code, 0);
      assertDocument(yes.document);
      assert.equal((await sandbox.json(['dispatches', 'wait', id])).code, 0);
      assert.deepEqual(desktop.opened(), [PAGE]);
      const late = await sandbox.json(['node', 'approvals', 'deny', id.slice(-6)], { home: 'server' });
      assert.deepEqual([late.code, late.document.error.code], [3, 'APPROVAL_NOT_FOUND']);
      await eventually(() => watch.stdout.split('\n').length > 2 || undefined, 'the watch told both');
      const lines = watch.stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line));
      for (const line of lines) assertLine('palyra.node.approvals-watch/v1', line);
      assert.deepEqual(
        lines.map(({ type }) => type),
        ['question', 'over'],
      );
      await watch.end('SIGINT');
      await eventually(() => queue.stdout.includes('"decided"') || undefined, 'the queue told the end');
      await queue.end('SIGINT');
      const told = queue.stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line));
      for (const line of told) assertLine('palyra.approvals.watch/v1', line);
      const changes = told.slice(1).filter(({ type }) => type !== 'ping');
      assert.deepEqual(
        changes.map(({ change, kind, approval, state, name }) => [change, kind, approval, state, name]),
        [
          ['requested', 'local', id, 'pending', 'server'],
          ['decided', 'local', id, 'approved', 'server'],
        ],
      );
      assert.deepEqual((await sandbox.json(['approvals', 'list'])).document.requests, []);
      await eventually(
        async () => errorOf(await open('server'))?.code === 'NO_ONE_CAN_BE_ASKED' || undefined,
        'nobody watches',
      );
    });
  });

  /** What the operator sees of a question that is asked at `server`, and cannot answer. */
  async function seenInTheQueue(id: string, dispatch: Document): Promise<void> {
    const end = id.slice(-6);
    const list = (await sandbox.json(['approvals', 'list'])).document;
    assertDocument(list);
    const [request] = list.requests;
    assert.deepEqual(
      [request.id, request.kind, request.state, request.answerableHere, request.subject.name, request.wants],
      [id, 'local', 'pending', false, 'server', ['desktop.open_url']],
    );
    assert.deepEqual(request.asked, {
      ...{ dispatch: id, capability: 'desktop.open_url', requestedBy: dispatch.requestedBy, channel: 'shell' },
      what: PAGE,
    });
    assert.equal(request.expiresAt, dispatch.approval.expiresAt);
    const people = await sandbox.run(['approvals']);
    assert.match(
      people.stdout,
      new RegExp(`${end}.*server: desktop.open_url https://intra.*only on server, \\d+ s left`),
    );
    assert.match(people.stderr, /1 request, 1 of them asked at a machine/);
    assert.equal((await sandbox.run(['approvals', 'list', '-q'])).stdout, `${id}\n`);
    for (const name of [id, end, end.toLowerCase()]) {
      const shown = (await sandbox.json(['approvals', 'show', name])).document;
      assertDocument(shown);
      assert.deepEqual(shown.request, request);
    }
    const facts = (await sandbox.run(['approvals', 'show', end])).stdout;
    assert.match(
      facts,
      /run {4}desktop\.open_url for .*\n.*with {3}https:\/\/intra.*\n.*answer only at server; in \d+ s/,
    );
    for (const verb of ['approve', 'reject']) {
      const refused = await sandbox.json(['approvals', verb, end]);
      assert.deepEqual([refused.code, refused.document.error.code], [7, 'ANSWERED_AT_MACHINE']);
      assert.match(refused.document.error.hint, /On server: palyra node approvals list/);
    }
  }

  it('is no when nobody answers in time', async () => {
    const file = join(sandbox.home('slow'), 'config', 'config.toml');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(
      file,
      '[node.approvals."desktop.open_url"]\ntimeout = "1s"\nallow = ["https://*.fine.example/*"]\nwait = true\n',
    );
    const desktop = desktopOf('slow');
    await sandbox.joinNode('slow', { env: desktop.env({ dialog: false }) });
    const unanswered = await open('slow');
    assert.deepEqual([unanswered.code, errorOf(unanswered).code], [7, 'NOT_ANSWERED']);
    assert.deepEqual(desktop.opened(), []);
    assert.equal((await open('slow', 'https://docs.fine.example/x')).code, 0, 'the configuration allows it');
    assert.equal(errorOf(await open('slow', 'https://fine.example.evil.example/')).code, 'NOT_ANSWERED');
    const early = await open('slow', PAGE, '--timeout', '700ms');
    assert.deepEqual([early.code, errorOf(early).code], [7, 'NOT_ANSWERED'], 'before the deadline of the dispatch');
  });

  it('is not offered without a desktop, and what is off by default is not offered at all', async () => {
    await sandbox.joinNode('headless', { env: { DISPLAY: '', WAYLAND_DISPLAY: '' } });
    const { node } = (await sandbox.json(['nodes', 'show', 'headless'])).document;
    assert.deepEqual(node.capabilities, ['echo', 'system.health', 'system.identity', 'system.which']);
  });

  (hasTmux ? describe : describe.skip)('in the terminal of node run', () => {
    it('asks there, one question after the other; Enter alone is no', async () => {
      const desktop = desktopOf('terminal');
      const { link } = await sandbox.invite(['--name', 'desk']);
      const env = {
        ...desktop.env({ dialog: false }),
        PALYRA_HOME: sandbox.home('desk'),
        HOME: sandbox.directory,
        TERM: 'xterm',
      };
      const terminal = new Terminal('desk', [process.execPath, BIN, 'node', 'run', link], env);
      try {
        await terminal.shows(/● Online/);
        const planned = await sandbox.run(['nodes', 'invoke', 'desk', 'desktop.open_url', `url=${PAGE}`, '--dry-run']);
        assert.match(planned.stdout, /asks the person at the machine \(in its terminal\)/);
        const allowed = open('desk');
        const denied = open('desk', 'https://second.example/');
        await terminal.shows(/\? .* asks through .*: desktop\.open_url/);
        await terminal.shows(/\[o\] Open once {3}\[a\] Always for this site {3}\[d\] Deny {3}\[m\] Deny and mute 1 h/);
        await terminal.shows(/no in [45]\d s:/);
        const first = /second\.example/.test(terminal.screen()) ? 'https://second.example/' : PAGE;
        await new Promise((resolve) => setTimeout(resolve, 700));
        terminal.type('o', 'Enter');
        await terminal.shows(/Open once\.[^]*asks through/);
        await new Promise((resolve) => setTimeout(resolve, 700));
        terminal.type('Enter');
        const answers = await Promise.all([allowed, denied]);
        assert.deepEqual(answers.map(({ code }) => code).sort(), [0, 7]);
        assert.deepEqual(desktop.opened(), [first]);
        const refused = answers.find(({ code }) => code === 7)!;
        assert.equal(errorOf(refused).code, 'DENIED_AT_MACHINE');
        terminal.type('C-c');
        await terminal.shows(/Stopped\./);
      } finally {
        terminal.close();
      }
    });
  });
});
