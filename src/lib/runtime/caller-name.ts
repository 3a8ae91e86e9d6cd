/** How a caller is named in records and events. */
import type { Caller } from '../base/model.js';

export function callerName(caller: Caller): string {
  switch (caller.kind) {
    case 'owner':
    case 'operator':
      return caller.name;
    case 'device':
      return caller.nodeId;
    case 'anonymous':
      return 'anonymous';
  }
}

/** The session or token a caller came with; undefined over the local socket and for devices. */
export function credentialOf(caller: Caller): string | undefined {
  return caller.kind === 'operator' ? caller.credential : undefined;
}
