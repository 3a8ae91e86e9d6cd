import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { Sandbox, type Document, type RunningProcess } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

describe('what a machine may do', function () {
  this.timeout(180_000);
  // Each step stands on the one before.
  stepByStep(this);
  let sandbox: Sandbox;
  let pi: RunningProcess;
  let shared: string;

  const invoke = (capability: string, input: object) =>
    sandbox.json(['nodes', 'invoke', 'pi', capability, '--input', JSON.stringify(input)]);
  const local = (...words: string[]) => sandbox.json(['node', 'capabilities', ...words], { home: 'pi' });
  const waiting = async (): Promise<Document[]> => (await sandbox.json(['approvals', 'list'])).document.requests;
  const announced = (name: string, is: boolean) =>
    eventually(
      async () => {
        const { node } = (await sandbox.json(['nodes', 'show', 'pi'])).document;
        return node.capabilityDetails.some((each: Document) => each.name === name) === is;
      },
      `${name} is ${is ? '' : 'not '}announced`,
    );

  before(async () => {
    sandbox = new Sandbox();
    await sandbox.startDaemon();
    pi = await sandbox.joinNode('pi');
    shared = join(sandbox.directory, 'shared');
    mkdirSync(shared);
    writeFileSync(join(shared, 'note.txt'), 'hello\n');
    writeFileSync(join(sandbox.directory, 'secret.txt'), 'secret\n');
    symlinkSync(join(sandbox.directory, 'secret.txt'), join(shared, 'way-out.txt'));
  });
  after(() => sandbox.dispose());

  it('is not widened by what it switches on: that waits for an approver, at once', async () => {
    assert.equal(
      (await invoke('fs.read_text', { path: join(shared, 'note.txt') })).document.error.code,
      'CAPABILITY_NOT_FOUND',
    );
    const on = await local('enable', 'fs.read_text');
    assert.equal(on.code, 0, JSON.stringify(on.document));
    assertDocument(on.document);
    assert.deepEqual([on.document.changed, on.document.running, on.document.capability.enabled], [true, true, true]);
    assert.equal((await local('enable', 'fs.read_text')).document.changed, false);
    await announced('fs.read_text', true);
    assert.equal((await invoke('fs.read_text', { path: shared })).document.error.code, 'CAPABILITY_NOT_GRANTED');
    const [request, ...others] = await waiting();
    assert.deepEqual(
      [others.length, request.kind, request.subject.name, request.wants],
      [0, 'capabilities', 'pi', ['fs.read_text']],
    );
    const { stdout } = await sandbox.run(['approvals', 'list']);
    assert.match(stdout, /pi wants fs\.read_text +new since it joined/);
    assert.equal(
      (await sandbox.json(['nodes', 'list'])).document.asking?.length ?? 0,
      0,
      'it is no machine that asks to join',
    );
    await local('enable', 'process.run');
    await eventually(async () => (await waiting())[0].wants.length === 2, 'one request names both');
    assert.equal((await waiting())[0].id, request.id);
    const bad = await sandbox.json(['approvals', 'approve', request.id, '--name', 'x']);
    assert.equal(bad.document.error.code, 'REQUEST_INVALID');
    const yes = await sandbox.json(['approvals', 'approve', request.id, '--only', 'fs.read_text']);
    assert.equal(yes.code, 0, JSON.stringify(yes.document));
    assertDocument(yes.document);
    assert.deepEqual([yes.document.request.state, yes.document.request.wants], ['approved', ['fs.read_text']]);
    assert.deepEqual(await waiting(), [], 'the other one was declined');
  });

  it('runs what was allowed on the machine itself, and nothing beside it', async () => {
    const path = join(shared, 'note.txt');
    const closed = await invoke('fs.read_text', { path });
    assert.deepEqual([closed.code, closed.document.dispatch.error.code], [7, 'NOT_ALLOWED_HERE']);
    const allowed = await local('allow', 'fs.read_text', shared);
    assertDocument(allowed.document);
    const read = await invoke('fs.read_text', { path });
    assert.deepEqual(read.document.dispatch.output, { path, text: 'hello\n', bytes: 6, truncated: false });
    for (const other of [
      join(shared, 'way-out.txt'),
      join(shared, '..', 'secret.txt'),
      join(sandbox.directory, 'secret.txt'),
      '/etc/passwd',
      `${shared}-else`,
    ]) {
      const escaped = await invoke('fs.read_text', { path: other });
      assert.equal(escaped.document.dispatch.error.code, 'NOT_ALLOWED_HERE', other);
    }
    assert.equal(
      (await invoke('fs.read_text', { path: join(shared, 'none') })).document.dispatch.error.code,
      'PATH_NOT_FOUND',
    );
    const unknown = await local('allow', 'no.such', 'x');
    assert.deepEqual([unknown.code, unknown.document.error.code], [3, 'CAPABILITY_NOT_FOUND']);
    const malformed = await local('allow', 'process.run', 'git status');
    assert.deepEqual([malformed.code, malformed.document.error.code], [2, 'INPUT_INVALID']);
  });

  it('takes the word of the machine over every grant, also after a restart', async () => {
    await local('disable', 'fs.read_text');
    await announced('fs.read_text', false);
    assert.equal((await invoke('fs.read_text', { path: shared })).document.error.code, 'CAPABILITY_NOT_FOUND');
    await pi.end('SIGTERM');
    const offline = await local('list');
    assertDocument(offline.document);
    assert.equal(offline.document.running, false);
    const row = offline.document.capabilities.find(({ name }: Document) => name === 'fs.read_text');
    assert.deepEqual([row.enabled, row.allow], [false, [{ pattern: shared, by: 'command' }]]);
    assert.equal((await local('enable', 'fs.read_text')).document.running, false);
    pi = await sandbox.startNode('pi');
    assert.equal((await invoke('fs.read_text', { path: join(shared, 'note.txt') })).code, 0, 'its grant was kept');
    assert.deepEqual(await waiting(), [], 'nobody is asked again about what was declined');
  });

  it('takes the word of an operator for ever: what was taken away does not come back by registering', async () => {
    const away = await sandbox.json(['nodes', 'ungrant', 'pi', 'fs.read_text']);
    assert.equal(away.code, 0, JSON.stringify(away.document));
    assertDocument(away.document);
    assert.equal((await sandbox.json(['nodes', 'ungrant', 'pi', 'fs.read_text'])).document.changed, false);
    await local('disable', 'fs.read_text');
    await local('enable', 'fs.read_text');
    await pi.end('SIGTERM');
    pi = await sandbox.startNode('pi');
    assert.equal((await invoke('fs.read_text', { path: shared })).document.error.code, 'CAPABILITY_NOT_GRANTED');
    assert.deepEqual(await waiting(), []);
    const back = await sandbox.json(['nodes', 'grant', 'pi', 'fs.read_text', 'process.run']);
    assertDocument(back.document);
    assert.equal((await invoke('fs.read_text', { path: join(shared, 'note.txt') })).code, 0);
  });

  it('remembers a no, and withdraws what is no longer wanted', async () => {
    await local('enable', 'fs.list');
    const [request] = await eventually(async () => {
      const requests = await waiting();
      return requests.length === 1 && requests;
    }, 'it waits');
    const no = await sandbox.run(['approvals', 'reject', request.id, '--reason', 'not there']);
    assert.equal(no.code, 0, no.stderr);
    await local('disable', 'fs.list');
    await local('enable', 'fs.list');
    await announced('fs.list', true);
    assert.deepEqual(await waiting(), []);
  });

  it('runs an allowed command, streams what it writes, and ends all of it when it is cancelled', async () => {
    const command = ['sh', '-c', 'echo begun; sleep 300 & sleep 300'];
    await local('allow', 'process.run', JSON.stringify(['echo', 'one word']));
    await local('allow', 'process.run', JSON.stringify(command));
    const echo = await invoke('process.run', { argv: ['echo', 'one word'] });
    assert.deepEqual(echo.document.dispatch.output, {
      exitCode: 0,
      signal: null,
      stdout: 'one word\n',
      stderr: '',
      truncated: false,
    });
    for (const argv of [['echo', 'one', 'word'], ['echo'], ['echo', 'one word', 'x']]) {
      assert.equal((await invoke('process.run', { argv })).document.dispatch.error.code, 'NOT_ALLOWED_HERE');
    }
    const input = JSON.stringify({ argv: command });
    const begun = await sandbox.json(['nodes', 'invoke', 'pi', 'process.run', '--input', input, '--no-wait']);
    const { id } = begun.document.dispatch as { id: string };
    await eventually(
      async () => (await sandbox.json(['dispatches', 'show', id])).document.dispatch.state === 'running',
      'it runs',
    );
    const cancelled = await sandbox.json(['dispatches', 'cancel', id]);
    assert.equal(cancelled.code, 0, JSON.stringify(cancelled.document));
    const end = await sandbox.json(['dispatches', 'wait', id]);
    assert.deepEqual([end.code, end.document.dispatch.state], [7, 'cancelled']);
  });
});
