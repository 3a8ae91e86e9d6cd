/**
 * No secret where it does not belong. A fleet is made and broken with everything logged; then every file, every printed word and every process is searched
 * for private keys and invite codes in any spelling. The input of a dispatch is no secret from the daemon's own state, but it is from logs.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { basename, join } from 'node:path';
import { parseInviteCode } from '../../src/lib/identity/codes.js';
import { deriveCodeKeys } from '../../src/lib/identity/pairing-proof.js';
import { readCertificate } from '../../src/lib/identity/certificate.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { PROBE_MODULE, Sandbox, type Document, type RunningProcess } from '../support/palyra.js';
import { CAN_SEE_PROCESSES, processesBelow } from '../support/processes.js';
import {
  bytesSecret,
  codeSecret,
  privateKeySecret,
  secretsBelow,
  secretsIn,
  textSecret,
  type Secret,
} from '../support/secret-search.js';

const KEY_FILES = ['ca.key', 'server.key', 'device.key'];
const DEBUG = { PALYRA_LOG_LEVEL: 'debug' };
const NODE_ENV = { ...DEBUG, PALYRA_CAPABILITY_MODULES: PROBE_MODULE };
const LOGGED = ['--log-level', 'debug'];
const CANARY = `canary-${randomBytes(12).toString('hex')}`;

describe('secrets', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  /** Everything that any command printed but the one whose answer is the code. */
  const printed: string[] = [];
  const nodes: RunningProcess[] = [];
  const invites: { name: string; link: string; code: string }[] = [];
  let caPem: string;

  before(() => (sandbox = new Sandbox()));
  after(() => sandbox.dispose());

  const run = async (args: readonly string[], options: Parameters<Sandbox['run']>[1] = {}) => {
    const finished = await sandbox.run(args, { env: DEBUG, ...options });
    printed.push(finished.stdout, finished.stderr);
    return finished;
  };
  const invite = async (name: string): Promise<Document> => {
    const made = await sandbox.invite(['--name', name]);
    invites.push({ name, link: made.link, code: made.code });
    return made;
  };
  const codes = () => invites.map(({ name, code }) => codeSecret(`the code for ${name}`, code));
  const keys = (): Secret[] => {
    const file = (...path: string[]) => readFileSync(join(sandbox.directory, ...path), 'utf8');
    const identity = ['daemon', 'state', 'daemon', 'identity'];
    return [
      privateKeySecret('the key of the CA', file(...identity, 'ca.key')),
      privateKeySecret('the key of the server', file(...identity, 'server.key')),
      ...['by-variable', 'by-code', 'by-link'].map((home) =>
        privateKeySecret(`the key of ${home}`, file(home, 'state', 'node', 'device.key')),
      ),
    ];
  };

  it('are made: a daemon, and machines that join by variable, by typed code and by link', async () => {
    // Even one that its owner had in the shell is not the daemon's business.
    const args = ['daemon', 'start', '--port', '0', '--node-port', '0', '--console-port', '0', '--json'];
    sandbox.manage('daemon');
    const unrelated = 'https://127.0.0.1:1/j/ZZZZ1111ZZZZ-00000000000000000000000000';
    const started = await run(args, {
      env: { ...DEBUG, PALYRA_INVITE: unrelated, PALYRA_TOKEN: 'canary-token', CLOUD_KEY: 'canary-cloud-key' },
    });
    assert.equal(started.code, 0, started.stderr);
    daemon = LiveDaemon.of(sandbox, 'daemon', JSON.parse(started.stdout));
    caPem = await daemon.with((client) => client.caCertificate());

    const byVariable = await invite('by-variable');
    const env = { ...NODE_ENV, PALYRA_INVITE: byVariable.link as string };
    nodes.push(await sandbox.startNode('by-variable', LOGGED, { env }));
    const byCode = await invite('by-code');
    const place = new URL(byCode.link as string).host;
    const input = `${byCode.code}\n`;
    nodes.push(await sandbox.startNode('by-code', [place, '--code-stdin', ...LOGGED], { env: NODE_ENV, input }));
    const byLink = await invite('by-link');
    const joined = await run(['node', 'pair', byLink.link, '-v'], { home: 'by-link', env: NODE_ENV });
    assert.equal(joined.code, 0, joined.stderr);
    nodes.push(await sandbox.startNode('by-link', LOGGED, { env: NODE_ENV }));
  });

  it('are in no command line, and in no environment but the one they were given in', function () {
    if (!CAN_SEE_PROCESSES) return this.skip();
    const seen = processesBelow(sandbox.directory);
    assert.equal(seen.length, 4, 'a daemon and three nodes');
    const secrets = [...codes(), ...keys(), textSecret('what the shell had', ['ZZZZ1111ZZZZ', 'canary-'])];
    for (const { argv, environment } of seen) {
      assert.deepEqual(secretsIn(Buffer.from(argv.join('\0')), secrets), [], argv.join(' '));
      // The kernel shows what a process was started with; it cannot be taken back. Its own user and root can see it.
      const { PALYRA_INVITE: given, ...others } = environment;
      if (given !== undefined) assert.ok(environment['PALYRA_HOME']!.endsWith('by-variable'));
      assert.deepEqual(secretsIn(Buffer.from(JSON.stringify(others)), secrets), []);
    }
  });

  it('are used: a page is opened, codes are wrong, inputs are refused, runs fail, a node and the daemon crash', async () => {
    const unused = await invite('unused');
    await opened(unused.link as string, caPem);
    await opened((unused.link as string).toUpperCase().replace('HTTPS:', 'https:'), caPem);
    const echoed = await run(['nodes', 'invoke', 'by-code', 'echo', `text=${CANARY}`, '-v', '--json']);
    assert.equal(JSON.parse(echoed.stdout).dispatch.output.text, CANARY);
    const missing = join(sandbox.directory, 'nowhere', CANARY);
    const failed = await run(['nodes', 'invoke', 'by-code', 'probe.effect', 'ms=1', `file=${missing}`, '-v']);
    assert.equal(failed.code, 10, failed.stderr);
    const refused = await run(['nodes', 'invoke', 'by-code', 'probe.sleep', `ms=${CANARY}`, '-v']);
    assert.equal(refused.code, 2, refused.stderr);
    const place = new URL(unused.link as string).host;
    const input = `${String(unused.code).replace(/.$/, (last) => (last === '0' ? '1' : '0'))}\n`;
    const wrong = await run(['node', 'pair', place, '--code-stdin', '-v'], { home: 'stranger', input });
    assert.equal(wrong.code, 78, wrong.stderr);
    const spent = await run(['node', 'pair', invites[0]!.link, '-v'], { home: 'stranger' });
    assert.equal(spent.code, 78, spent.stderr);
    await nodes[1]!.end('SIGKILL');
    await daemon.kill();
    await run(['nodes', 'list', '-v']);
    await daemon.startAgain();
    nodes.push(await sandbox.startNode('by-code', LOGGED, { env: NODE_ENV }));
    await run(['nodes', 'show', 'by-code']);
    await run(['invites', 'list', '--json']);
    await run(['daemon', 'status', '--json']);
    await run(['daemon', 'logs', '--tail', '1000']);
    assert.equal((await run(['daemon', 'stop'])).code, 0);
    await Promise.all(nodes.map((node) => node.end('SIGTERM')));
  });

  it('are in no file, but for the keys in their own', async () => {
    const { spkiFingerprint } = readCertificate(caPem);
    const clientKeys = await Promise.all(
      invites.map(async ({ name, code }) => {
        const { clientKey } = await deriveCodeKeys(parseInviteCode(code), spkiFingerprint);
        return bytesSecret(`what proves the code for ${name}`, clientKey);
      }),
    );
    const isKeyFile = (path: string) => KEY_FILES.includes(basename(path));
    assert.deepEqual(secretsBelow(sandbox.directory, [...codes(), ...clientKeys]), []);
    assert.deepEqual(secretsBelow(sandbox.directory, keys(), isKeyFile), []);
    // The search finds what is there, or it would prove nothing.
    assert.equal(secretsBelow(sandbox.directory, keys()).length, 5);
  });

  it('are in nothing that was printed', () => {
    const all = [...printed, ...nodes.flatMap(({ stdout, stderr }) => [stdout, stderr])].join('\n');
    assert.ok(all.length > 2000);
    assert.deepEqual(secretsIn(Buffer.from(all), [...codes(), ...keys()]), []);
  });

  it('keep the inputs of dispatches out of the logs, while the state has them', () => {
    const canary = [textSecret('the input', [CANARY])];
    const isState = (path: string) => /node-runtime\.v1\.|outbox/.test(basename(path));
    assert.deepEqual(secretsBelow(sandbox.directory, canary, isState), []);
    assert.ok(secretsBelow(sandbox.directory, canary).length > 0);
    for (const { stdout, stderr } of nodes) assert.deepEqual(secretsIn(Buffer.from(stdout + stderr), canary), []);
    assert.ok(sandbox.daemonLog().split('\n').length > 10, 'something was logged');
  });
});

function opened(link: string, ca: string): Promise<void> {
  return new Promise((resolve, reject) => {
    get(link, { ca, agent: false }, (response) => {
      assert.equal(response.statusCode, 200);
      response.resume().once('end', resolve);
    }).on('error', reject);
  });
}
