/**
 * A node over QUIC as people and networks meet it: paths that lose, delay and go dark. PALYRA_QUIC_ECHOES and PALYRA_QUIC_OUTAGE_MS make it longer.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TRANSPORT_DEFAULTS } from '../../src/lib/quic/options.js';
import { CuttingProxy } from '../support/cutting-proxy.js';
import { eventually } from '../support/eventually.js';
import { assertDocument } from '../support/document-schemas.js';
import { LiveDaemon } from '../support/live-daemon.js';
import { PROBE_MODULE, Sandbox, type Document, type RunningProcess } from '../support/palyra.js';
import { UdpProxy } from '../support/udp-proxy.js';

const ECHOES = Number(process.env['PALYRA_QUIC_ECHOES'] ?? 100);
const OUTAGE_MS = Number(process.env['PALYRA_QUIC_OUTAGE_MS'] ?? 5_000);
/** The same connection goes on where the path is back before its peer counts as dead. */
const STAYS = OUTAGE_MS < TRANSPORT_DEFAULTS.deadPeerMs;
/** Some 14 s until the silence is believed, 2.5 s until the next transport is asked, and a busy machine. */
const OVER_ANOTHER_WITHIN_MS = 30_000;
const WITH_PROBE = { env: { PALYRA_CAPABILITY_MODULES: PROBE_MODULE } };
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a node over QUIC', function () {
  this.timeout(300_000);
  let sandbox: Sandbox;
  let daemon: LiveDaemon;
  let started: Document;
  let udp: UdpProxy;
  let tcp: CuttingProxy;

  before(async () => {
    sandbox = new Sandbox();
    started = await sandbox.startDaemon();
    daemon = LiveDaemon.of(sandbox, 'daemon', started);
    const port = Number(new URL(started.urls['node-rpc'] as string).port);
    tcp = await CuttingProxy.start(port);
    udp = await UdpProxy.start(port, { port: tcp.port });
  });
  beforeEach(() => Object.assign(udp.quality, { dark: false, loss: 0, delayMs: 0, reorder: 0 }));
  after(async () => {
    await sandbox.dispose();
    udp.close();
    tcp.close();
  });

  const statusOf = async (home: string): Promise<Document> => {
    const { code, document } = await sandbox.json(['node', 'status'], { home });
    assert.equal(code, 0);
    assertDocument(document);
    return document.connection;
  };
  /** What doctor says about UDP there. */
  const udpFinding = async (home: string, env: Record<string, string> = {}) => {
    const { document } = await sandbox.json(['doctor'], { home, env });
    assertDocument(document);
    const { status, detail } = document.checks.find((check: Document) => check.id === 'network.udp');
    return `${status}: ${detail}`;
  };
  /** The machine has moved to where the daemon is met through the proxies. */
  const move = (home: string) => {
    const file = join(sandbox.home(home), 'state', 'node', 'identity.json');
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), nodeEndpoints: [tcp.endpoint] }));
  };
  /** Asks for them, and returns what expects each to have come back once, as it was. */
  const askEchoes = async (node: string, count: number) => {
    const ids: string[] = [];
    for (let index = 0; index < count; index++) {
      const asked = { capability: 'echo', input: { text: `n${index}` }, queueMs: 120_000, timeoutMs: 120_000 };
      ids.push((await daemon.dispatch(node, asked)).id);
    }
    return async () => {
      for (const [index, id] of ids.entries()) {
        const { state, output } = await daemon.settled(id, 120_000);
        assert.deepEqual([state, (output as { text?: string } | null)?.text], ['succeeded', `n${index}`], id);
      }
    };
  };
  /** In groups: a queue has an end. */
  const echoes = async (node: string, count: number) => {
    for (let left = count; left > 0; left -= 100) await (await askEchoes(node, Math.min(left, 100)))();
  };
  /** Runs with an effect outside: whether one ran twice is seen in the file. */
  const askEffects = async (node: string, file: string, count: number) => {
    const asked = { capability: 'probe.effect', input: { ms: 300, file }, queueMs: 120_000, timeoutMs: 120_000 };
    const ids: string[] = [];
    for (let index = 0; index < count; index++) ids.push((await daemon.dispatch(node, asked)).id);
    return async () => {
      for (const id of ids) assert.equal((await daemon.settled(id, 120_000)).state, 'succeeded', id);
      const trace = readFileSync(file, 'utf8');
      assert.deepEqual([trace.match(/start/g)?.length, trace.match(/end/g)?.length], [count, count]);
    };
  };

  describe('--transport quic', () => {
    let node: RunningProcess;

    before(async () => {
      const { link } = await sandbox.invite(['--name', 'quic']);
      await (await sandbox.startNode('quic', [link, '--transport', 'quic'], WITH_PROBE)).end('SIGTERM');
      move('quic');
      node = await sandbox.startNode('quic', ['--transport', 'quic'], WITH_PROBE);
    });
    after(async () => {
      await node.end('SIGTERM');
    });

    it(`pairs and runs ${ECHOES} echoes, and everybody says what carries them`, async () => {
      await echoes('quic', ECHOES);
      const { transport, rttMs } = await statusOf('quic');
      assert.deepEqual(transport, { mode: 'quic', used: 'quic', why: 'it was asked for', failures: [] });
      assert.ok(rttMs > 0);
      assert.match(
        (await sandbox.run(['node', 'status'], { home: 'quic' })).stdout,
        /transport {4}quic: it was asked for/,
      );
      assert.equal((await daemon.nodeWhen('quic', 'online')).transport, 'quic');
      const { document } = await sandbox.json(['daemon', 'status']);
      assertDocument(document);
      assert.deepEqual([document.quic.state, document.quic.why, document.quic.sessions], ['on', null, 1]);
      assert.match((await sandbox.run(['daemon', 'status'])).stdout, /^ {2}quic {9}\d connections? · \d+ refused/m);
      assert.ok(udp.counts.up > 0 && tcp.accepted === 0);
      assert.match(await udpFinding('quic'), /^pass: datagrams reach the daemon at 127\.0\.0\.1:\d+ \(\d+ ms\)$/);
    });

    it(`goes on after ${OUTAGE_MS / 1000} s without a datagram: ${STAYS ? 'the same' : 'a new'} link, nothing lost, nothing twice`, async () => {
      const { since } = await statusOf('quic');
      const clients = udp.clients;
      const effects = await askEffects('quic', join(sandbox.directory, 'dark'), 6);
      await sleep(200);
      udp.quality.dark = true;
      const asked = await askEchoes('quic', 10);
      await sleep(OUTAGE_MS);
      udp.quality.dark = false;
      const restoredAt = performance.now();
      await effects();
      await asked();
      const tookMs = Math.round(performance.now() - restoredAt);
      process.stdout.write(`        everything settled ${tookMs} ms after the path came back\n`);
      const after = await statusOf('quic');
      assert.deepEqual([after.state, after.transport.used], ['online', 'quic']);
      assert.deepEqual([after.since === since, udp.clients === clients], [STAYS, STAYS]);
    });

    it('completes everything with 5 % loss, 20 ms delay and reordering', async () => {
      Object.assign(udp.quality, { loss: 0.05, delayMs: 20, reorder: 0.1 });
      const before = udp.counts.dropped;
      const startedAt = performance.now();
      const effects = await askEffects('quic', join(sandbox.directory, 'lossy'), 4);
      await echoes('quic', ECHOES);
      await effects();
      const dropped = udp.counts.dropped - before;
      process.stdout.write(
        `        ${ECHOES} echoes in ${Math.round(performance.now() - startedAt)} ms, ${dropped} datagrams lost\n`,
      );
      assert.ok(dropped > 0);
      assert.equal((await statusOf('quic')).state, 'online');
    });
  });

  describe('--transport auto', () => {
    let node: RunningProcess;

    before(async () => {
      await (await sandbox.joinNode('auto', WITH_PROBE)).end('SIGTERM');
      move('auto');
    });
    afterEach(async () => {
      await node.end('SIGTERM');
    });

    it('takes the stream where both pass', async () => {
      node = await sandbox.startNode('auto', [], WITH_PROBE);
      assert.equal((await statusOf('auto')).transport.used, 'grpc');
      await echoes('auto', 5);
    });

    it('changes to QUIC where streams are cut, and to the stream when UDP dies too, without losing a dispatch', async () => {
      const effects: (() => Promise<void>)[] = [];
      tcp.lifeMs = () => 1_500;
      node = await sandbox.startNode('auto', [], WITH_PROBE);
      for (let round = 0; round < 4; round++) {
        effects.push(await askEffects('auto', join(sandbox.directory, `cut${round}`), 2));
        await echoes('auto', 5);
        await sleep(1_000);
      }
      const onQuic = await eventually(async () => {
        const connection = await statusOf('auto');
        return connection.state === 'online' && connection.transport.used === 'quic' && connection;
      }, 'it uses QUIC');
      assert.match(onQuic.transport.why, /the stream was cut 3 times within \d+ s/);
      await echoes('auto', 5);
      tcp.lifeMs = () => null;
      effects.push(await askEffects('auto', join(sandbox.directory, 'died'), 4));
      await sleep(200);
      udp.quality.dark = true;
      const diedAt = performance.now();
      const asked = await askEchoes('auto', 10);
      for (const settled of effects) await settled();
      await asked();
      const tookMs = Math.round(performance.now() - diedAt);
      process.stdout.write(`        over another ${tookMs} ms after UDP died\n`);
      assert.ok(tookMs < OVER_ANOTHER_WITHIN_MS, `${tookMs} ms`);
      assert.notEqual((await statusOf('auto')).transport.used, 'quic');
    });
  });

  describe('without the optional package', () => {
    let env: Record<string, string>;

    before(() => {
      const hook = `export async function resolve(name, context, next) {
        if (name.startsWith('@matrixai/quic')) throw new Error('not installed');
        return next(name, context);
      }`;
      const file = join(sandbox.directory, 'no-quic.mjs');
      const url = `data:text/javascript,${encodeURIComponent(hook)}`;
      writeFileSync(file, `import { register } from 'node:module';\nregister(${JSON.stringify(url)});\n`);
      env = { NODE_OPTIONS: `--import=${file}` };
    });

    it('--transport quic is refused before it pairs, and says what to do instead', async () => {
      const { link } = await sandbox.invite(['--name', 'bare']);
      const { code, stderr } = await sandbox.run(['node', 'run', link, '--transport', 'quic'], { home: 'bare', env });
      assert.equal(code, 78);
      assert.match(stderr, /QUIC cannot be used on this machine: the optional package/);
      assert.match(stderr, /--transport auto/);
    });

    it('--transport auto uses the stream', async () => {
      const { link } = await sandbox.invite(['--name', 'bare']);
      const node = await sandbox.startNode('bare', [link], { env });
      const { transport } = await statusOf('bare');
      assert.equal(transport.used, 'grpc');
      assert.match(await udpFinding('bare', env), /^skip: QUIC cannot be used on this machine: the optional package/);
      await node.end('SIGTERM');
    });

    it('a daemon serves without it and says so; --no-quic is the same by choice', async () => {
      const start = ['daemon', 'start', '--port', '0', '--node-port', '0', '--console-port', '0'];
      for (const [home, args, more, why] of [
        ['plain', [], env, /the optional package @matrixai\/quic/],
        ['chosen', ['--no-quic'], {}, /it is turned off/],
      ] as const) {
        const { code } = await sandbox.run([...start, ...args], { home, env: more });
        assert.equal(code, 0);
        const { document } = await sandbox.json(['daemon', 'status'], { home });
        assert.equal(document.quic.state, 'off');
        assert.match(document.quic.why, why);
        assert.match((await sandbox.run(['daemon', 'status'], { home })).stdout, /^ {2}quic {9}off: /m);
        const { document: pairing } = await sandbox.json(['node', 'pair', '--name', 'itself'], { home });
        const node = await sandbox.startNode(home, [pairing.invite.link]);
        assert.match(await udpFinding(home), /^skip: the daemon does not serve QUIC: /);
        await node.end('SIGTERM');
        await sandbox.run(['daemon', 'stop'], { home });
      }
    });
  });
});
