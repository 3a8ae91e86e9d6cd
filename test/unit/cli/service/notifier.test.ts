/** What a service tells its manager, message by message, with a clock that is turned by hand; and the program that carries it, with real ones that fail. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../../../src/lib/base/log.js';
import { silentLog } from '../../../../src/lib/base/log.js';
import { statusWords } from '../../../../src/lib/cli/host-story.js';
import { Notifier } from '../../../../src/lib/cli/service/notifier.js';
import { findNotifyProgram, sendThrough } from '../../../../src/lib/cli/service/notify-program.js';
import { takeNotifyRequest } from '../../../../src/lib/cli/service/notify-socket.js';
import { HandClock, settle } from '../../../support/hand-clock.js';
import { temporaryDirectory } from '../../../support/temporary.js';

/** A manager that hears everything, and one whose answers a test holds back or makes fail. */
function told(watchdogMs: number | null) {
  const clock = new HandClock();
  const heard: { at: number; fields: readonly string[] }[] = [];
  const warnings: string[] = [];
  const answers: (() => void)[] = [];
  const manager = { problem: null as string | null, isHeldBack: false };
  const log: Log = { ...silentLog, warn: (message) => warnings.push(message) };
  const send = (fields: readonly string[]) => {
    heard.push({ at: clock.monotonic(), fields });
    if (!manager.isHeldBack) return Promise.resolve(manager.problem);
    return new Promise<string | null>((resolve) => answers.push(() => resolve(manager.problem)));
  };
  const notifier = new Notifier({ clock, log, send }, { watchdogMs });
  const turn = async (ms: number) => {
    await settle();
    for (let left = ms; left > 0; left -= 250) {
      clock.advance(Math.min(250, left));
      await settle();
    }
  };
  return { clock, notifier, heard, warnings, answers, manager, turn };
}

describe('what a service tells its manager', () => {
  it('says nothing before it is ready, then READY with its status at once, and nothing more while nothing changes', async () => {
    const { notifier, heard, turn, clock } = told(null);
    await turn(60_000);
    assert.deepEqual(heard, []);
    notifier.ready(() => 'listens');
    notifier.ready(() => 'a second time');
    await turn(3_600_000);
    assert.deepEqual(heard, [{ at: 60_000, fields: ['READY=1', 'STATUS=listens'] }]);
    notifier.close();
    assert.equal(clock.pending, 0);
  });

  it('answers a watchdog at half of its time, with what changed meanwhile', async () => {
    const { notifier, heard, turn } = told(120_000);
    let nodes = 0;
    notifier.ready(() => `${nodes} nodes`);
    await turn(60_000);
    nodes = 1;
    await turn(70_000);
    assert.deepEqual(heard, [
      { at: 0, fields: ['READY=1', 'WATCHDOG=1', 'STATUS=0 nodes'] },
      { at: 60_000, fields: ['WATCHDOG=1'] },
      { at: 70_000, fields: ['STATUS=1 nodes'] },
      { at: 120_000, fields: ['WATCHDOG=1'] },
    ]);
  });

  it('tells a status that changes all the time once in ten seconds', async () => {
    const { notifier, heard, turn, clock } = told(null);
    notifier.ready(() => `${clock.monotonic()}`);
    await turn(60_000);
    assert.equal(heard.length, 7);
  });

  it('keeps a short watchdog fed as well', async () => {
    const { notifier, heard, turn } = told(2_000);
    notifier.ready(() => 'well');
    await turn(10_000);
    const pings = heard.filter(({ fields }) => fields.includes('WATCHDOG=1')).map(({ at }) => at);
    assert.deepEqual(pings, [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000]);
  });

  it('tries again what was not heard, before the watchdog’s time is over; warns once, and tries ever more seldom', async () => {
    const { notifier, heard, warnings, manager, turn } = told(120_000);
    manager.problem = 'no such socket';
    notifier.ready(() => 'well');
    await turn(10_000);
    assert.deepEqual(
      heard.map(({ at }) => at),
      [0, 10_000],
    );
    manager.problem = null;
    await turn(30_000);
    assert.deepEqual(heard.at(-1), { at: 30_000, fields: ['READY=1', 'WATCHDOG=1', 'STATUS=well'] });
    manager.problem = 'no such socket';
    await turn(3_600_000);
    assert.deepEqual(warnings, ['the service manager could not be told how this is']);
    assert.ok(heard.length < 80, `${heard.length} tries in an hour`);
    manager.problem = null;
    await turn(60_000);
    assert.ok(heard.at(-1)?.fields.includes('WATCHDOG=1'));
  });

  it('has one message under way at a time, in the order of what happened', async () => {
    const { notifier, heard, answers, manager, turn } = told(2_000);
    manager.isHeldBack = true;
    notifier.ready(() => 'well');
    await turn(20_000);
    notifier.stopping(25_000);
    notifier.stopping();
    await turn(1_000);
    assert.equal(heard.length, 1);
    manager.isHeldBack = false;
    answers[0]!();
    await settle();
    assert.deepEqual(heard[1]?.fields, ['STOPPING=1', 'STATUS=stopping', 'EXTEND_TIMEOUT_USEC=25000000']);
    await turn(5_000);
    assert.equal(heard.length, 7, 'it lives while it stops');
    assert.deepEqual(heard.at(-1)?.fields, ['WATCHDOG=1']);
    notifier.ready(() => 'too late');
    notifier.close();
    await turn(60_000);
    assert.equal(heard.length, 7);
  });

  it('lets no status bring a field of its own', async () => {
    const { notifier, heard, turn } = told(null);
    notifier.ready(() => `a\nMAINPID=1\r\n\0\u2028${'b'.repeat(300)}`);
    await turn(250);
    const [, status] = heard[0]!.fields;
    assert.match(status!, /^STATUS=a MAINPID=1 b+$/);
    assert.equal(status!.length, 'STATUS='.length + 200);
  });

  it('a node says to whom it is connected, or why it is not', () => {
    const moment = {
      name: 'pi-lab',
      state: 'online',
      daemon: { name: 'nas', endpoint: null },
      transport: { mode: 'auto', used: 'quic', why: '' },
      attempts: 0,
      nextTryAt: null,
      lastError: null,
      capabilities: [],
    } as const;
    assert.equal(statusWords(moment), 'pi-lab: connected to nas over quic');
    assert.equal(
      statusWords({ ...moment, state: 'offline', lastError: { reason: 'X', message: 'refused' } }),
      'pi-lab: not connected to nas (refused)',
    );
  });
});

