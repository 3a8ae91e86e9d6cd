/** What this machine lets its capabilities do, as its user sees and changes it: with the running node, or in its state while none runs. */
import { PalyraError } from '../base/errors.js';
import type { Mediation, SideEffects } from '../base/model.js';
import type { CapabilityDefinition } from './capabilities/capability.js';
import type { Catalog } from './capabilities/catalog.js';
import { exactInput } from './capabilities/consent.js';
import type { AllowRule, NodePolicy } from './policy.js';

export interface CapabilitySetting {
  readonly name: string;
  readonly summary: string;
  readonly enabled: boolean;
  /** Off until somebody switches it on here. */
  readonly offByDefault: boolean;
  /** Whose it is; null: palyra's own. */
  readonly plugin: string | null;
  /** Of a plugin, and nobody has switched it on or off here yet. */
  readonly waiting: boolean;
  readonly approval: Mediation;
  readonly sideEffects: SideEffects;
  readonly allow: readonly { readonly pattern: string; readonly by: AllowRule['by'] }[];
}

export type SettingChange =
  | { readonly action: 'enable' | 'disable'; readonly capability: string }
  | { readonly action: 'allow'; readonly capability: string; readonly pattern: string }
  | { readonly action: 'forget'; readonly capability: string; readonly pattern: string | null };

export function capabilitySettings(catalog: Catalog, policy: NodePolicy): CapabilitySetting[] {
  return catalog.definitions().map((definition) => settingOf(definition, policy));
}

/** Throws CAPABILITY_NOT_FOUND, INPUT_INVALID for a pattern, and storage reasons. */
export async function changeSetting(
  { catalog, policy }: { readonly catalog: Catalog; readonly policy: NodePolicy },
  change: SettingChange,
  now: number,
): Promise<{ readonly changed: boolean; readonly capability: CapabilitySetting }> {
  const definition = catalog.get(change.capability);
  if (definition === undefined) {
    throw new PalyraError('CAPABILITY_NOT_FOUND', {
      detail: `this machine has no "${change.capability}"`,
      hint: 'See what it has: palyra node capabilities list',
    });
  }
  const changed = await apply(definition, policy, change, now);
  return { changed, capability: settingOf(definition, policy) };
}

function apply(
  { name, consent = exactInput }: CapabilityDefinition,
  policy: NodePolicy,
  change: SettingChange,
  now: number,
): Promise<boolean> {
  switch (change.action) {
    case 'enable':
    case 'disable':
      return policy.setOn(name, change.action === 'enable');
    case 'allow': {
      const pattern = consent.toPattern(change.pattern);
      return policy.allow({ capability: name, pattern, addedAt: now, by: 'command' });
    }
    case 'forget':
      return policy.forget(name, change.pattern);
  }
}

function settingOf(definition: CapabilityDefinition, policy: NodePolicy): CapabilitySetting {
  const { name, summary, mediation, sideEffects, plugin = null, offByDefault = plugin !== null } = definition;
  return {
    name,
    summary,
    enabled: policy.isOn(definition),
    offByDefault,
    plugin,
    waiting: plugin !== null && policy.isWaiting(name),
    approval: mediation,
    sideEffects,
    allow: policy.rules(name).map(({ pattern, by }) => ({ pattern, by })),
  };
}
