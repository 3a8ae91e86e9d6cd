import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Validator } from '@seriousme/openapi-schema-validator';
import type { Ajv, AnySchema, Options } from 'ajv';
import { ROUTES, type Route } from '../../src/lib/wire/http/routes.js';
import { ask, startTestDaemon, type TestDaemon } from '../support/test-daemon.js';
import { pairTestNode } from '../support/test-node.js';

const Ajv2020 = createRequire(import.meta.url)('ajv/dist/2020.js') as { default: new (options: Options) => Ajv };

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test looks at any part of the document
type Document = any;

describe('the OpenAPI document', () => {
  let target: TestDaemon;
  let document: Document;

  before(async () => {
    target = await startTestDaemon();
    const { status, json } = await ask({ port: target.ports.console }, { path: '/openapi.json' });
    assert.equal(status, 200, 'anybody may read it');
    document = json;
  });
  after(() => target.dispose());

  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(structuredClone(document));
    assert.ok(valid, JSON.stringify(errors));
    assert.equal(validator.version, '3.1');
  });

  it('describes every route and nothing else, each with who may call it and how it refuses', () => {
    const described = Object.entries<object>(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const routes = Object.values(ROUTES) as Route[];
    assert.deepEqual(described.sort(), routes.map(({ method, path }) => `${method} ${path}`).sort());
    for (const { method, path, access } of routes) {
      const operation = document.paths[path][method.toLowerCase()];
      assert.equal(operation['x-palyra-access'], access);
      for (const range of ['4XX', '5XX'])
        assert.deepEqual(operation.responses[range], { $ref: '#/components/responses/Problem' });
    }
    assert.deepEqual(Object.keys(document.components.responses.Problem.content), ['application/problem+json']);
  });

  it('gives every operation an id of its own, and a parameter for every part of its path', () => {
    const ids = new Set<string>();
    for (const [path, item] of Object.entries<Document>(document.paths)) {
      for (const operation of Object.values<Document>(item)) {
        assert.match(operation.operationId, /^[a-z][A-Za-z]*$/);
        assert.ok(!ids.has(operation.operationId), operation.operationId);
        ids.add(operation.operationId);
        const named = operation.parameters
          .filter((parameter: Document) => parameter.in === 'path')
          .map((parameter: Document) => `{${parameter.name}}`);
        assert.deepEqual(named, path.match(/\{\w+\}/g) ?? []);
      }
    }
  });

  it('says by which credentials each operation may be called, and with which scope', () => {
    const { securitySchemes } = document.components;
    assert.deepEqual(
      Object.values<Document>(securitySchemes).map(({ type, name, scheme }) => name ?? `${type} ${scheme}`),
      ['__Host-palyra', 'x-palyra-csrf', 'http bearer'],
    );
    for (const { method, path, access, scope, safe } of Object.values(ROUTES) as Route[]) {
      const operation = document.paths[path][method.toLowerCase()];
      const session = safe ? { session: [] } : { session: [], csrf: [] };
      assert.deepEqual(operation.security, access === 'anonymous' ? [] : [session, { token: [] }], path);
      assert.equal(operation['x-palyra-scope'], scope ?? undefined, path);
    }
    assert.equal(document.paths['/v1/session'].post.requestBody.required, true);
  });

  it('refers only to what it holds', () => {
    for (const [, ref = ''] of JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)) {
      assert.match(ref, /^#\/components\//);
      const found = ref
        .slice(2)
        .split('/')
        .reduce((part: Document, key) => part?.[key], document);
      assert.ok(found !== undefined, ref);
    }
  });

  it('tells requests apart that the daemon tells apart', () => {
    const body = document.paths['/v1/nodes/{node}/dispatches'].post.requestBody;
    assert.equal(body.required, true);
    const { schema } = body.content['application/json'];
    assert.deepEqual(schema.required, ['capability']);
    assert.equal(schema.additionalProperties, false);
    const limit = document.paths['/v1/dispatches'].get.parameters.find(({ name }: Document) => name === 'limit');
    assert.deepEqual([limit.in, limit.required, limit.schema.maximum], ['query', false, 1000]);
  });

  it('holds no fact about the daemon that gave it', () => {
    const text = JSON.stringify(document);
    for (const fact of [target.options.version, target.options.daemonName, target.home, 'tester'])
      assert.ok(!text.includes(fact), fact);
  });

  it('describes the answers that are given, refusals included', async () => {
    const node = await pairTestNode(target, { name: 'alpha' });
    const create = {
      method: 'POST',
      path: '/v1/nodes/alpha/dispatches',
      json: { capability: 'echo', queueMs: 60_000, wait: false },
    };
    const made = await ask({ socketPath: target.socketPath }, create);
    const ajv = new Ajv2020.default({ strict: false, validateFormats: false });
    ajv.addSchema({ ...document, $id: 'https://api.test/' } as AnySchema);
    const check = (pointer: string, value: unknown, what: string) => {
      const validate = ajv.getSchema(`https://api.test/#${pointer}`);
      assert.ok(validate !== undefined, pointer);
      assert.ok(validate(value), `${what}: ${JSON.stringify(validate.errors)}`);
    };
    const schemaOf = (path: string) =>
      `/paths/${path.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')}`;
    for (const [path, url] of [
      ['/v1/daemon', '/v1/daemon'],
      ['/v1/nodes', '/v1/nodes'],
      ['/v1/nodes/{node}', `/v1/nodes/${node.name}`],
      ['/v1/dispatches', '/v1/dispatches'],
      ['/v1/dispatches/{id}', `/v1/dispatches/${made.json.dispatch.id}`],
      ['/v1/capabilities', '/v1/capabilities'],
      ['/v1/capabilities/{name}', '/v1/capabilities/echo'],
      ['/v1/invites', '/v1/invites'],
    ] as const) {
      const { status, json } = await ask({ socketPath: target.socketPath }, { path: url });
      assert.equal(status, 200);
      check(`${schemaOf(path)}/get/responses/200/content/application~1json/schema`, json, path);
    }
    const refused = await ask({ socketPath: target.socketPath }, { path: '/v1/nodes/nobody' });
    check('/components/responses/Problem/content/application~1problem+json/schema', refused.json, 'a refusal');
  });
});
