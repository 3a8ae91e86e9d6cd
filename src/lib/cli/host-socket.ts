/** Asks the node of this machine for its status, over the socket it answers one JSON document on. For commands that load nothing of the node itself. */
import { connect } from 'node:net';

const ANSWER_WITHIN_MS = 2000;
const MAX_BYTES = 256 * 1024;

/** The part of the status that `palyra status` shows. */
export interface NodeSummary {
  readonly pid: number;
  readonly name: string;
  readonly state: string;
  readonly since: string;
  readonly daemon: { readonly name: string; readonly endpoint: string | null };
  readonly lastError?: { readonly reason: string; readonly message: string } | null;
}

/** Null when no node runs here, or what answers is not one. */
export function readNodeSummary(path: string): Promise<NodeSummary | null> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(path);
    // Saying nothing more at once: the status is what is asked for.
    socket.once('connect', () => socket.end());
    const finish = (summary: NodeSummary | null) => {
      socket.destroy();
      resolve(summary);
    };
    socket.setTimeout(ANSWER_WITHIN_MS, () => finish(null));
    socket.on('error', () => finish(null));
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (text.length > MAX_BYTES) finish(null);
    });
    socket.on('end', () => finish(parseSummary(text)));
  });
}

function parseSummary(text: string): NodeSummary | null {
  try {
    const value = JSON.parse(text) as NodeSummary | null;
    return typeof value?.name === 'string' && typeof value.state === 'string' ? value : null;
  } catch {
    return null;
  }
}
