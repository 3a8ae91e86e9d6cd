/** `palyra daemon stop` of a daemon that cannot write its last snapshot: a warning, and nothing that was accepted is lost. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

describe('daemon stop', function () {
  this.timeout(60_000);
  stepByStep(this);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  /** A directory where a file has to go is an error that is no missing file and no full disk. */
  let previous: string;
  const warning =
    /^The daemon could not write its last snapshot\. Nothing that was accepted is lost: .*palyra daemon logs$/;

  before(async () => {
    sandbox = new Sandbox();
    daemon = await LiveDaemon.start(sandbox);
    previous = join(daemon.stateDirectory, 'node-runtime.v1.previous.json');
  });
  after(() => sandbox.dispose());

  const stop = async (): Promise<readonly string[]> => {
    const { code, document } = await sandbox.json(['daemon', 'stop']);
    assertDocument(document);
    assert.deepEqual([code, document.state, document.changed], [0, 'stopped', true]);
    return document.warnings as string[];
  };
  const invites = async () => (await daemon.with((client) => client.listInvites())).map(({ id }) => id);

  it('has nothing to warn of when the snapshot was written, the first one too', async () => {
    assert.deepEqual(await stop(), []);
    await daemon.startAgain();
    assert.deepEqual(await stop(), []);
  });

  it('warns when it was not, and what was accepted is there after the next start', async () => {
    await daemon.startAgain();
    const { id } = await sandbox.invite();
    rmSync(previous, { force: true });
    mkdirSync(previous);
    const [said, ...more] = await stop();
    assert.match(said!, warning);
    assert.deepEqual(more, []);
    await daemon.startAgain();
    assert.deepEqual(await invites(), [id]);
  });

  it('says so to people, beside that it is stopped, and to nobody when the disk is well again', async () => {
    const people = await sandbox.run(['daemon', 'stop']);
    assert.equal(people.code, 0);
    assert.match(people.stdout + people.stderr, /Stopped\./);
    assert.match(people.stderr, /The daemon could not write its last snapshot\. Nothing that was accepted is lost/);
    const { stdout } = await sandbox.run(['daemon', 'logs']);
    assert.match(stdout, / error .*stopping runtime failed .*"code":"STORAGE_FAILED".*node-runtime\.v1/);
  });

  it('says the same at a restart, of the daemon before', async () => {
    await daemon.startAgain();
    const { code, document } = await sandbox.json(['daemon', 'restart']);
    assertDocument(document);
    assert.deepEqual([code, document.state, document.warnings.length], [0, 'running', 1]);
    assert.match(document.warnings[0] as string, warning);
    rmSync(previous, { recursive: true });
    assert.deepEqual(await stop(), []);
  });

  it('does not claim anything about one that was stopped already', async () => {
    const { code, document } = await sandbox.json(['daemon', 'stop']);
    assert.deepEqual([code, document.changed, document.warnings], [0, false, []]);
  });
});