describe('the variables of a service manager', () => {
  it('are taken, whatever they say, and stay out of the environment of every child', () => {
    const of = (more: Record<string, string>) => {
      const env = { PATH: '/bin', ...more };
      const request = takeNotifyRequest(env, 4121);
      assert.deepEqual(env, { PATH: '/bin' });
      return request;
    };
    const NOTIFY_SOCKET = '/run/notify';
    assert.equal(of({}), null);
    assert.equal(of({ NOTIFY_SOCKET: '', WATCHDOG_USEC: '1', WATCHDOG_PID: '4121' }), null);
    assert.deepEqual(of({ NOTIFY_SOCKET }), { socket: '/run/notify', watchdogMs: null });
    const watched = { NOTIFY_SOCKET, WATCHDOG_USEC: '120000000' };
    assert.equal(of(watched)?.watchdogMs, 120_000);
    assert.equal(of({ ...watched, WATCHDOG_PID: '4121' })?.watchdogMs, 120_000);
    assert.equal(of({ ...watched, WATCHDOG_PID: '1' })?.watchdogMs, null, 'it is meant for another process');
    for (const WATCHDOG_USEC of ['0', '-1', 'soon', '1e9', '9'.repeat(30)])
      assert.equal(of({ NOTIFY_SOCKET, WATCHDOG_USEC })?.watchdogMs, null, WATCHDOG_USEC);
  });
});

describe('the program that tells a service manager', () => {
  const home = temporaryDirectory();
  const program = (text: string) => {
    const file = join(home(), 'systemd-notify');
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
    return file;
  };

  before(function () {
    if (process.platform === 'win32') this.skip();
  });

  it('is the first in PATH that can be run, else the one of the system', () => {
    const elsewhere = findNotifyProgram(undefined);
    const file = program('exit 0');
    mkdirSync(join(home(), 'other', 'systemd-notify'), { recursive: true });
    assert.equal(findNotifyProgram(`relative:${home()}/none:${home()}/other:${home()}:/usr/bin`), file);
    chmodSync(file, 0o644);
    assert.equal(findNotifyProgram(`${home()}`), elsewhere);
    assert.equal(findNotifyProgram(''), elsewhere);
  });

  it('is given the words, the socket and nothing else', async () => {
    const file = program(`{ printf '%s\\n' "$@"; /usr/bin/env; } >"${home()}/given"`);
    assert.equal(await sendThrough(file, '/run/a b')(['READY=1', 'STATUS=a "b" $c']), null);
    const given = readFileSync(join(home(), 'given'), 'utf8').trim().split('\n');
    assert.deepEqual(given.slice(0, 2), ['READY=1', 'STATUS=a "b" $c']);
    assert.deepEqual(
      given.slice(2).filter((line) => !/^(PWD|_|SHLVL|OLDPWD)=/.test(line)),
      ['NOTIFY_SOCKET=/run/a b'],
    );
  });

  it('is answered for when it fails, hangs or is not there', async () => {
    assert.equal(await sendThrough(program('echo "no such socket" >&2; exit 1'), '/x')(['READY=1']), 'no such socket');
    assert.match((await sendThrough(program('exec sleep 60'), '/x', 100)(['READY=1']))!, /took longer than 100 ms$/);
    assert.match((await sendThrough(join(home(), 'none'), '/x')(['READY=1']))!, /ENOENT/);
    assert.match((await sendThrough(program(''), '/x')(['READY=\0']))!, /could not be started/);
  });
});
