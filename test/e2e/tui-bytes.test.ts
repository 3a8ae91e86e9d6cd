/** What the terminal UI does to a terminal, byte by byte: everything it changes is put back, whatever ends it, and the scroll-back is never touched. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { processesBelow } from '../support/processes.js';
import { Sandbox } from '../support/palyra.js';
import { HAS_TMUX, Tmux } from '../support/tmux.js';

const SIZE = { columns: 80, rows: 24 };
const count = (text: string, part: string) => text.split(part).length - 1;

describe('the bytes of palyra tui', function () {
  this.timeout(120_000);
  let sandbox: Sandbox;
  let window: Tmux;

  before(async function () {
    if (!HAS_TMUX) this.skip();
    sandbox = new Sandbox();
    await sandbox.startDaemon();
  });
  after(() => sandbox?.dispose());
  afterEach(() => window?.dispose());

  const open = async (env: Record<string, string> = {}) => (window = await Tmux.palyra(sandbox, SIZE, env));
  const tuiPid = () => {
    const found = processesBelow(sandbox.directory).find(({ argv }) => argv.includes('tui'));
    assert.ok(found);
    return found.pid;
  };
  /** The terminal is as it was before. */
  const sane = async (exit: number) => {
    await window.until(new RegExp(`exit ${exit}\\b`));
    const { bytes } = window;
    assert.equal(count(bytes, '\u001b[3J'), 0, 'scroll-back is never cleared');
    assert.equal(count(bytes, '\u001b[?1049h'), 1, 'one enter');
    assert.equal(count(bytes, '\u001b[?1049l'), 1, 'one leave');
    assert.ok(bytes.lastIndexOf('\u001b[?25h') > bytes.lastIndexOf('\u001b[?25l'), 'the cursor is visible');
    assert.ok(bytes.lastIndexOf('\u001b[?7h') > bytes.lastIndexOf('\u001b[?7l'), 'lines wrap again');
    assert.ok(bytes.lastIndexOf('\u001b[?2004l') > bytes.lastIndexOf('\u001b[?2004h'), 'pasting is as before');
    assert.deepEqual([window.ask('#{alternate_on}'), window.ask('#{cursor_flag}')], ['0', '1']);
    assert.match(window.screen, /before it began/, 'what was on the screen is there again');
    window.run('stty -a');
    await window.until(/[^-]icanon/);
    assert.match(window.screen, /[^-]echo /);
  };
  const begin = async (env: Record<string, string> = {}, args = '') => {
    await open(env);
    window.run('echo before it began');
    window.run(`$P tui ${args}; echo exit $?`);
    await window.until(/● live/);
  };

  it('leave the terminal as it was after q', async () => {
    await begin();
    window.press('?', 'Escape', 'd', 'Escape', 'q');
    await sane(0);
  });

  it('leave the terminal as it was after SIGTERM, in the middle of typing', async () => {
    await begin();
    window.type('/alp');
    await window.until(/\/ alp/);
    assert.equal(window.ask('#{cursor_flag}'), '1');
    process.kill(tuiPid(), 'SIGTERM');
    await sane(143);
  });

  it('leave the terminal as it was after a crash, and tell what happened where it can be read', async () => {
    await begin({
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent("process.on('SIGUSR2',()=>{throw new Error('a fault on purpose')})")}`,
    });
    process.kill(tuiPid(), 'SIGUSR2');
    await sane(1);
    assert.match(window.history, /unexpected/i);
  });

  it('are not spoilt by what others write, which is told when the screen is gone', async () => {
    const others = `process.on('SIGUSR2',()=>{process.emitWarning('a warning on purpose');console.error('words of a library');console.log('and more of them')})`;
    await begin({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(others)}` });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const before = window.screen;
    process.kill(tuiPid(), 'SIGUSR2');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal(window.screen, before);
    window.press('q');
    await sane(0);
    assert.match(window.history, /words of a library\s+and more of them\s+[^]*Warning: a warning on purpose/);
  });

  it('end when the window is closed', async () => {
    await begin();
    const pid = tuiPid();
    window.dispose();
    const end = performance.now() + 20_000;
    while (spawnSync('kill', ['-0', String(pid)]).status === 0) {
      assert.ok(performance.now() < end, 'it goes on without a terminal');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });

  it('have no colour, bold or reverse video with NO_COLOR', async () => {
    await begin({ NO_COLOR: '1' });
    window.press('a', 'Escape', 'd', 'Escape', 'q');
    await sane(0);
    const drawn = window.bytes.slice(window.bytes.indexOf('\u001b[?1049h'), window.bytes.indexOf('\u001b[?1049l'));
    assert.doesNotMatch(drawn, /\u001b\[[0-9;]*m/);
  });

  it('are none while nothing changes', async () => {
    await begin();
    // The lists that complete the first frame.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const { length } = window.bytes;
    await new Promise((resolve) => setTimeout(resolve, 3000));
    assert.equal(window.bytes.length, length);
    window.press('q');
    await sane(0);
  });

  it('stop with ^Z and go on with fg', async () => {
    await begin();
    window.press('C-z');
    await window.until(/[Ss]topped|suspended/i);
    assert.deepEqual([window.ask('#{alternate_on}'), window.ask('#{cursor_flag}')], ['0', '1']);
    window.run('fg');
    await window.until(/● live/);
    window.press('q');
    await window.until(/exit|ready\$ $/);
    assert.equal(window.ask('#{alternate_on}'), '0');
  });

  it('edit JSON in $EDITOR and come back', async () => {
    await sandbox.joinNode('nas');
    await begin({
      EDITOR: `${process.execPath} -e require('fs').writeFileSync(process.argv[1],'{"text":"from-the-editor"}')`,
    });
    await window.until(/nas .*● online/);
    window.press('i');
    await window.until(/▸ echo/);
    window.press('Enter');
    await window.until(/▸ text/);
    window.press('C-e');
    await window.until(/input, as JSON[^]*from-the-editor/);
    window.press('Enter');
    await window.until(/✓ nas · echo/);
    assert.match(window.screen, /from-the-editor/);
    window.press('C-c');
    await window.until(/exit 0/);
  });
});

