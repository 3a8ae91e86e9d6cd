/**
 * What every capability keeps to, palyra's own and those of plugins, as tests for any runner: it describes itself truly, its output fits its schema, and it
 * stops when it is told to. Nothing runs before a test's `run` is called.
 */
import { strict as assert } from 'node:assert';
import { assertMatchesSchema } from '../../base/json-schema.js';
import type { JsonValue } from '../../base/model.js';
import type { CapabilityDefinition, CapabilityRegistration, NodeFacts } from './capability.js';
import { Catalog } from './catalog.js';

export interface CapabilitySamples {
  /** Inputs that fit, with what is needed for a run of well below a second. */
  readonly accepted: readonly JsonValue[];
  /** Inputs that the input schema must refuse. */
  readonly refused: readonly JsonValue[];
  /** An input whose run goes on until it is aborted; absent for those that end at once. */
  readonly endless?: JsonValue;
  /** What the machine allows, in the patterns of the capability. */
  readonly allowed?: readonly string[];
}

export interface SuiteOptions {
  /** The name in package.json; default: a plugin like any other. `palyra` may use the reserved areas. */
  readonly plugin?: string;
  readonly node?: NodeFacts;
}

export interface CapabilityTest {
  /** A sentence. */
  readonly name: string;
  /** Rejects when it is not so. */
  readonly run: () => Promise<void>;
}

/** How long an aborted run may take to end; a node abandons it then. */
const STOPS_WITHIN_MS = 5_000;

const SOME_NODE: NodeFacts = {
  deviceId: 'nod_01JTESTTESTTESTTESTTESTTES',
  name: 'pi-lab',
  daemonName: 'nas',
  version: '1.0.0',
  certificateFingerprint: 'ab'.repeat(32),
};

/** Throws when no such capability is registered, which the first test explains. */
export function capabilitySuite(
  registration: CapabilityRegistration,
  samples: Readonly<Record<string, CapabilitySamples>>,
  options: SuiteOptions = {},
): readonly CapabilityTest[] {
  const { plugin = 'a-plugin', node = SOME_NODE } = options;
  const { catalog, failures } = Catalog.collect([{ ...registration, plugin }]);
  const isForAnotherPlatform = ({ platforms }: CapabilityDefinition) => platforms?.includes(process.platform) === false;
  const elsewhere = failures.length > 0 ? [] : registration.capabilities.filter(isForAnotherPlatform);
  const here = Object.entries(samples).filter(([name]) => !elsewhere.some((definition) => definition.name === name));
  const accepted: CapabilityTest = {
    name: 'all capabilities are accepted by the catalog, and all have samples',
    async run() {
      assert.deepEqual(failures, []);
      assert.deepEqual(catalog.names(), here.map(([name]) => name).sort());
    },
  };
  return [
    accepted,
    ...here.flatMap(([name, sample]) =>
      testsOf(
        name,
        () => {
          const definition = catalog.get(name);
          assert.ok(definition !== undefined, `there is no capability ${name}`);
          return definition;
        },
        sample,
        node,
      ),
    ),
  ];
}

function testsOf(
  name: string,
  definition: () => CapabilityDefinition,
  { accepted, refused, endless, allowed = [] }: CapabilitySamples,
  node: NodeFacts,
): CapabilityTest[] {
  const check = (input: JsonValue) => assertMatchesSchema(input, definition().inputSchema, 'input', { trusted: true });
  const run = async (input: JsonValue, signal: AbortSignal) =>
    definition().run({ input, signal, progress: () => undefined, node, allowed });
  const tests: CapabilityTest[] = [
    {
      name: `${name} accepts what fits its input schema and refuses the rest`,
      async run() {
        for (const input of accepted) check(input);
        for (const input of refused)
          assert.throws(() => check(input), { reason: 'INPUT_INVALID' }, `it accepts ${JSON.stringify(input)}`);
      },
    },
    {
      name: `${name} gives an output that is JSON and fits its output schema, also when it runs twice at once`,
      async run() {
        const { signal } = new AbortController();
        for (const input of accepted) {
          for (const output of await Promise.all([run(input, signal), run(input, signal)])) {
            const copy = JSON.parse(JSON.stringify(output ?? null)) as JsonValue;
            assert.deepEqual(copy, output ?? null);
            assertMatchesSchema(copy, definition().outputSchema, 'output', { trusted: true });
          }
        }
      },
    },
  ];
  if (endless === undefined) return tests;
  return [
    ...tests,
    {
      name: `${name} stops when it is aborted`,
      async run() {
        const controller = new AbortController();
        const running = run(endless, controller.signal);
        controller.abort(new Error('enough'));
        let timer: NodeJS.Timeout | undefined;
        const late = new Promise<never>((_resolve, reject) => {
          timer = setTimeout(() => reject(new Error(`${name} ran on after it was aborted`)), STOPS_WITHIN_MS);
        });
        try {
          const ended = running.then(
            () => Promise.reject(new Error(`${name} gave a result although it was aborted`)),
            () => undefined,
          );
          await Promise.race([ended, late]);
        } finally {
          clearTimeout(timer);
        }
      },
    },
  ];
}
