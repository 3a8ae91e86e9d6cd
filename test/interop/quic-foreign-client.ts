/**
 * npm run interop:quic: a QUIC client that shares no code with ours (aioquic, in Python) against a server of our driver: Retry, our authority's
 * certificates both ways, framed JSON on many streams, and the refusal of a client without a certificate or with another protocol. Then against a whole
 * daemon, with the certificate of a node that has paired with it: node.health, an unknown method, and the end of it when the node is removed.
 *
 * aioquic is installed into a temporary directory and is no dependency of the project. PALYRA_INTEROP_PYTHON names an interpreter that has it already.
 * Exits with 0 when everything was as expected, 1 when not, 2 when the client could not be had.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { listenQuic } from '../../src/lib/quic/endpoint-server.js';
import type { QuicStream } from '../../src/lib/quic/stream.js';
import { FrameDecoder, encodeFrame } from '../../src/lib/wire/quic/frames.js';
import { createPki, deps } from '../support/quic.js';
import { ask, startTestDaemon } from '../support/test-daemon.js';
import { pairTestNode } from '../support/test-node.js';

const AIOQUIC = 'aioquic==1.7.2';
const run = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), 'palyra-interop-'));
try {
  const python = process.env['PALYRA_INTEROP_PYTHON'] ?? (await install());
  if (python === null) process.exitCode = 2;
  else {
    await interop(python);
    await interopDaemon(python);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function install(): Promise<string | null> {
  const venv = join(folder, 'venv');
  const python = join(venv, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  try {
    await run('python3', ['-m', 'venv', venv]);
    await run(python, ['-m', 'pip', 'install', '--quiet', AIOQUIC], { timeout: 180_000 });
    return python;
  } catch (error) {
    process.stderr.write(`${AIOQUIC} cannot be installed: ${(error as Error).message}\n`);
    return null;
  }
}

interface Outcome {
  readonly answers?: unknown[];
  readonly refused?: { readonly code: number | null; readonly reason: string };
}

async function interop(python: string): Promise<void> {
  const pki = createPki();
  const device = pki.device();
  const file = async (name: string, text: string) => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };
  const [ca, cert, key] = [
    await file('ca.pem', pki.caPem),
    await file('cert.pem', device.certificatePem),
    await file('key.pem', device.keyPem),
  ];
  const server = await listenQuic(deps, {
    host: '127.0.0.1',
    port: 0,
    tls: pki.server,
    authorize: ({ chain }) => ({ id: `device with ${chain.length} certificates`, known: true }),
    onConnection: (connection, { id }) => connection.onStream((stream) => answer(stream, id)),
  });
  const client = (options: { cert?: string; alpn?: string }, ...requests: unknown[]): Promise<Outcome> => {
    const material = options.cert === '-' ? ['-', '-'] : [cert, key];
    const place = [String(server.address.port), 'localhost', ca, ...material, options.alpn ?? 'palyra-quic-v1'];
    return talk(python, place, requests);
  };
  try {
    const one = { v: 1, method: 'node.health', id: 'a', params: {} };
    await check('a framed request is answered', async () => {
      assert.deepEqual(await client({}, one), { answers: [{ you: 'device with 1 certificates', asked: one }] });
    });
    await check('64 requests of 10 kB, each on a stream of its own, are answered', async () => {
      const many = Array.from({ length: 64 }, (_, index) => ({ index, text: 'ü'.repeat(5_000) }));
      const { answers } = await client({}, ...many);
      assert.deepEqual(
        answers,
        many.map((asked) => ({ you: 'device with 1 certificates', asked })),
      );
    });
    await check('the address was proven by a Retry each time', async () => {
      assert.equal(server.stats().retriesSent, 2);
      assert.equal(server.stats().accepted, 2);
    });
    await check('a client without a certificate is refused before any stream', async () => {
      const { refused } = await client({ cert: '-' }, one);
      assert.notEqual(refused, undefined);
      assert.equal(server.stats().accepted, 2);
    });
    await check('another application protocol is refused', async () => {
      const { refused } = await client({ alpn: 'h3' }, one);
      assert.notEqual(refused, undefined);
      assert.equal(server.stats().accepted, 2);
    });
  } finally {
    await server.stop();
  }
}

function answer(stream: QuicStream, you: string): void {
  const decoder = new FrameDecoder();
  stream.setReader({
    data: (chunk) => decoder.push(chunk, (asked) => void stream.end(encodeFrame({ you, asked }))),
    end: () => undefined,
    failed: () => stream.abort(1),
  });
}

/** A whole daemon, and the certificate of a node that has paired with it. */
async function interopDaemon(python: string): Promise<void> {
  const target = await startTestDaemon();
  try {
    const node = await pairTestNode(target, { name: 'foreign' });
    const write = async (name: string, text: string) => {
      await writeFile(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const [ca, cert, key] = [
      await write('node-ca.pem', node.caPem),
      await write('node-cert.pem', node.certificatePem),
      await write('node-key.pem', node.keyPem),
    ];
    const client = (...requests: unknown[]) =>
      talk(python, [String(target.ports.node), 'localhost', ca, cert, key, 'palyra-quic-v1'], requests);
    const health = { protocol_version: 1, method: 'node.health' };
    await check('a daemon answers node.health to a paired node', async () => {
      const { answers } = await client(health);
      const [answer] = answers as Record<string, unknown>[];
      assert.deepEqual([answer?.['kind'], answer?.['ok'], answer?.['daemon_name']], ['health', true, 'test-daemon']);
      process.stdout.write(`        ${JSON.stringify(answer)}\n`);
    });
    await check('it answers an unknown method with an error, and the requests beside it', async () => {
      const { answers } = await client(health, { protocol_version: 1, method: 'node.shutdown' }, health);
      const kinds = (answers as Record<string, unknown>[]).map(({ kind }) => kind);
      assert.deepEqual(kinds, ['health', 'error', 'health']);
    });
    await check('it refuses the node once it is removed, and says why', async () => {
      const path = `/v1/nodes/${node.deviceId}`;
      await ask({ socketPath: target.socketPath }, { method: 'DELETE', path });
      const { refused } = await client(health);
      assert.equal(refused?.reason, 'NODE_REVOKED');
    });
  } finally {
    await target.dispose();
  }
}

/** `place`: port, server name, CA, certificate, key, protocol. */
async function talk(python: string, place: readonly string[], requests: readonly unknown[]): Promise<Outcome> {
  const script = fileURLToPath(new URL('quic_foreign_client.py', import.meta.url));
  const { stdout } = await run(
    python,
    [script, '127.0.0.1', ...place, ...requests.map((request) => JSON.stringify(request))],
    { timeout: 60_000, maxBuffer: 64 * 2 ** 20 },
  );
  return JSON.parse(stdout) as Outcome;
}

async function check(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    process.stdout.write(`ok      ${what}\n`);
  } catch (error) {
    process.exitCode = 1;
    process.stdout.write(`FAILED  ${what}: ${(error as Error).message}\n`);
  }
}
