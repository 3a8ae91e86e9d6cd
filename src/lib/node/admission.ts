/** Whether an offer can be run here at all: capability, deadline and input. Pure: it starts nothing and remembers nothing. */
import { PalyraError } from '../base/errors.js';
import { parseBoundedJson } from '../base/json.js';
import { assertMatchesSchema } from '../base/json-schema.js';
import type { Offer, RejectCause } from '../base/link-messages.js';
import type { JsonValue } from '../base/model.js';
import type { CapabilityDefinition } from './capabilities/capability.js';
import type { Catalog } from './capabilities/catalog.js';

export type Admission =
  | { readonly admitted: true; readonly definition: CapabilityDefinition; readonly input: JsonValue }
  | { readonly admitted: false; readonly cause: RejectCause; readonly message: string };

export function admit(offer: Offer, catalog: Pick<Catalog, 'get'>): Admission {
  const definition = catalog.get(offer.capability);
  if (definition === undefined) {
    return { admitted: false, cause: 'unknown-capability', message: `This node has no capability ${offer.capability}` };
  }
  if (offer.deadlineInMs <= 0) {
    return { admitted: false, cause: 'past-deadline', message: 'It arrived after its deadline' };
  }
  try {
    const input = parseBoundedJson(offer.inputJson);
    assertMatchesSchema(input, definition.inputSchema, 'input', { trusted: true });
    definition.consent?.check(input);
    return { admitted: true, definition, input };
  } catch (error) {
    const { detail, message } = PalyraError.from(error, 'INPUT_INVALID');
    return { admitted: false, cause: 'invalid-input', message: detail ?? message };
  }
}
