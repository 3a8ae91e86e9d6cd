/** When two announcements of a capability are one offer: a decision about one is a decision about the other. Pure. */
import type { CapabilityDescriptor } from '../base/model.js';

/** What somebody decided about; when it differs it is another offer. */
export function offerOf({ version, sideEffects, mediation }: CapabilityDescriptor): string {
  return `${version} ${sideEffects} ${mediation}`;
}

/** Declined as it is now: what is announced and not granted. */
export function declinedAtFirst(announced: readonly CapabilityDescriptor[], granted: readonly string[]) {
  return Object.fromEntries(
    announced.filter(({ name }) => !granted.includes(name)).map((descriptor) => [descriptor.name, offerOf(descriptor)]),
  );
}
