/** What every capability keeps to, ours and those of plugins: it describes itself truly, its output fits its schema, and it stops when it is told to. */
import { strict as assert } from 'node:assert';

import type { JsonValue } from '../../src/lib/base/model.js';
import { assertMatchesSchema } from '../../src/lib/base/json-schema.js';
import type { CapabilityDefinition } from '../../src/lib/node/capabilities/capability.js';
import { Catalog, type SourcedRegistration } from '../../src/lib/node/capabilities/catalog.js';
import { fromFacts, toFacts } from '../../src/lib/wire/grpc/convert.js';
import { machineFacts } from '../../src/lib/node/facts.js';
import { nodeFacts } from '../support/capabilities.js';

export interface CapabilitySamples {
  /** Inputs that fit, with what is needed for a run of well below a second. */
  readonly accepted: readonly JsonValue[];
  readonly refused: readonly JsonValue[];
  /** An input whose run goes on until it is aborted; absent for those that end at once. */
  readonly endless?: JsonValue;
  /** What the machine allows, in the patterns of the capability. */
  readonly allowed?: readonly string[];
}

export function describeCapabilities(
  whose: string,
  registration: SourcedRegistration,
  samples: Readonly<Record<string, CapabilitySamples>>,
): void {
  describe(`the capabilities of ${whose}`, () => {
    const { catalog, failures } = Catalog.collect([registration]);

    it('are all accepted by the catalog, and all have samples here', () => {
      assert.deepEqual(failures, []);
      assert.deepEqual(catalog.names(), Object.keys(samples).sort());
    });

    it('travel over the wire unchanged', () => {
      const facts = machineFacts('1.0.0', catalog);
      assert.deepEqual(toFacts(fromFacts(facts)), facts);
      const asking = { ...facts, asksThrough: ['terminal', 'shell'] as const };
      assert.deepEqual(toFacts(fromFacts(asking)), asking);
    });

    for (const [name, { accepted, refused, endless, allowed = [] }] of Object.entries(samples)) {
      const definition = (): CapabilityDefinition => catalog.get(name)!;
      const check = (input: JsonValue) =>
        assertMatchesSchema(input, definition().inputSchema, 'input', { trusted: true });
      const run = (input: JsonValue, signal: AbortSignal) =>
        definition().run({ input, signal, progress: () => undefined, node: nodeFacts, allowed });

      it(`${name} accepts what fits its input schema and refuses the rest`, () => {
        for (const input of accepted) check(input);
        for (const input of refused)
          assert.throws(() => check(input), { reason: 'INPUT_INVALID' }, JSON.stringify(input));
      });

      it(`${name} gives an output that is JSON and fits its output schema, also when it runs twice at once`, async () => {
        const { signal } = new AbortController();
        for (const input of accepted) {
          for (const output of await Promise.all([run(input, signal), run(input, signal)])) {
            const copy = JSON.parse(JSON.stringify(output)) as JsonValue;
            assert.deepEqual(copy, output);
            assertMatchesSchema(copy, definition().outputSchema, 'output', { trusted: true });
          }
        }
      });

      if (endless === undefined) continue;
      it(`${name} stops when it is aborted`, async () => {
        const controller = new AbortController();
        const running = run(endless, controller.signal);
        controller.abort(new Error('enough'));
        await assert.rejects(running);
      });
    }
  });
}
