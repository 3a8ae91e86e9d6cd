/**
 * An operator at the terminal UI, in a real window, with a real daemon and real machines: moves, filters, runs something, lets a machine in with a wrong and
 * then the right PIN, changes the size of the window while typing, and keeps looking while the daemon is killed and started again. Panes that are the same
 * on every machine, once names and times are taken out, are kept as fixtures; PALYRA_TEST_UPDATE=1 writes them.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { Sandbox, type RunningProcess } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';
import { HAS_TMUX, Tmux } from '../support/tmux.js';

const PANES = fileURLToPath(new URL('../fixtures/tui/panes/', import.meta.url));

describe('palyra tui in a window', function () {
  this.timeout(180_000);
  // Each step stands on the one before.
  stepByStep(this);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let window: Tmux;
  let place: string;
  let asking: RunningProcess;

  before(async function () {
    if (!HAS_TMUX) this.skip();
    sandbox = new Sandbox();
    const started = await sandbox.startDaemon();
    daemon = LiveDaemon.of(sandbox, 'daemon', started);
    place = new URL(started.urls.public).host;
    await sandbox.joinNode('nas');
    await sandbox.joinNode('pi-lab');
    window = await Tmux.palyra(sandbox, { columns: 100, rows: 28 });
    window.run('$P tui; echo exit $?');
  });
  after(async () => {
    window?.dispose();
    await sandbox?.dispose();
  });

  it('shows the fleet and moves in it', async () => {
    await window.until(/▸ nas .*● online[^]*pi-lab .*● online/);
    window.press('Down');
    await window.until(/▸ pi-lab[^]*─ pi-lab ─[^]*= palyra nodes show pi-lab/);
    pane('fleet', window.screen);
    window.type('k');
    await window.until(/▸ nas/);
  });

  it('filters while it is typed, also when the window changes its size meanwhile', async () => {
    window.type('/');
    window.type('pi');
    const filtered = await window.until(/▸ pi-lab[^]* \/ pi$/m);
    assert.doesNotMatch(filtered, /nas .*● online/);
    window.resize(60, 20);
    window.type('-l');
    await window.until(/ \/ pi-l$/m);
    // A frame that is half drawn may be seen; the whole one fills the window.
    await eventually(() => window.screen.split('\n').length === 19, '19 lines');
    window.resize(39, 9);
    await window.until(/enlarge to\s40×10/);
    window.type('ab');
    window.resize(100, 28);
    await window.until(/▸ pi-lab[^]* \/ pi-lab$/m);
    window.press('Enter');
    await window.until(/filter: pi-lab/);
    window.press('Escape');
    await window.until(/nas .*● online/);
  });

  it('runs a capability from a form made of its schema, and shows the result and the same command', async () => {
    await window.until(/▸ pi-lab|▸ nas/);
    window.press('Home', 'i');
    await window.until(/What shall nas do\?[^]*▸ echo/);
    window.press('Enter');
    await window.until(/echo on nas[^]*▸ text/);
    window.type('hello there');
    await window.until(/= palyra nodes invoke nas echo 'text=hello there'/);
    window.press('Enter');
    await window.until(/✓ nas · echo[^]*\{ "text": "hello there" \}/);
    pane('invoke-result', window.screen);
    window.press('Escape', 'Escape', 'Escape', 'd');
    await window.until(/nas +echo +\S+ +✓ succeeded/);
    window.press('Up', 'Enter');
    await window.until(/input +\{ "text": "hello there" \}/);
    window.press('Escape', 'Escape');
    await window.until(/▸ nas/);
  });

  it('follows what others run, as it happens', async () => {
    window.press('d');
    await window.until(/following the newest/);
    await daemon.dispatch('pi-lab', { capability: 'system.identity', input: {} });
    await window.until(/pi-lab +system\.identity +\S+ +✓ succeeded/);
    window.press('Escape');
  });

  it('lets a machine in with its PIN, after a wrong one was refused', async () => {
    asking = sandbox.spawn(['node', 'run', place, '--name', 'win-pc'], { home: 'win', timeoutMs: Infinity });
    await asking.line(/Waiting for a person/);
    const pin = /PIN {3}(\d{3} \d{3})\n/.exec(asking.stderr)![1]!.replace(' ', '');
    await window.until(/1 waiting[^]*win-pc +\? asking to join[^]*waiting for you \(1\)/);
    window.press('a');
    await window.until(/join +win-pc/);
    window.press('Enter');
    await window.until(/PIN shown on win-pc: {2}_ _ _/);
    window.type(`${(Number(pin[0]) + 1) % 10}${pin.slice(1)}`);
    window.press('Enter');
    await window.until(/✗ .*(wrong|not the PIN)/i);
    await window.until(/PIN shown on win-pc: {2}_ _ _/);
    pane('approvals-wrong-pin', window.screen);
    window.type(pin.slice(0, 3));
    window.resize(80, 24);
    window.type(pin.slice(3));
    window.press('Enter');
    await window.until(/✓ win-pc joined/);
    await asking.line(/^● Online/m);
    await window.until(/Nothing waits/);
    window.resize(100, 28);
    window.press('Escape');
    await window.until(/win-pc +● online/);
  });

  it('rejects a machine and tells it why', async () => {
    const stranger = sandbox.spawn(['node', 'run', place, '--name', 'stranger'], {
      home: 'stranger',
      timeoutMs: Infinity,
    });
    await stranger.line(/Waiting for a person/);
    await window.until(/1 waiting/);
    window.press('a', 'r');
    await window.until(/Why\? The machine is told:/);
    window.type('not ours');
    await window.until(/not ours$/m);
    window.press('Enter');
    await window.until(/✓ stranger rejected/);
    assert.equal((await stranger.finished).code, 78);
    assert.match(stranger.stderr, /not ours/);
    window.press('Escape');
  });

  it('invites a machine with a QR code and closes the invite itself when it has joined', async () => {
    window.press('n');
    const screen = await window.until(/palyra join https:[^]*Waiting…/);
    assert.match(screen, /█▀▀▀▀▀█/);
    const link = /palyra join (https:\S+)/.exec(screen)![1]!;
    await sandbox.startNode('tablet', [link, '--name', 'tablet']);
    await window.until(/tablet joined/);
    await window.until(/▸ tablet/);
  });

  it('says that the daemon is away, claims nothing, and is live again when it is back', async () => {
    await daemon.kill();
    const lost = await window.until(/○ reconnecting \(\d+ s\)[^]*◌ was online/);
    assert.doesNotMatch(lost, /● (live|online)/);
    await window.until(/reconnecting \([2-9] s\)/);
    pane('daemon-away', window.screen);
    await daemon.startAgain();
    await window.until(/● live[^]*nas +● online/, 60_000);
    window.press('Enter');
    await window.until(/\[1 overview\]/);
    window.type('3');
    await window.until(/system\.health/);
  });

  it('removes a machine only when its name is typed', async () => {
    window.press('Escape');
    await window.until(/▸ /);
    window.press('x');
    const name = /Type (\S+) to remove it/.exec(await window.until(/Type \S+ to remove it/))![1]!;
    window.type('no');
    window.press('Enter');
    await window.until(/Nothing was removed/);
    window.press('x');
    window.type(name);
    window.press('Enter');
    await window.until(new RegExp(`✓ ${name} removed`));
    window.type('q');
    await window.until(/exit 0/);
  });

  it('changes nothing with --read-only', async () => {
    window.run('$P tui --read-only; echo again $?');
    await window.until(/read-only +● live/);
    for (const key of ['i', 'n', 'x', 'w']) {
      window.press(key);
      await window.until(/✗ Read-only/);
      window.press('Down');
      await window.until(/= palyra nodes show/);
    }
    window.type('q');
    await window.until(/again 0/);
  });
});

/** Compares a pane with its fixture, without what differs from machine to machine and from run to run. */
function pane(name: string, screen: string): void {
  const stable = screen
    .replace(/^ palyra .*?( {2,}|(?=● |○ ))/, ' palyra … ')
    .replaceAll(/(linux|darwin|win32)\/\w+/g, 'platform')
    .replaceAll(/\b\d{1,2} [A-Z][a-z]{2} \d\d:\d\d/g, '1 Jan 00:00')
    .replaceAll(/\b\d\d:\d\d(:\d\d)?\b/g, '00:00')
    .replaceAll(/\b\d+(\.\d+)? (ms|s|min)\b/g, 'N s')
    .replaceAll(/\bdsp_\w{26}/g, 'dsp_…')
    .replaceAll(/\b[0-9A-Z]{6}\b/g, 'XXXXXX')
    .replaceAll(/\b([0-9A-Z]{4} )+[0-9A-Z]{4}\b/g, 'WORDS')
    .replaceAll(/\d+\.\d+\.\d+(?!\.)/g, 'V')
    .replaceAll(/ {2,}/g, '  ')
    .concat('\n');
  const file = join(PANES, `${name}.txt`);
  if (process.env['PALYRA_TEST_UPDATE'] === '1') {
    mkdirSync(PANES, { recursive: true });
    writeFileSync(file, stable);
  }
  assert.equal(stable, readFileSync(file, 'utf8'), `${name}: PALYRA_TEST_UPDATE=1 writes the pane anew`);
}
