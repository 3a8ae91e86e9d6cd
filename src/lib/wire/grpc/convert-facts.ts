/**
 * What a machine says about itself, between protobuf and the nouns of `base/model`. Reading refuses with MESSAGE_INVALID; writing cannot fail for values
 * that reading accepts. All of it is a claim: nothing here makes it true or allowed.
 */
import { CHANNELS, type ChannelName } from '../../base/questions.js';
import type { CapabilityDescriptor, MachineFacts, Mediation, SideEffects } from '../../base/model.js';
import {
  MAX_DESCRIPTORS,
  MAX_EXECUTION_MS,
  MAX_PROTOCOL,
  readCapabilityName,
  SCHEMA_LIMITS,
} from '../../base/link-limits.js';
import {
  type CapabilityDescriptor as WireDescriptor,
  type MachineFacts as WireFacts,
  Mediation as WireMediation,
  SideEffects as WireSideEffects,
} from './generated/palyra/common/v1/common.js';
import {
  EnumTable,
  invalid,
  readLine,
  readList,
  readSchema,
  readText,
  readWhole,
  writeJson,
  writeLine,
  writeText,
} from '../../base/fields.js';

const sideEffects = new EnumTable<WireSideEffects, SideEffects>('side_effects', {
  none: WireSideEffects.SIDE_EFFECTS_NONE,
  local: WireSideEffects.SIDE_EFFECTS_LOCAL,
  external: WireSideEffects.SIDE_EFFECTS_EXTERNAL,
});

const mediation = new EnumTable<WireMediation, Mediation>('mediation', {
  none: WireMediation.MEDIATION_NONE,
  ask: WireMediation.MEDIATION_ASK,
});

const MAX_CHANNELS = 8;
export function toDescriptor(wire: WireDescriptor): CapabilityDescriptor {
  return {
    name: readCapabilityName('capability name', wire.name),
    version: readLine('capability version', wire.version),
    summary: readText('capability summary', wire.summary),
    inputSchema: readSchema('input_schema_json', wire.inputSchemaJson, SCHEMA_LIMITS),
    outputSchema: readSchema('output_schema_json', wire.outputSchemaJson, SCHEMA_LIMITS),
    sideEffects: sideEffects.read(wire.sideEffects),
    mediation: mediation.read(wire.mediation),
    idempotent: wire.idempotent,
    executionTimeoutMs: readWhole('execution_timeout_ms', wire.executionTimeoutMs, 1, MAX_EXECUTION_MS),
  };
}

export function fromDescriptor(descriptor: CapabilityDescriptor): WireDescriptor {
  return {
    name: descriptor.name,
    version: writeLine(descriptor.version),
    summary: writeText(descriptor.summary),
    inputSchemaJson: writeJson(descriptor.inputSchema),
    outputSchemaJson: writeJson(descriptor.outputSchema),
    sideEffects: sideEffects.write(descriptor.sideEffects),
    mediation: mediation.write(descriptor.mediation),
    idempotent: descriptor.idempotent,
    executionTimeoutMs: descriptor.executionTimeoutMs,
  };
}

/** Also refuses a capability that is announced twice. */
export function toFacts(wire: WireFacts): MachineFacts {
  const capabilities = readList('capabilities', wire.capabilities, MAX_DESCRIPTORS, toDescriptor);
  if (new Set(capabilities.map(({ name }) => name)).size < capabilities.length) {
    throw invalid('capabilities', 'has the same name twice');
  }
  return {
    hostname: readLine('hostname', wire.hostname),
    platform: readLine('platform', wire.platform),
    arch: readLine('arch', wire.arch),
    version: readLine('version', wire.version),
    protocol: readWhole('protocol', wire.protocol, 1, MAX_PROTOCOL),
    capabilities,
    ...(wire.saysWhoIsAsked
      ? {
          asksThrough: readList('asks_through', wire.asksThrough, MAX_CHANNELS, toChannel).filter(
            (name) => name !== null,
          ),
        }
      : {}),
  };
}

/** Null for a way to ask that this version does not know: later ones may have more. */
export function toChannel(name: string): ChannelName | null {
  return CHANNELS.find((channel) => channel === name) ?? null;
}

export function fromFacts(facts: MachineFacts): WireFacts {
  return {
    hostname: writeLine(facts.hostname),
    platform: writeLine(facts.platform),
    arch: writeLine(facts.arch),
    version: writeLine(facts.version),
    protocol: facts.protocol,
    capabilities: facts.capabilities.map(fromDescriptor),
    asksThrough: [...(facts.asksThrough ?? [])],
    saysWhoIsAsked: facts.asksThrough !== undefined,
  };
}
