/**
 * Which capabilities this node offers: the built-in ones and those of plugins, checked once when the node starts.
 *
 * It refuses one capability at a time and says why; a bad plugin never keeps the others, or the node, from running. Registrations come from foreign
 * code: nothing about their shape is taken for granted, and reading them may throw.
 *
 * Always true: names are unique; every descriptor here is accepted by the wire (`wire/grpc/convert.ts`), so that one oversize schema cannot make the
 * daemon refuse the whole registration.
 */
import type { CapabilityDescriptor, JsonSchema, Mediation, SideEffects } from '../../base/model.js';
import type { ConsentRules } from './consent.js';
import { CAPABILITY_API, type CapabilityDefinition, type CapabilityRegistration } from './capability.js';

/** A registration and whose it is; without a name it is the embedder's own. */
export interface SourcedRegistration extends CapabilityRegistration {
  readonly plugin?: string;
}

export interface PluginFailure {
  readonly plugin: string;
  /** One line, for people. */
  readonly message: string;
}

/** The plugin name of palyra itself, the only one that may use the reserved areas. */
export const BUILTIN_PLUGIN = 'palyra';

/** One descriptor list is one message of at most 1 MiB. */
const MAX_CAPABILITIES = 256;
const MAX_SCHEMA_BYTES = 64 * 1024;
const MAX_NAME_LENGTH = 64;
const MAX_SUMMARY_LENGTH = 512;
const MAX_VERSION_LENGTH = 64;
/** One hour: the longest a daemon lets a run take. */
const MAX_EXECUTION_TIMEOUT_MS = 3_600_000;
const MAX_FAILURES = 64;
const MAX_MESSAGE_LENGTH = 512;

