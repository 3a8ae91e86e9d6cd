/** A real daemon in a temporary directory on free loopback ports, and small clients that speak to its doors. */
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../src/lib/base/clock.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import type { DaemonOptions } from '../../src/lib/daemon/config.js';
import { createDaemon, type Daemon, type DaemonDeps } from '../../src/lib/daemon/daemon.js';
import { freePorts } from './free-ports.js';

export interface TestDaemon {
  readonly daemon: Daemon;
  readonly home: string;
  readonly options: DaemonOptions;
  readonly ports: { readonly public: number; readonly node: number; readonly console: number };
  readonly socketPath: string;
  /** Stops it and removes its directory. */
  dispose(): Promise<void>;
}

export function testOptions(home: string, more: Partial<DaemonOptions> = {}): DaemonOptions {
  return {
    stateDirectory: join(home, 'state'),
    socketPath: join(home, 'run', 'daemon.sock'),
    ownerName: 'tester',
    daemonName: 'test-daemon',
    version: '0.0.0-test',
    port: 0,
    nodePort: 0,
    consolePort: 0,
    ...more,
  };
}

export async function startTestDaemon(
  more: Partial<DaemonOptions> = {},
  deps: Partial<DaemonDeps> = {},
): Promise<TestDaemon> {
  const home = await mkdtemp(join(tmpdir(), 'palyra-test-'));
  const [port, nodePort, consolePort] = await freePorts(3);
  const options = testOptions(home, { port: port!, nodePort: nodePort!, consolePort: consolePort!, ...more });
  const daemon = await createDaemon(options, { clock: systemClock, random: systemRandom, log: silentLog, ...deps });
  const portOf = (purpose: string) => {
    const listener = daemon.listeners.find((candidate) => candidate.purpose === purpose);
    return Number(new URL(listener?.url ?? 'http://none:0').port);
  };
  return {
    daemon,
    home,
    options,
    ports: { public: portOf('public'), node: portOf('node-rpc'), console: portOf('console') },
    socketPath: options.socketPath,
    async dispose() {
      await daemon.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** Without turning all the time: what is waited for needs the processor too. */
const LOOK_EVERY_MS = 2;

/** Asks again and again until the answer is the wanted one; a test that waits for ever would keep the whole run from ending. */
export async function eventually(
  what: string,
  probe: () => Promise<boolean> | boolean,
  timeoutMs = 10_000,
): Promise<void> {
  const until = performance.now() + timeoutMs;
  while (!(await probe())) {
    if (performance.now() > until) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await pause(LOOK_EVERY_MS);
  }
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test looks at any field
  readonly json: any;
}

export interface HttpAsk {
  readonly method?: string;
  readonly path: string;
  readonly body?: string | Buffer;
  readonly json?: unknown;
  readonly headers?: Record<string, string>;
}

/** One request over a Unix socket or a loopback port; no connection is kept. */
export function ask(target: { socketPath: string } | { port: number }, what: HttpAsk): Promise<HttpAnswer> {
  const body = what.json === undefined ? what.body : JSON.stringify(what.json);
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        ...('socketPath' in target ? target : { host: '127.0.0.1', port: target.port }),
        method: what.method ?? 'GET',
        path: what.path,
        agent: false,
        headers: {
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...what.headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = /[/+]json/.test(response.headers['content-type'] ?? '');
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: isJson ? JSON.parse(text) : null,
          });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}