describe('the line mode of palyra tui', function () {
  this.timeout(120_000);
  let sandbox: Sandbox;
  let window: Tmux;
  let place: string;

  before(async function () {
    if (!HAS_TMUX) this.skip();
    sandbox = new Sandbox();
    place = new URL((await sandbox.startDaemon()).urls.public).host;
    await sandbox.joinNode('nas');
  });
  after(() => sandbox?.dispose());
  afterEach(() => window?.dispose());

  for (const [how, env, flag] of [
    ['--screen-reader', {}, '--screen-reader'],
    ['PALYRA_A11Y', { PALYRA_A11Y: '1' }, ''],
    ['INK_SCREEN_READER', { INK_SCREEN_READER: 'true' }, ''],
    ['TERM=dumb', { TERM: 'dumb' }, ''],
  ] as const) {
    it(`never moves the cursor, asked for by ${how}`, async () => {
      window = await Tmux.palyra(sandbox, { columns: 100, rows: 40 });
      const variables = Object.entries(env)
        .map(([name, value]) => `${name}=${value} `)
        .join('');
      window.run(`${variables}$P tui ${flag}; echo exit $?`);
      await window.until(/1 node: 1 online\.[^]*q quit\.\n>$/);
      window.run('1');
      await window.until(/nas: online\./);
      window.run('run nas echo text=hello');
      await window.until(/"text": "hello"/);
      window.run('2');
      await window.until(/Nothing waits/);
      window.run('q');
      await window.until(/exit 0/);
      assert.doesNotMatch(window.bytes.slice(window.bytes.indexOf('palyra, connected')), /\u001b/);
    });
  }

  it('answers a request with a wrong and then the right PIN, and tells what changes', async () => {
    window = await Tmux.palyra(sandbox, { columns: 110, rows: 40 });
    window.run('$P tui --screen-reader; echo exit $?');
    await window.until(/1 online/);
    const asking = sandbox.spawn(['node', 'run', place, '--name', 'win-pc'], { home: 'win', timeoutMs: Infinity });
    await asking.line(/Waiting for a person/);
    const pin = /PIN {3}(\d{3} \d{3})\n/.exec(asking.stderr)![1]!;
    await window.until(/win-pc asks to join\. Type 2/);
    window.run('2');
    await window.until(/1 of 1\. win-pc asks to join/);
    window.run(pin.replace(/^\d/, (digit) => String((Number(digit) + 1) % 10)));
    await window.until(/wrong|not the PIN/i);
    window.run(pin);
    await window.until(/win-pc joined/);
    await asking.line(/^● Online/m);
    await window.until(/win-pc is online/);
    await asking.end('SIGKILL');
    await window.until(/win-pc went offline/);
    process.kill(processesBelow(sandbox.directory).find(({ argv }) => argv.includes('tui'))!.pid, 'SIGTERM');
    await window.until(/exit 143/);
  });

  it('refuses without a terminal, and names the way for scripts', async () => {
    for (const args of [['tui'], ['top', '--screen-reader']]) {
      const { code, stdout, stderr } = await sandbox.run(args);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /palyra tui needs a terminal[^]*palyra nodes list --watch/);
    }
    const { code, document } = await sandbox.json(['tui']);
    assert.deepEqual([code, document.error.code], [2, 'TERMINAL_REQUIRED']);
  });
});
