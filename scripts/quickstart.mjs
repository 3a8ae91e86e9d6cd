// npm run quickstart: a daemon, a machine that joins it by a link, and a capability run on that machine; every step as a person would type it.
// All of it lives in one scratch directory and on free loopback ports. `-- --keep` leaves it running and says how to use it.
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assertNodeVersion, buildWhenStale, install, root } from './prepare.mjs';

const keep = process.argv.includes('--keep');
const bin = join(root, 'bin', 'run.js');
const ONLINE_WITHIN_MS = 30_000;

assertNodeVersion();
install(note);
await buildWhenStale(note);

const scratch = mkdtempSync(join(tmpdir(), 'palyra-'));
const homes = { daemon: join(scratch, 'daemon'), node: join(scratch, 'node') };
const nodeLog = join(scratch, 'node.log');
let node = null;
let finished = false;

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => void cleanUp().then(() => process.exit(signal === 'SIGINT' ? 130 : 143)));
}
try {
  await tour();
  finished = true;
} catch (error) {
  console.log(`\n✗ ${error.message}`);
  process.exitCode = 1;
} finally {
  if (!(keep && finished)) await cleanUp();
}
if (finished) farewell();

async function tour() {
  note('\n# The machine that holds the daemon');
  await palyra(homes.daemon, 'daemon', 'start', '--port', '0', '--node-port', '0', '--console-port', '0');
  const { stdout } = await palyra(homes.daemon, 'node', 'pair', '--name', 'demo');
  const link = /https:\/\/\S+\/j\/\S+/.exec(stdout)?.[0];
  if (link === undefined) throw new Error('palyra node pair printed no link');

  note('\n# The machine that joins (here the same one, with a home of its own)');
  await startNode(link);

  note('\n# Back where the daemon is');
  await palyra(homes.daemon, 'nodes', 'list');
  await palyra(homes.daemon, 'nodes', 'invoke', 'demo', 'echo', 'text=hello');
  await palyra(homes.daemon, 'nodes', 'invoke', 'demo', 'system.health');
}

/** Runs one command, shows it with its real output, and fails when it fails. */
function palyra(home, ...args) {
  console.log(`\n$ palyra ${args.join(' ')}`);
  const child = spawn(process.execPath, [bin, ...args], { env: environment(home), stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
    process.stdout.write(text);
  });
  child.stderr.setEncoding('utf8').on('data', (text) => process.stdout.write(text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve({ stdout }) : reject(new Error(`palyra ${args.join(' ')} ended with exit code ${code}`)),
    );
  });
}

/** The node runs in the background; what it says goes to a file, is shown here, and tells when it is online. */
async function startNode(link) {
  console.log(`\n$ palyra node run ${link}`);
  const file = openSync(nodeLog, 'a', 0o600);
  node = spawn(process.execPath, [bin, 'node', 'run', link], {
    env: environment(homes.node),
    stdio: ['ignore', file, file],
    detached: keep,
  });
  closeSync(file);
  let shown = 0;
  const show = () => {
    const text = readFileSync(nodeLog, 'utf8');
    process.stdout.write(text.slice(shown));
    shown = text.length;
    return text;
  };
  const until = Date.now() + ONLINE_WITHIN_MS;
  while (!/^● Online/m.test(show())) {
    if (node.exitCode !== null) throw new Error(`the node ended with exit code ${node.exitCode}`);
    if (Date.now() > until) throw new Error('the node did not come online in time');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (keep) node.unref();
}

async function cleanUp() {
  if (node !== null && node.exitCode === null && node.signalCode === null) {
    const gone = new Promise((resolve) => node.once('exit', resolve));
    node.kill('SIGTERM');
    await gone;
  }
  await palyra(homes.daemon, 'daemon', 'stop', '--now').catch(() => undefined);
  rmSync(scratch, { recursive: true, force: true });
}

function farewell() {
  if (!keep) {
    note(
      '\nEverything is stopped and the scratch directory is gone. Keep it running next time: npm run quickstart -- --keep',
    );
    return;
  }
  note(`\nStill running in ${scratch}. Use it:`);
  note(`  export PALYRA_HOME=${homes.daemon}`);
  note(`  node ${bin} nodes list`);
  note('Stop it and remove it:');
  note(`  kill ${node.pid}; node ${bin} daemon stop; rm -r ${scratch}`);
}

/** Nothing of the caller's own palyra may leak in: neither its home nor its switches. */
function environment(home) {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('PALYRA_') && name !== 'NODE_OPTIONS'),
  );
  return { ...env, PALYRA_HOME: home };
}

function note(line) {
  console.log(line);
}
