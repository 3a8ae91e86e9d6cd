import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PalyraError } from '../../../src/lib/base/errors.js';
import { ControlPlaneClient } from '../../../src/lib/client/control-plane-client.js';
import { toProblem } from '../../../src/lib/wire/http/problem.js';

describe('ControlPlaneClient', () => {
  let directory: string;
  let socketPath: string;
  let server: Server | null = null;
  let client: ControlPlaneClient;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'palyra-client-'));
    socketPath = join(directory, 'daemon.sock');
    client = new ControlPlaneClient({ socketPath, requestTimeoutMs: 300 });
  });
  afterEach(async () => {
    await client.close();
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server === null ? resolve() : server.close(() => resolve())));
    server = null;
    rmSync(directory, { recursive: true, force: true });
  });

  const serve = (listener: RequestListener) =>
    new Promise<void>((resolve) => {
      server = createServer(listener).listen(socketPath, () => resolve());
    });
  const answer = (body: unknown, status = 200): RequestListener => {
    return (_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
  };

  it('needs one target', () => {
    assert.throws(() => new ControlPlaneClient({}), { reason: 'CONFIG_INVALID' });
    assert.throws(() => new ControlPlaneClient({ socketPath: '/s', baseUrl: 'https://nas' }), {
      reason: 'CONFIG_INVALID',
    });
  });

  it('fills the path, the query and the body of a route', async () => {
    const seen: string[] = [];
    await serve((request, response) => {
      let body = '';
      request.on('data', (part: Buffer) => (body += part.toString()));
      request.on('end', () => {
        seen.push(`${request.method} ${request.url} ${request.headers['content-type'] ?? '-'} ${body}`);
        response.end(JSON.stringify({ dispatch: { id: 'dsp_1' } }));
      });
    });
    await client.createDispatch('pi lab/1', { capability: 'echo', input: { a: 1 }, wait: false });
    await client.showDispatch('dsp_1', { waitMs: 5 });
    assert.deepEqual(seen, [
      'POST /v1/nodes/pi%20lab%2F1/dispatches application/json {"capability":"echo","input":{"a":1},"wait":false}',
      'GET /v1/dispatches/dsp_1?waitMs=5 - ',
    ]);
  });

  it('collects all pages of the nodes', async () => {
    await serve((request, response) => {
      const isFirst = !request.url?.includes('cursor=');
      response.end(
        JSON.stringify({
          nodes: [{ name: isFirst ? 'a' : 'b' }],
          summary: { total: 2 },
          nextCursor: isFirst ? 'c1' : null,
        }),
      );
    });
    const { nodes } = await client.listNodes();
    assert.deepEqual(
      nodes.map(({ name }) => name),
      ['a', 'b'],
    );
  });

  it('throws the reason the daemon gave, with its details', async () => {
    const problem = toProblem(
      new PalyraError('NODE_OFFLINE', { detail: 'pi-lab is offline', details: { node: 'pi-lab' } }),
    );
    await serve(answer(problem, problem.status));
    await assert.rejects(client.showNode('pi-lab'), {
      reason: 'NODE_OFFLINE',
      detail: 'pi-lab is offline',
      details: { node: 'pi-lab' },
    });
  });

  it('tells a daemon that does not run from one that does not answer', async () => {
    await assert.rejects(client.daemonStatus(), { reason: 'DAEMON_NOT_RUNNING' });
    await serve(() => undefined);
    await assert.rejects(client.createInvite({}), { reason: 'DAEMON_UNREACHABLE', detail: 'no answer within 300 ms' });
  });

  it('names why a remote daemon is not reached', async () => {
    const remote = new ControlPlaneClient({ baseUrl: 'http://127.0.0.1:1' });
    await assert.rejects(remote.daemonStatus(), { reason: 'DAEMON_UNREACHABLE', detail: 'the connection was refused' });
    await remote.close();
  });

  it('repeats a read whose connection broke, and never a change', async () => {
    let requests = 0;
    await serve((request, response) => {
      requests += 1;
      if (requests === 1) request.socket.destroy();
      else response.end(JSON.stringify({ invites: [] }));
    });
    assert.deepEqual(await client.listInvites(), []);
    assert.equal(requests, 2);
    requests = 0;
    await assert.rejects(client.createInvite({}), { reason: 'DAEMON_UNREACHABLE' });
    assert.equal(requests, 1);
  });

  it('waits as long as it asked the daemon to, beyond its own time-out', async () => {
    await serve((_request, response) =>
      setTimeout(() => response.end(JSON.stringify({ dispatch: { id: 'dsp_1' } })), 450),
    );
    assert.equal((await client.showDispatch('dsp_1', { waitMs: 5000 })).id, 'dsp_1');
  });

  it('stops waiting when told to', async () => {
    await serve(() => undefined);
    const stop = new AbortController();
    const waiting = client.showDispatch('dsp_1', { waitMs: 5000, signal: stop.signal });
    setTimeout(() => stop.abort(), 20);
    await assert.rejects(waiting, { reason: 'CANCELLED' });
  });

  it('does not take a page for an answer', async () => {
    await serve((_request, response) => response.end('<html>'));
    await assert.rejects(client.daemonStatus(), { reason: 'ANSWER_INVALID', detail: 'it answered with a web page' });
  });
});
