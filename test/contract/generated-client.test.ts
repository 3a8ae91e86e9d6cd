/**
 * The OpenAPI document as other people's tools see it: openapi-typescript makes the types of a client from what a running daemon serves, the compiler
 * checks a program against them, and the program runs in a process of its own with openapi-fetch. It knows nothing of this package: an address, a token
 * and the daemon's CA is all it gets.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Sandbox } from '../support/palyra.js';
import { stepByStep } from '../support/step-by-step.js';

const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));
const GENERATOR = join(MODULES, 'openapi-typescript', 'bin', 'cli.js');
const COMPILER = join(MODULES, 'typescript', 'bin', 'tsc');
const TOOL_TIMEOUT_MS = 120_000;

/** The lines that expect an error hold the types to something: where the document is vague, the compiler says that the error is missing. */
const PROGRAM = `
import createClient from 'openapi-fetch';
import type { components, paths } from './api.js';

const { BASE_URL = '', TOKEN = '' } = process.env;
const api = createClient<paths>({ baseUrl: BASE_URL, headers: { authorization: \`Bearer \${TOKEN}\` } });

const fleet = await api.GET('/v1/nodes');
if (fleet.data === undefined) throw new Error(fleet.error.reason);
const nodes: components['schemas']['Node'][] = fleet.data.nodes;
// @ts-expect-error a node has no such field
nodes[0]?.nonsense;

const invoked = await api.POST('/v1/nodes/{node}/dispatches', {
  params: { path: { node: 'pi' } },
  body: { capability: 'echo', input: { text: 'hello' } },
});
if (invoked.data === undefined) throw new Error(invoked.error.reason);
const { state, output } = invoked.data.dispatch;
// @ts-expect-error there is no such state
if (state === 'nonsense') throw new Error(state);

const unknown = await api.GET('/v1/nodes/{node}', { params: { path: { node: 'nobody' } } });
if (unknown.error === undefined) throw new Error('a node that is not there was found');
const { status, reason, hint } = unknown.error;
const problem: { status: number; reason: string; hint: string } = { status, reason, hint };

const forbidden = await api.POST('/v1/invites', { body: {} });
const refusal: string | undefined = forbidden.error?.reason;

/** Never called: programs the types must not let pass. */
export async function wrong(): Promise<void> {
  // @ts-expect-error there is no such path
  await api.GET('/v1/nonsense');
  // @ts-expect-error a dispatch needs a capability
  await api.POST('/v1/nodes/{node}/dispatches', { params: { path: { node: 'pi' } }, body: { input: {} } });
  // @ts-expect-error the node is missing
  await api.GET('/v1/nodes/{node}');
}

const names = nodes.map(({ name, presence }) => ({ name, presence }));
process.stdout.write(JSON.stringify({ names, state, output, problem, refusal }));
`;

const COMPILER_OPTIONS = {
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  target: 'es2022',
  module: 'nodenext',
  moduleResolution: 'nodenext',
  types: ['node'],
  outDir: 'out',
};

describe('a client that another tool generates from the OpenAPI document', function () {
  this.timeout(300_000);
  // Each step stands on the one before.
  stepByStep(this);
  let sandbox: Sandbox;
  let url: string;
  let token: string;
  let ca: string;
  let project: string;

  before(async () => {
    sandbox = new Sandbox();
    const started = await sandbox.startDaemon();
    url = started.urls.public;
    await sandbox.joinNode('pi');
    project = join(sandbox.directory, 'project');
    mkdirSync(project);
    ca = join(project, 'ca.pem');
    writeFileSync(ca, readFileSync(join(sandbox.home('daemon'), 'state', 'daemon', 'identity', 'ca.crt')));
    const made = await sandbox.json(['tokens', 'create', 'tool', '--scope', 'nodes:read,invoke:echo']);
    assert.equal(made.code, 0, JSON.stringify(made.document));
    token = made.document.secret;
  });
  after(() => sandbox.dispose());

  it('is generated from what the daemon serves', async () => {
    writeFileSync(join(project, 'openapi.json'), await fetched(`${url}/openapi.json`, token, readFileSync(ca, 'utf8')));
    await tool(project, [GENERATOR, 'openapi.json', '--output', 'api.d.ts']);
    const types = readFileSync(join(project, 'api.d.ts'), 'utf8');
    assert.match(types, /"\/v1\/nodes\/\{node\}\/dispatches"/);
  });

  it('passes the strict checks of the compiler, and wrong programs do not', async () => {
    symlinkSync(MODULES, join(project, 'node_modules'));
    const files: Record<string, string> = {
      'package.json': JSON.stringify({ type: 'module', private: true }),
      'tsconfig.json': JSON.stringify({ compilerOptions: COMPILER_OPTIONS, files: ['main.ts', 'api.d.ts'] }),
      'main.ts': PROGRAM,
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
    await tool(project, [COMPILER, '--project', '.']);
  });

  it('lists nodes, runs a capability on one, and is refused in the form it was promised', async () => {
    const env = { BASE_URL: url, TOKEN: token, NODE_EXTRA_CA_CERTS: ca };
    const told = JSON.parse(await tool(project, ['out/main.js'], env));
    assert.deepEqual(told.names, [{ name: 'pi', presence: 'online' }]);
    assert.equal(told.state, 'succeeded');
    assert.equal(told.output.text, 'hello');
    assert.deepEqual([told.problem.status, told.problem.reason], [404, 'NODE_NOT_FOUND']);
    assert.notEqual(told.problem.hint, '');
    assert.equal(told.refusal, 'SCOPE_MISSING');
    const { document } = await sandbox.json(['dispatches', 'list']);
    assert.equal(document.dispatches.length, 1);
  });
});

function fetched(url: string, token: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { agent: new Agent({ ca }), headers: { authorization: `Bearer ${token}` } };
    const request = get(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString());
        else reject(new Error(`${url} answered ${response.statusCode}`));
      });
    });
    request.on('error', reject);
  });
}

/** A tool as a process, with nothing of ours in its environment; what it printed. */
function tool(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, timeout: TOOL_TIMEOUT_MS, env: { PATH: process.env['PATH'], ...env } };
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${args.join(' ')}: ${error.message}\n${stdout}${stderr}`));
    });
  });
}
