/**
 * `palyra/testing`: the tests that every capability has to pass, for authors of plugins and any test runner. docs/plugins.md shows how it is used.
 */
export { capabilitySuite } from './lib/node/capabilities/suite.js';
export type { CapabilitySamples, CapabilityTest, SuiteOptions } from './lib/node/capabilities/suite.js';
