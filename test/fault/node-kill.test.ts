/** A node dies inside a capability. What may have had an effect is never run again and is said to be unknown; what has none is simply run again. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertDocument } from '../support/document-schemas.js';
import { eventually } from '../support/eventually.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { PROBE_MODULE, Sandbox, type RunningProcess } from '../support/palyra.js';

const WITH_PROBE = { env: { PALYRA_CAPABILITY_MODULES: PROBE_MODULE } };
/** The node waits this long for its runs when it is told to stop. */
const STOP_GRACE_MS = 5000;

describe('a node that goes in the middle of a capability', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let node: RunningProcess;
  let trace: string;
  let tests = 0;

  before(async () => {
    sandbox = new Sandbox();
    daemon = await LiveDaemon.start(sandbox);
    node = await sandbox.joinNode('pi', WITH_PROBE);
  });
  beforeEach(() => (trace = join(sandbox.directory, `trace-${tests++}`)));
  after(() => sandbox.dispose());

  /** In the shell of an operator, who waits. */
  const invoke = (...words: string[]) =>
    sandbox.json(['nodes', 'invoke', 'pi', ...words, '--timeout', '50s'], { timeoutMs: 55_000 });
  const traceBegins = () => eventually(() => existsSync(trace) && /start/.test(readFileSync(trace, 'utf8')), 'it runs');
  const startAgain = async () => (node = await sandbox.startNode('pi', [], WITH_PROBE));

  it('kill -9, effectful: the outcome is unknown, exit code 9, and it is not run again', async () => {
    const asked = invoke('probe.effect', 'ms=30000', `file=${trace}`);
    await traceBegins();
    await node.end('SIGKILL');
    await daemon.nodeWhen('pi', 'offline');
    await startAgain();
    const { code, document } = await asked;
    assertDocument(document);
    assert.deepEqual([code, document.dispatch.state, document.dispatch.attempt], [9, 'unknown', 1]);
    assert.equal(document.dispatch.retrySafe, false);
    // Behind it in the queue of the node, so whatever came of it would have come before this.
    assert.equal((await invoke('echo', 'text=after')).code, 0);
    assert.match(readFileSync(trace, 'utf8'), /^start \d+\n$/);
  });

  it('kill -9, effectful, told to a person: what is not known, and what to do', async () => {
    const asked = sandbox.run(['nodes', 'invoke', 'pi', 'probe.effect', 'ms=30000', `file=${trace}`]);
    await traceBegins();
    await node.end('SIGKILL');
    await startAgain();
    const { code, stdout, stderr } = await asked;
    assert.deepEqual([code, stdout], [9, '']);
    assert.match(stderr, /pi · probe\.effect was delivered, then the node vanished: it may have run · dsp_\w+\n/);
    assert.match(stderr, /Look at the machine before running it again\n$/);
  });

  it('kill -9, idempotent: the next process runs it again, and it succeeds', async () => {
    const asked = invoke('probe.sleep', 'ms=1500', 'marker=again');
    await daemon.nodeRuns('pi', 1);
    await node.end('SIGKILL');
    await startAgain();
    const { code, document } = await asked;
    assertDocument(document);
    const { state, attempt, output } = document.dispatch;
    assert.deepEqual([code, state, attempt], [0, 'succeeded', 2]);
    assert.deepEqual(output, { sleptMs: 1500, marker: 'again', pid: node.child.pid });
  });

  it('SIGTERM: it finishes what runs, tells the outcome and goes', async () => {
    const asked = invoke('probe.effect', 'ms=1200', `file=${trace}`);
    await traceBegins();
    const { code: nodeCode, stderr } = await node.end('SIGTERM');
    assert.equal(nodeCode, 143, stderr);
    assert.match(stderr, /Stopped\. The pairing stays/);
    const { code, document } = await asked;
    assert.deepEqual([code, document.dispatch.state, document.dispatch.attempt], [0, 'succeeded', 1]);
    assert.match(readFileSync(trace, 'utf8'), /^start (\d+)\nend \1\n$/);
    assert.equal((await daemon.nodeWhen('pi', 'offline')).presenceReason, 'stopped');
    await startAgain();
  });

  it('SIGTERM: it does not wait for what takes longer than its grace, and nobody is told a wrong outcome', async () => {
    const asked = invoke('probe.effect', 'ms=30000', `file=${trace}`);
    await traceBegins();
    const began = performance.now();
    const { code: nodeCode } = await node.end('SIGTERM');
    assert.equal(nodeCode, 143);
    const tookMs = performance.now() - began;
    assert.ok(tookMs < STOP_GRACE_MS + 3000, `it stopped after ${Math.round(tookMs)} ms`);
    await startAgain();
    const { code, document } = await asked;
    assert.deepEqual([code, document.dispatch.state], [9, 'unknown'], JSON.stringify(document));
    assert.match(readFileSync(trace, 'utf8'), /^start \d+\n$/);
  });
});
