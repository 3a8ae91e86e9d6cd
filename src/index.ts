/**
 * The public surface for plugins and embedders: the error class with its reasons, the client of the control plane, and what a capability is.
 * Everything else may change without notice.
 */
export { PalyraError, REASONS, CODES, isReason } from './lib/base/errors.js';
export type { Code, ErrorFacts, PalyraErrorOptions, Reason } from './lib/base/errors.js';
export { ControlPlaneClient } from './lib/client/control-plane-client.js';
export type {
  CallOptions,
  ControlPlaneClientOptions,
  OperatorView,
  SessionView,
  TokenView,
  WatchItem,
  WatchOptions,
  WhoAmI,
} from './lib/client/control-plane-client.js';
export { CookieJar, type SerializedCookies } from './lib/client/cookies.js';
export { CAPABILITY_API, CapabilityDenial, CapabilityFailure } from './lib/node/capabilities/capability.js';
export type {
  CapabilityContext,
  CapabilityDefinition,
  CapabilityRegistration,
  NodeFacts,
} from './lib/node/capabilities/capability.js';
export type {
  CapabilityDescriptor,
  DispatchView,
  InviteView,
  JsonSchema,
  JsonValue,
  NewInviteView,
  NodeView,
} from './lib/base/model.js';
