/**
 * Everything over IPv6 literals: on the loopback address of this machine, and, where this test may make one, in a network namespace whose only address is an
 * IPv6 one (but for the loopback interface, which always has both).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { joinCommand } from '../../src/lib/cli/invite-report.js';
import { eventually } from '../support/eventually.js';
import { Sandbox, type RunningProcess } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

const ONLY_ADDRESS = 'fd7a:11ce::1';

interface Network {
  readonly address: string;
  /** Stands before every command line. */
  readonly through: readonly string[];
  readonly end: () => void;
}

function here(): Network | null {
  const loopback = Object.values(networkInterfaces()).flat();
  return loopback.some((entry) => entry?.address === '::1') ? { address: '::1', through: [], end: () => {} } : null;
}

/** Null where `ip netns` is not to be had: it takes root, and a kernel that lets it. */
function namespaced(): Network | null {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return null;
  const name = `palyra-v6-${process.pid}`;
  const ip = (...words: string[]) => spawnSync('ip', words, { stdio: 'ignore' }).status === 0;
  const end = () => void ip('netns', 'delete', name);
  const made =
    ip('netns', 'add', name) &&
    ip('-n', name, 'link', 'set', 'lo', 'up') &&
    ip('-n', name, 'link', 'add', 'v6a', 'type', 'veth', 'peer', 'name', 'v6b') &&
    ip('-n', name, 'addr', 'add', `${ONLY_ADDRESS}/64`, 'dev', 'v6a', 'nodad') &&
    ip('-n', name, 'link', 'set', 'v6a', 'up') &&
    ip('-n', name, 'link', 'set', 'v6b', 'up') &&
    ip('netns', 'exec', name, 'true');
  if (made) return { address: ONLY_ADDRESS, through: ['ip', 'netns', 'exec', name], end };
  end();
  return null;
}

const NETWORKS: readonly [string, string, () => Network | null][] = [
  ['the loopback address ::1', 'this machine has no IPv6', here],
  ['a namespace that has IPv6 only', 'no network namespace can be made here (it takes root)', namespaced],
];

for (const [title, whyNot, make] of NETWORKS) {
  describe(`IPv6: ${title}`, function () {
    this.timeout(60_000);
    stepByStep(this);
    let network: Network;
    let sandbox: Sandbox;
    let node: RunningProcess;
    let link: string;
    let publicUrl: string;

    before(async function () {
      const made = make();
      if (made === null) {
        process.stderr.write(`      not tried: ${whyNot}\n`);
        this.skip();
      }
      network = made;
      sandbox = new Sandbox(network.through);
    });
    after(async () => {
      await sandbox?.dispose();
      network?.end();
    });

    const transportIs = (wanted: string) =>
      eventually(async () => {
        const { document } = await sandbox.json(['node', 'status'], { home: 'pi' });
        const { state, transport } = document.connection;
        return state === 'online' && transport.used === wanted;
      }, `online over ${wanted}`);
    const echo = async () => {
      const { code, document } = await sandbox.json(['nodes', 'invoke', 'pi', 'echo', 'text=six']);
      assert.equal(code, 0, JSON.stringify(document));
      assert.equal(document.dispatch.output.text, 'six');
    };

    it('a daemon listens there, and its link is quoted where it is printed', async () => {
      const started = await sandbox.startDaemon({ args: ['--listen', network.address] });
      publicUrl = started.urls['public'] as string;
      assert.match(publicUrl, /^https:\/\/\[[0-9a-f:]+\]:\d+$/);
      assert.equal(new URL(publicUrl).hostname, `[${network.address}]`);
      const { document } = await sandbox.json(['node', 'pair', '--name', 'pi']);
      const here = network.address === '::1' ? 1 : 0;
      assert.equal(document.warnings.length, here);
      if (here) assert.match(document.warnings[0] as string, /^This daemon listens on ::1 only: no other machine/);
      link = document.invite.link as string;
      assert.ok(link.startsWith(`https://[${network.address}]:`), link);
      assert.equal(joinCommand({ link } as never), `palyra join '${link}'`, 'zsh would read the brackets');
    });

    it('a node pairs over the link and works over the stream', async () => {
      node = await sandbox.startNode('pi', [link]);
      await transportIs('grpc');
      await echo();
      const renewed = await sandbox.run(['node', 'renew'], { home: 'pi' });
      assert.equal(renewed.code, 0, renewed.stderr);
      await node.end('SIGTERM');
    });

    for (const transport of ['poll', 'quic']) {
      it(`works over ${transport}`, async () => {
        node = await sandbox.startNode('pi', ['--transport', transport]);
        await transportIs(transport);
        await echo();
        await node.end('SIGTERM');
      });
    }

    it('the command line logs in there, and a machine joins by a typed address', async () => {
      const file = join(sandbox.directory, 'token');
      const made = await sandbox.json(['tokens', 'create', 'ci', '--scope', 'nodes:read', '--out', file]);
      assert.equal(made.code, 0, JSON.stringify(made.document));
      assert.ok(readFileSync(file, 'utf8').length > 10);
      const login = await sandbox.run(['login', publicUrl, '--name', 'six', '--token-file', file], { home: 'laptop' });
      assert.equal(login.code, 0, login.stderr);
      const listed = await sandbox.json(['nodes', 'list'], { home: 'laptop' });
      assert.equal(listed.document.nodes[0].name, 'pi');
      const { code } = await sandbox.invite(['--name', 'typed']);
      const joined = await sandbox.run(['node', 'pair', new URL(publicUrl).host, '--code-stdin'], {
        home: 'typed',
        input: `${code}\n`,
      });
      assert.equal(joined.code, 0, joined.stderr);
    });
  });
}