const NAME = /^[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*(?:\.[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*)*$/;
const RESERVED_AREAS: readonly string[] = ['system', 'palyra', 'node'];
const SIDE_EFFECTS: readonly SideEffects[] = ['none', 'local', 'external'];
const MEDIATIONS: readonly Mediation[] = ['none', 'ask'];

export class Catalog {
  readonly #definitions: ReadonlyMap<string, CapabilityDefinition>;
  /** Those that offer something here, in the order they came. */
  readonly plugins: readonly string[];

  private constructor(definitions: ReadonlyMap<string, CapabilityDefinition>, plugins: readonly string[]) {
    this.#definitions = definitions;
    this.plugins = plugins;
  }

  /**
   * Collects in the given order: of two capabilities with one name the first is kept. Those for other platforms are left out silently. Never throws.
   */
  static collect(
    registrations: readonly SourcedRegistration[],
    platform: NodeJS.Platform = process.platform,
  ): { readonly catalog: Catalog; readonly failures: readonly PluginFailure[] } {
    const definitions = new Map<string, CapabilityDefinition>();
    const failures: PluginFailure[] = [];
    const plugins = new Set<string>();
    const owners = new Map<string, string>();
    for (const [index, registration] of registrations.entries()) {
      const plugin = attempt(() => pluginOf(registration)) ?? `registration ${index + 1}`;
      const refuse = (message: string) => {
        if (failures.length < MAX_FAILURES) failures.push({ plugin, message: message.slice(0, MAX_MESSAGE_LENGTH) });
      };
      try {
        for (const candidate of candidatesOf(registration)) {
          try {
            const definition = checked(candidate, plugin);
            if (definition.platforms?.includes(platform) === false || definition.available?.() === false) continue;
            if (definitions.has(definition.name))
              throw new Refusal(`there is already a capability "${definition.name}"`);
            if (definitions.size >= MAX_CAPABILITIES) throw new Refusal(`a node offers at most ${MAX_CAPABILITIES}`);
            claimArea(owners, definition.name, plugin);
            definitions.set(definition.name, definition);
            plugins.add(plugin);
          } catch (error) {
            refuse(`capability ${nameForPeople(candidate)}: ${messageOf(error)}`);
          }
        }
      } catch (error) {
        refuse(messageOf(error));
      }
    }
    return { catalog: new Catalog(definitions, [...plugins]), failures };
  }

  get(name: string): CapabilityDefinition | undefined {
    return this.#definitions.get(name);
  }

  /** Sorted by name. */
  definitions(): CapabilityDefinition[] {
    return this.names().map((name) => this.#definitions.get(name)!);
  }

  /** Sorted. */
  names(): string[] {
    return [...this.#definitions.keys()].sort();
  }

  /** What is announced to the daemon, sorted by name; functions stay here. What `isOn` refuses is left out. */
  descriptors(isOn: (definition: CapabilityDefinition) => boolean = () => true): CapabilityDescriptor[] {
    return [...this.#definitions.values()]
      .filter(isOn)
      .map(
        ({
          name,
          version,
          summary,
          inputSchema,
          outputSchema,
          sideEffects,
          mediation,
          idempotent,
          executionTimeoutMs,
        }) => ({
          name,
          version,
          summary,
          inputSchema,
          outputSchema,
          sideEffects,
          mediation,
          idempotent,
          executionTimeoutMs,
        }),
      )
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

class Refusal extends Error {}

function candidatesOf(registration: CapabilityRegistration): readonly unknown[] {
  if (!isObject(registration)) throw new Refusal('it registered nothing that can be read');
  const { api, capabilities } = registration as { api: unknown; capabilities: unknown };
  if (api !== CAPABILITY_API) {
    throw new Refusal(`it was written for capability api ${String(api)}; this palyra has api ${CAPABILITY_API}`);
  }
  if (!Array.isArray(capabilities)) throw new Refusal('its "capabilities" is not a list');
  return capabilities;
}

/** Reads every field once, so that a getter cannot answer differently later. */
function checked(candidate: unknown, plugin: string): CapabilityDefinition {
  if (!isObject(candidate)) throw new Refusal('it is not an object');
  const { name, version, summary, sideEffects, mediation, idempotent, executionTimeoutMs, platforms, run } = candidate;
  const { available, offByDefault, consent } = candidate;
  if (typeof name !== 'string' || name.length > MAX_NAME_LENGTH || !NAME.test(name)) {
    throw new Refusal(`a name is "area.action" in lower case, at most ${MAX_NAME_LENGTH} characters`);
  }
  refuseForeignArea(name, plugin);
  if (!isText(version, MAX_VERSION_LENGTH))
    throw new Refusal(`"version" must be text of 1 to ${MAX_VERSION_LENGTH} characters`);
  if (!isText(summary, MAX_SUMMARY_LENGTH))
    throw new Refusal(`"summary" must be text of 1 to ${MAX_SUMMARY_LENGTH} characters`);
  if (!isOneOf(sideEffects, SIDE_EFFECTS)) throw new Refusal(`"sideEffects" must be one of ${SIDE_EFFECTS.join(', ')}`);
  if (!isOneOf(mediation, MEDIATIONS)) throw new Refusal(`"mediation" must be one of ${MEDIATIONS.join(', ')}`);
  if (typeof idempotent !== 'boolean') throw new Refusal('"idempotent" must be true or false');
  if (
    typeof executionTimeoutMs !== 'number' ||
    !Number.isInteger(executionTimeoutMs) ||
    executionTimeoutMs < 1 ||
    executionTimeoutMs > MAX_EXECUTION_TIMEOUT_MS
  ) {
    throw new Refusal(`"executionTimeoutMs" must be a whole number from 1 to ${MAX_EXECUTION_TIMEOUT_MS}`);
  }
  if (platforms !== undefined && !(Array.isArray(platforms) && platforms.every((entry) => typeof entry === 'string'))) {
    throw new Refusal('"platforms" must be a list of values of process.platform');
  }
  if (available !== undefined && typeof available !== 'function') throw new Refusal('"available" must be a function');
  if (offByDefault !== undefined && typeof offByDefault !== 'boolean') {
    throw new Refusal('"offByDefault" must be true or false');
  }
  if (consent !== undefined && !isConsent(consent)) throw new Refusal('"consent" lacks one of its parts');
  if (typeof run !== 'function') throw new Refusal('"run" must be a function');
  return {
    name,
    version,
    summary,
    inputSchema: schemaOf(candidate, 'inputSchema'),
    outputSchema: schemaOf(candidate, 'outputSchema'),
    sideEffects,
    mediation,
    idempotent,
    executionTimeoutMs,
    ...(platforms === undefined ? {} : { platforms: platforms as NodeJS.Platform[] }),
    ...(available === undefined ? {} : { available: available as () => boolean }),
    ...(offByDefault === undefined ? {} : { offByDefault }),
    ...(consent === undefined ? {} : { consent }),
    ...(plugin === BUILTIN_PLUGIN ? {} : { plugin }),
    run: (context) => (run as CapabilityDefinition['run']).call(candidate, context),
  };
}

/** A plugin that answers for `system.health` would be believed: the short names and these areas are palyra's own. */
function refuseForeignArea(name: string, plugin: string): void {
  if (plugin === BUILTIN_PLUGIN) return;
  const [area = name, action] = name.split('.');
  if (action === undefined || RESERVED_AREAS.includes(area)) {
    throw new Refusal('one-word names and the areas system, palyra and node are reserved; use your own prefix');
  }
}

/** The area of a plugin is its own: two plugins that answer for one device would be taken for one another. The first one has it. */
function claimArea(owners: Map<string, string>, name: string, plugin: string): void {
  const [area = name] = name.split('.');
  const owner = owners.get(area) ?? plugin;
  if (owner !== plugin && plugin !== BUILTIN_PLUGIN)
    throw new Refusal(`the area "${area}" belongs to the plugin ${owner}; use your own prefix`);
  owners.set(area, owner);
}

/** A copy made of JSON alone, so that what is announced and what is enforced are the same for ever. */
function schemaOf(candidate: Record<string, unknown>, field: 'inputSchema' | 'outputSchema'): JsonSchema {
  const schema = candidate[field];
  if (!isObject(schema) || Array.isArray(schema)) throw new Refusal(`"${field}" is missing: give a JSON Schema object`);
  const text = JSON.stringify(schema);
  if (Buffer.byteLength(text) > MAX_SCHEMA_BYTES)
    throw new Refusal(`"${field}" is larger than ${MAX_SCHEMA_BYTES} bytes`);
  return JSON.parse(text) as JsonSchema;
}

/** A registration without a source comes from whoever embeds the node and is trusted like palyra itself. */
function pluginOf(registration: SourcedRegistration): string | undefined {
  const plugin = registration.plugin ?? BUILTIN_PLUGIN;
  return typeof plugin === 'string' && plugin !== '' ? plugin.slice(0, 214) : undefined;
}

function isConsent(value: unknown): value is ConsentRules {
  if (!isObject(value) || !isText(value['verb'], 32) || !isText(value['scope'], 64)) return false;
  return ['check', 'subject', 'toPattern', 'matches'].every((part) => typeof value[part] === 'function');
}

function nameForPeople(candidate: unknown): string {
  const name = attempt(() => (candidate as { name?: unknown }).name);
  return typeof name === 'string' ? JSON.stringify(name.slice(0, MAX_NAME_LENGTH)) : '(without a name)';
}

function messageOf(error: unknown): string {
  return attempt(() => (error instanceof Error ? error.message : String(error))) ?? 'it cannot be read';
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isText(value: unknown, limit: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= limit;
}

function isOneOf<T extends string>(value: unknown, allowed: readonly T[]): value is T {
  return allowed.includes(value as T);
}
