import { strict as assert } from 'node:assert';

import type { CapabilityDefinition } from '../../../../src/lib/node/capabilities/capability.js';
import { Catalog, type SourcedRegistration } from '../../../../src/lib/node/capabilities/catalog.js';
import { capability, registration } from '../../../support/capabilities.js';

describe('the capability catalog', () => {
  const acme = (...capabilities: unknown[]): SourcedRegistration => ({
    plugin: 'palyra-plugin-acme',
    api: 1,
    capabilities: capabilities as CapabilityDefinition[],
  });

  it('collects what is valid, sorted, and announces no functions', () => {
    const { catalog, failures } = Catalog.collect([
      registration(capability({ name: 'test.b' })),
      acme(capability({ name: 'acme.a' })),
    ]);
    assert.deepEqual(failures, []);
    assert.deepEqual(catalog.names(), ['acme.a', 'test.b']);
    const [first] = catalog.descriptors();
    assert.equal(first?.name, 'acme.a');
    assert.ok(first !== undefined && !('run' in first) && !('platforms' in first));
  });

  it('refuses one bad capability by name and keeps the others of the same plugin', () => {
    const { catalog, failures } = Catalog.collect([
      acme(capability({ name: 'Bad Name' }), capability({ name: 'acme.good' })),
    ]);
    assert.deepEqual(catalog.names(), ['acme.good']);
    assert.equal(failures.length, 1);
    assert.equal(failures[0]!.plugin, 'palyra-plugin-acme');
    assert.match(failures[0]!.message, /"Bad Name".*area\.action/);
  });

  const bad: [string, unknown, RegExp][] = [
    ['a name that is too long', { name: `a.${'b'.repeat(63)}` }, /area\.action/],
    ['no name', { name: undefined }, /without a name/],
    ['upper case', { name: 'acme.Read' }, /lower case/],
    ['a missing input schema', { inputSchema: undefined }, /"inputSchema" is missing/],
    ['a list as output schema', { outputSchema: [] }, /"outputSchema" is missing/],
    ['a schema that is too large', { inputSchema: { description: 'x'.repeat(70_000) } }, /larger than/],
    ['an empty summary', { summary: '' }, /"summary"/],
    ['no version', { version: undefined }, /"version"/],
    ['unknown side effects', { sideEffects: 'some' }, /"sideEffects"/],
    ['unknown mediation', { mediation: 'maybe' }, /"mediation"/],
    ['an undecided idempotent', { idempotent: 'yes' }, /"idempotent"/],
    ['no time limit', { executionTimeoutMs: 0 }, /"executionTimeoutMs"/],
    ['more than an hour', { executionTimeoutMs: 3_600_001 }, /"executionTimeoutMs"/],
    ['platforms that are no list', { platforms: 'linux' }, /"platforms"/],
    ['nothing to run', { run: 'sudo' }, /"run"/],
  ];
  for (const [what, over, message] of bad) {
    it(`refuses ${what}`, () => {
      const candidate = { ...capability({ name: 'acme.read' }), ...(over as object) };
      const { catalog, failures } = Catalog.collect([acme(candidate)]);
      assert.deepEqual(catalog.names(), []);
      assert.match(failures[0]!.message, message);
    });
  }

  it('keeps the first of two capabilities with one name', () => {
    const { catalog, failures } = Catalog.collect([
      registration(capability({ name: 'acme.read', summary: 'first' })),
      acme(capability({ name: 'acme.read', summary: 'second' })),
    ]);
    assert.equal(catalog.get('acme.read')?.summary, 'first');
    assert.match(failures[0]!.message, /already a capability "acme.read"/);
  });

  it('keeps the area of a plugin for itself, and names the plugins that offer something', () => {
    const { catalog, failures } = Catalog.collect([
      acme(capability({ name: 'acme.read' })),
      { ...acme(capability({ name: 'acme.write' })), plugin: 'palyra-plugin-other' },
      { ...acme(capability({ name: 'other.write' })), plugin: 'palyra-plugin-other' },
    ]);
    assert.deepEqual(catalog.names(), ['acme.read', 'other.write']);
    assert.equal(catalog.plugins.length, 2);
    assert.match(failures[0]!.message, /the area "acme" belongs to the plugin/);
  });

  it("refuses palyra's own names to others", () => {
    for (const name of ['echo', 'system.health', 'palyra.exec', 'node.stop']) {
      const { failures } = Catalog.collect([acme(capability({ name }))]);
      assert.match(failures[0]!.message, /reserved/, name);
    }
  });

  it('refuses another api by number, and anything that is no registration', () => {
    const { failures } = Catalog.collect([
      { plugin: 'future', api: 2, capabilities: [] },
      { plugin: 'broken', api: 1, capabilities: 'none' } as unknown as SourcedRegistration,
      null as unknown as SourcedRegistration,
    ]);
    assert.match(failures[0]!.message, /api 2; this palyra has api 1/);
    assert.match(failures[1]!.message, /not a list/);
    assert.deepEqual(failures[2], { plugin: 'registration 3', message: 'it registered nothing that can be read' });
  });

  it('survives a registration that throws when it is read', () => {
    const hostile = {
      plugin: 'hostile',
      api: 1,
      get capabilities(): never {
        throw new Error('boo');
      },
    };
    const nasty = {
      get name(): never {
        throw new Error('boo too');
      },
    };
    const { catalog, failures } = Catalog.collect([hostile, acme(nasty, capability({ name: 'acme.fine' }))]);
    assert.deepEqual(catalog.names(), ['acme.fine']);
    assert.deepEqual(
      failures.map(({ message }) => message),
      ['boo', 'capability (without a name): boo too'],
    );
  });

  it('leaves out what is for other platforms, silently', () => {
    const mac = capability({ name: 'acme.mac', platforms: ['darwin'] });
    const both = capability({ name: 'acme.both', platforms: ['darwin', 'linux'] });
    const { catalog, failures } = Catalog.collect([acme(mac, both)], 'linux');
    assert.deepEqual(catalog.names(), ['acme.both']);
    assert.deepEqual(failures, []);
  });

  it('takes no more than a message can carry', () => {
    const many = Array.from({ length: 300 }, (_, i) => capability({ name: `acme.n${i}` }));
    const { catalog, failures } = Catalog.collect([acme(...many)]);
    assert.equal(catalog.names().length, 256);
    assert.match(failures[0]!.message, /at most 256/);
  });

  it('calls a handler as the method it is, and enforces a copy of its schema', async () => {
    const definition = {
      ...capability({ name: 'acme.self' }),
      secret: 7,
      async run(this: { secret: number }) {
        return this.secret;
      },
    };
    const { catalog } = Catalog.collect([acme(definition)]);
    const taken = catalog.get('acme.self')!;
    (definition.inputSchema as Record<string, unknown>)['type'] = 'string';
    assert.deepEqual(taken.inputSchema, { type: 'object' });
    assert.equal(await taken.run({} as never), 7);
  });
});
