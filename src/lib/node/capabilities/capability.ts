/**
 * What a capability is, for our built-ins and for third-party plugins alike. Both register through the oclif hook `node:capabilities`, which returns
 * `CapabilityRegistration`s. A definition holds no state of its own between runs that another run could trip over: runs are concurrent.
 */
import type { CapabilityDescriptor, JsonValue } from '../../base/model.js';
import type { ConsentRules } from './consent.js';

/** Version of this interface. A registration with another `api` is refused by name; the rest of the node runs. */
export const CAPABILITY_API = 1;

export interface CapabilityContext {
  /** Parsed and validated against `inputSchema`. */
  readonly input: JsonValue;
  /** Aborts on cancel, time-out and shutdown; `signal.reason` is an Error. A run that ignores it is abandoned, its result dropped. */
  readonly signal: AbortSignal;
  /** Up to 64 KiB of JSON, at most 10 a second are sent on; the rest are dropped. */
  readonly progress: (value: JsonValue) => void;
  /** Facts about this node, for `system.identity` and the like. */
  readonly node: NodeFacts;
  /** What the person at this machine allowed for this capability, in its own patterns. Absent: nothing. */
  readonly allowed?: readonly string[];
}

export interface NodeFacts {
  readonly deviceId: string;
  readonly name: string;
  readonly daemonName: string;
  readonly version: string;
  /** SHA-256 of the certificate's DER, lower-case hex. */
  readonly certificateFingerprint: string;
}

export interface CapabilityDefinition extends CapabilityDescriptor {
  /** Absent: every platform. Values of `process.platform`. */
  readonly platforms?: readonly NodeJS.Platform[];
  /** False, when the node starts: this machine cannot do it (no desktop, no camera), and it is not announced. */
  readonly available?: () => boolean;
  /** Not announced until somebody switches it on at the machine. */
  readonly offByDefault?: boolean;
  /** Whose it is when it did not come with palyra; said by the catalog, never by the definition itself. */
  readonly plugin?: string;
  /** How a person is asked and what they can allow for good. Absent: the input as JSON. */
  readonly consent?: ConsentRules;
  /**
   * Resolves with the output, at most 1 MiB as JSON. Throw `CapabilityFailure` for "it did not work" with a code of your own,
   * `CapabilityDenial` for "it is not allowed here";
   * any other throw becomes the code `CAPABILITY_CRASHED`.
   */
  run(context: CapabilityContext): Promise<JsonValue>;
}

export interface CapabilityRegistration {
  readonly api: number;
  readonly capabilities: readonly CapabilityDefinition[];
}

/** "The printer is out of paper": the outcome of a run, not an error of palyra. */
export class CapabilityFailure extends Error {
  override readonly name: string = 'CapabilityFailure';
  constructor(
    /** Stable, UPPER_SNAKE_CASE. */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** "This machine does not allow it": said before anything was done. The run is `denied`, as if a person had said no. */
export class CapabilityDenial extends CapabilityFailure {
  override readonly name = 'CapabilityDenial';
}
