/** Everything a person gets wrong has a reason of its own, an exit code that scripts can tell apart, and the next step; and it costs nothing. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { once } from 'node:events';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/base/clock.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { testAuthority } from '../support/fake-daemon.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { PROBE_MODULE, Sandbox } from '../support/palyra.js';
import { assertRefused, type Refusal } from '../support/refusals.js';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { invite as newInvite } from '../support/test-node.js';

const HOUR_MS = 3_600_000;

describe('what a person gets wrong', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let place: string;
  let open: { id: string; link: string; code: string };

  before(async () => {
    sandbox = new Sandbox();
    daemon = await LiveDaemon.start(sandbox);
    await sandbox.joinNode('pi', { env: { PALYRA_CAPABILITY_MODULES: PROBE_MODULE } });
    const { code } = await sandbox.json(['node', 'pair', (await sandbox.invite(['--name', 'nas'])).link], {
      home: 'nas',
    });
    assert.equal(code, 0);
    open = await sandbox.invite();
    place = new URL(open.link).host;
  });
  after(() => sandbox.dispose());

  const refused = (args: readonly string[], expected: Refusal, home = 'daemon', input?: string) =>
    assertRefused(sandbox, args, expected, { home, ...(input === undefined ? {} : { input }) });

  // ── Joining ──

  it('half a link', async () => {
    const half = { reason: 'LINK_MALFORMED', exit: 2, hints: /https:\/\/HOST:PORT\/j\// };
    await refused(['node', 'run', open.link.slice(0, -7)], half, 'joiner');
    await refused(['node', 'run', `https://${place}/`], half, 'joiner');
    await refused(['node', 'run', 'not a host'], half, 'joiner');
  });

  it('a link of another daemon: nothing is sent, not even the code', async () => {
    const other = testAuthority();
    const { keyPem, certificatePem } = other.issueServer({
      hosts: ['127.0.0.1'],
      now: Date.now(),
      random: systemRandom,
    });
    let received = 0;
    let connections = 0;
    const server = createTlsServer({ key: keyPem, cert: certificatePem + other.certificatePem, ALPNProtocols: ['h2'] });
    server.on('connection', () => (connections += 1));
    server.on('tlsClientError', () => undefined);
    server.on('secureConnection', (socket) => {
      socket.on('data', (bytes) => (received += bytes.length)).on('error', () => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const link = open.link.replace(place, `127.0.0.1:${(server.address() as AddressInfo).port}`);
      const mismatch = { reason: 'DAEMON_IDENTITY_MISMATCH', exit: 5, says: /not the one in the link/ };
      await refused(['node', 'run', link], mismatch, 'joiner');
    } finally {
      server.close();
    }
    assert.deepEqual([connections, received], [2, 0]);
  });

  it('a wrong code, a code that is none, and no code', async () => {
    const typed = ['node', 'run', place, '--code-stdin'];
    await refused(
      typed,
      { reason: 'INVITE_REFUSED', exit: 78, hints: /palyra node pair/ },
      'joiner',
      '0123-4567-89AB\n',
    );
    await refused(typed, { reason: 'CODE_MALFORMED', exit: 2, hints: /K7QF-2M9D-4TXW/ }, 'joiner', '0123-4567\n');
    await refused(typed, { reason: 'CODE_REQUIRED', exit: 2, hints: /--code-stdin/ }, 'joiner', '');
    await refused(['node', 'run', place, '--quiet'], { reason: 'CODE_REQUIRED', exit: 2 }, 'joiner');
  });

  it('an address where nobody answers', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    const link = open.link.replace(place, `127.0.0.1:${port}`);
    await refused(['node', 'run', link], { reason: 'DAEMON_UNREACHABLE', exit: 5, says: /refused/ }, 'joiner');
  });

  it('a name that is taken, on either side', async () => {
    const taken = { reason: 'NAME_TAKEN', exit: 78, says: /"pi"/, hints: /--name/ };
    await refused(['node', 'pair', '--name', 'pi'], taken);
    await refused(['node', 'run', open.link, '--name', 'pi'], taken, 'joiner');
  });

  it('a node that is not paired, runs already, or belongs to another daemon', async () => {
    await refused(['node', 'run'], { reason: 'NODE_NOT_PAIRED', exit: 78, hints: /palyra node run <link>/ }, 'joiner');
    await refused(['node', 'run'], { reason: 'NODE_ALREADY_RUNNING', exit: 78 }, 'pi');
    const foreign = open.link.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    await refused(['node', 'run', foreign], { reason: 'NODE_ALREADY_PAIRED', exit: 78 }, 'nas');
  });

  // ── Running ──

  it('a node that is not there, or is not the only one', async () => {
    await refused(['nodes', 'show', 'nobody'], { reason: 'NODE_NOT_FOUND', exit: 3, hints: /nodes list/ });
    await refused(['nodes', 'invoke', 'nobody', 'echo'], { reason: 'NODE_NOT_FOUND', exit: 3 });
    const { nodes } = await daemon.with((client) => client.listNodes());
    const [first, second] = nodes.map(({ id }) => id) as [string, string];
    let same = 'nod_'.length;
    while (first[same] === second[same]) same += 1;
    const ambiguous = { reason: 'NODE_AMBIGUOUS', exit: 3, hints: /longer part of the id/ };
    await refused(['nodes', 'show', first.slice(0, same)], ambiguous);
    await refused(['nodes', 'remove', first.slice(0, same), '--yes'], ambiguous);
    assert.equal((await sandbox.json(['nodes', 'show', first.slice(0, same + 1)])).document.node.id, first);
  });

  it('a capability that is not there, and a node that is away', async () => {
    await refused(['nodes', 'invoke', 'pi', 'coffee.brew'], {
      reason: 'CAPABILITY_NOT_FOUND',
      exit: 3,
      says: /coffee\.brew/,
    });
    await refused(['nodes', 'invoke', 'nas', 'echo'], { reason: 'NODE_OFFLINE', exit: 6, hints: /--queue/ });
  });

  it('an input that does not fit, is not JSON, or is too large', async () => {
    const invoke = ['nodes', 'invoke', 'pi', 'probe.sleep'];
    await refused([...invoke, 'ms=-4'], { reason: 'INPUT_INVALID', exit: 2, says: /ms/ });
    await refused([...invoke, 'ms=1', 'colour=red'], { reason: 'INPUT_INVALID', exit: 2, says: /colour/ });
    await refused([...invoke, '--input', '{ms:1}'], { reason: 'USAGE_INVALID', exit: 2, says: /JSON/ });
    const file = join(sandbox.directory, 'large.json');
    writeFileSync(file, JSON.stringify({ ms: 1, marker: 'x'.repeat(512 * 1024) }));
    const tooLarge = { reason: 'INPUT_TOO_LARGE', exit: 2, hints: /512 KiB/ };
    await refused([...invoke, '--input', `@${file}`], tooLarge);
    // The daemon has the same limit for those who do not use the command.
    const input = { ms: 1, marker: 'x'.repeat(512 * 1024) };
    await assert.rejects(daemon.dispatch('pi', { capability: 'probe.sleep', input }), { reason: 'INPUT_TOO_LARGE' });
  });

  it('a word that is no command, a flag that is none, a confirmation that is missing', async () => {
    await refused(['nodez', 'list'], { reason: 'COMMAND_UNKNOWN', exit: 127 });
    await refused(['nodes', 'list', '--jsno'], { reason: 'USAGE_INVALID', exit: 2, says: /--jsno/, hints: /--help/ });
    await refused(['nodes', 'remove', 'pi'], { reason: 'CONFIRMATION_REQUIRED', exit: 2, hints: /--yes/ });
    await refused(['nodes', 'list'], { reason: 'DAEMON_NOT_RUNNING', exit: 5, hints: /daemon start/ }, 'no-daemon');
  });

  it('and nothing was lost by any of it', async () => {
    const { nodes } = await daemon.with((client) => client.listNodes());
    assert.deepEqual(nodes.map(({ name, trust }) => `${name} ${trust}`).sort(), ['nas paired', 'pi paired']);
    assert.equal((await daemon.with((client) => client.daemonStatus())).pid, daemon.pid);
    assert.equal(
      (await sandbox.json(['nodes', 'invoke', 'pi', 'echo', 'text=here'])).document.dispatch.state,
      'succeeded',
    );
    const joined = await sandbox.json(['node', 'pair', open.link, '--name', 'late'], { home: 'joiner' });
    assert.equal(joined.code, 0, JSON.stringify(joined.document));
  });
});

describe('what the clocks get wrong', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;
  let target: TestDaemon;
  let offsetMs: number;

  beforeEach(async () => {
    sandbox = new Sandbox();
    offsetMs = 0;
    target = await startTestDaemon({}, { clock: { ...systemClock, now: () => systemClock.now() + offsetMs } });
  });
  afterEach(async () => {
    await target.dispose();
    await sandbox.dispose();
  });

  it('an invite that expired', async () => {
    offsetMs = -HOUR_MS;
    const { link } = await newInvite(target, { expiresInMs: 30_000 });
    offsetMs = 0;
    const expected = { reason: 'INVITE_REFUSED', exit: 78, hints: /palyra node pair/ };
    await assertRefused(sandbox, ['node', 'run', link], expected);
  });

  for (const [minutes, direction] of [
    [10, 'behind'],
    [-10, 'ahead of'],
  ] as const) {
    it(`a clock 10 minutes ${direction} the daemon's: said as what it is, and the invite is still good`, async () => {
      const { link, id } = await newInvite(target, { expiresInMs: 2 * HOUR_MS });
      offsetMs = minutes * 60_000;
      const says = new RegExp(`the clock of this machine is (10|9) minutes ${direction} the daemon's`);
      await assertRefused(sandbox, ['node', 'run', link], { reason: 'CLOCK_SKEW', exit: 78, says, hints: /clock/ });
      offsetMs = 0;
      assert.equal(target.daemon.runtime.invites.view(id).state, 'open');
      assert.equal((await sandbox.json(['node', 'pair', link])).code, 0);
    });
  }
});
