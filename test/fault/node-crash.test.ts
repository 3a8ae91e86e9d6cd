import { strict as assert } from 'node:assert';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Authority } from '../../src/lib/identity/authority.js';
import { NodePolicy } from '../../src/lib/node/policy.js';
import { bundled } from '../support/bundled.js';
import { FakeDaemon, testAuthority } from '../support/fake-daemon.js';
import { session } from '../support/node-daemon.js';
import { pairDirectory } from '../support/paired-directory.js';
import { temporaryDirectory } from '../support/temporary.js';
import { until } from '../support/until.js';

const script = fileURLToPath(new URL('../support/node-process.ts', import.meta.url));
const probe = fileURLToPath(new URL('../fixtures/plugin-probe/capabilities.js', import.meta.url));

describe('a node that is killed', () => {
  const home = temporaryDirectory();
  let program: string;
  let authority: Authority;
  let daemon: FakeDaemon;
  let child: ChildProcess | null = null;

  const stateDirectory = () => join(home(), 'node');
  const traces = () => {
    const file = join(home(), 'traces');
    // Whole lines only: the file is there before its first line is.
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  };
  const start = () => {
    child = spawn(process.execPath, [program, stateDirectory(), join(home(), 'node.sock'), probe], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return child;
  };
  const killed = async () => {
    const ended = new Promise((resolve) => child!.once('exit', resolve));
    child!.kill('SIGKILL');
    await ended;
  };
  const effect = (ms: number) => ({
    capability: 'probe.effect',
    inputJson: JSON.stringify({ ms, file: join(home(), 'traces') }),
  });

  before(() => {
    program = bundled(script);
    authority = testAuthority();
  });
  beforeEach(async () => {
    daemon = await FakeDaemon.start(authority);
    await pairDirectory(stateDirectory(), authority, [daemon.endpoint]);
    await (await NodePolicy.open(stateDirectory())).accept(['probe.effect', 'probe.sleep']);
  });
  afterEach(async () => {
    if (child !== null && child.exitCode === null && child.signalCode === null) await killed();
    daemon.stop();
  });

  it('in the middle of an effectful capability says that it started and runs it never again', async () => {
    start();
    const first = await session(daemon);
    first.welcome({ epoch: 1 });
    first.offer({ ...effect(600_000), epoch: 1 });
    await first.next('started');
    await until(() => traces().length === 1);
    await killed();

    start();
    const second = await session(daemon, 1);
    assert.deepEqual(second.hello.known, [{ id: 'dsp_000001', attempt: 1, state: 'started', alive: false }]);
    assert.equal(second.hello.storeId, first.hello.storeId);
    assert.notEqual(second.hello.bootId, first.hello.bootId);
    assert.equal(second.hello.lastEpoch, 1);
    second.welcome({ epoch: 2, drop: ['dsp_000001'] });
    second.offer({ ...effect(0), attempt: 2, epoch: 2 });
    second.offer({ ...effect(0), id: 'dsp_000002', epoch: 2 });
    const result = await second.next('result');
    assert.equal(result.id, 'dsp_000002');
    assert.deepEqual(
      traces().map((line) => line.split(' ')[0]),
      ['start', 'start', 'end'],
    );
  });

  it('in the middle of an idempotent one runs it again when the daemon asks', async () => {
    start();
    const first = await session(daemon);
    first.welcome({ epoch: 1 });
    first.offer({ capability: 'probe.sleep', inputJson: '{"ms":600000}', epoch: 1 });
    await first.next('started');
    await killed();

    start();
    const second = await session(daemon, 1);
    second.welcome({ epoch: 2, drop: ['dsp_000001'] });
    second.offer({ capability: 'probe.sleep', inputJson: '{"ms":1,"marker":"again"}', attempt: 2, epoch: 2 });
    const result = await second.next('result');
    assert.deepEqual([result.id, result.attempt, result.state], ['dsp_000001', 2, 'succeeded']);
  });

  it('with a result that nobody confirmed still has it', async () => {
    start();
    const first = await session(daemon);
    first.welcome({ epoch: 1 });
    first.offer({ ...effect(0), epoch: 1 });
    const before = await first.next('result');
    // What is sent may be ahead of the disk; what is asked for after this later dispatch is not.
    first.offer({ ...effect(0), id: 'dsp_000002', epoch: 1 });
    await until(() => first.received.some((message) => message.kind === 'started' && message.id === 'dsp_000002'));
    await killed();

    start();
    const second = await session(daemon, 1);
    assert.equal(second.hello.known[0]?.state, 'done');
    second.welcome({ epoch: 2, wantResults: ['dsp_000001'] });
    const after = await second.next('result');
    assert.deepEqual(after, { ...before, epoch: 2 });
  });

  it('again and again never loses a start it told the daemon of', async function () {
    this.timeout(60_000);
    for (let round = 0; round < 5; round++) {
      start();
      const daemonSide = await session(daemon, round);
      const known = new Set(daemonSide.hello.known.map(({ id }) => id));
      const previous = daemon.sessions[round - 1]?.received ?? [];
      const told = previous.flatMap((message) => (message.kind === 'started' ? [message.id] : []));
      for (const id of told) assert.ok(known.has(id), `${id} was started and is forgotten`);
      daemonSide.welcome({ epoch: round + 1, drop: [...known] });
      for (let i = 0; i < 4; i++)
        daemonSide.offer({ ...effect(600_000), id: `dsp_0${round}000${i}`, epoch: round + 1 });
      await until(() => daemonSide.received.filter(({ kind }) => kind === 'started').length > round % 4);
      await killed();
    }
  });
});
