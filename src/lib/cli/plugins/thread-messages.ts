/** What goes between palyra and the thread of a plugin. Values that a plugin made travel as JSON text: nothing of its objects reaches this side. */
import type { JsonValue } from '../../base/model.js';
import type { PluginHook } from './plugin-index.js';

/** What a thread is started for. */
export type ThreadTask =
  | { readonly kind: 'describe'; readonly root: string }
  | {
      readonly kind: 'capabilities';
      readonly root: string;
      readonly hooks: readonly PluginHook[];
      readonly palyra: { readonly version: string };
    };

export interface RunMessage {
  readonly kind: 'run';
  readonly id: number;
  /** Which capability: its place among all that were registered. */
  readonly place: number;
  readonly input: JsonValue;
  readonly node: object;
  /** What the person at this machine allowed for it. */
  readonly allowed: readonly string[];
}

export type ToThread =
  RunMessage | { readonly kind: 'abort'; readonly id: number; readonly message: string } | { readonly kind: 'ping' };

export type FromThread =
  /** JSON: of `describe` a `Description`, of `capabilities` the registrations without their functions. */
  | { readonly kind: 'ready'; readonly json: string }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'printed'; readonly text: string }
  | { readonly kind: 'progress'; readonly id: number; readonly json: string }
  | { readonly kind: 'done'; readonly id: number; readonly json: string | undefined }
  | {
      readonly kind: 'failed';
      readonly id: number;
      readonly name: string;
      readonly code: string;
      readonly message: string;
    }
  | { readonly kind: 'pong' };
