/** The audit log over HTTP: filters for a listing, and the lines themselves as a stream. Reads only; writing is `auditor.ts`. */
import type { AuditEntry } from '../../base/audit-chain.js';
import { PalyraError } from '../../base/errors.js';
import type { NodeRuntime } from '../../runtime/runtime.js';
import { NDJSON } from '../../wire/http/routes.js';
import type { ParsedQuery } from '../../wire/http/schemas.js';
import type { AuditLog } from '../audit-log.js';

export async function listAudit(
  trail: AuditLog,
  runtime: Pick<NodeRuntime, 'nodeDetails'>,
  query: ParsedQuery<'audit.list'>,
): Promise<{ entries: AuditEntry[]; nextCursor: number | null }> {
  const { since, actor, action, node, cursor, limit } = query;
  const nodes = node === undefined ? null : spellingsOf(runtime, node);
  const from = since === undefined ? null : Date.parse(since);
  return trail.list({
    before: cursor,
    limit,
    isTooOld: (entry) => from !== null && Date.parse(entry.at) < from,
    matches: (entry) =>
      (actor === undefined || entry.actor.name === actor) &&
      (action === undefined || isAction(entry.action, action)) &&
      (nodes === null || ['node', 'nodeId', 'name'].some((field) => nodes.has(String(entry.target[field] ?? '')))),
  });
}

/** The lines as they are on disk, read as fast as the client takes them. */
export function auditExport(trail: AuditLog, query: { readonly after: number; readonly limit?: number }): Response {
  const lines = trail.lines(query);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await lines.next();
      if (next.done === true) controller.close();
      else controller.enqueue(Buffer.concat([next.value, Buffer.from('\n')]));
    },
    async cancel() {
      await lines.return(undefined);
    },
  });
  return new Response(body, { status: 200, headers: { 'content-type': NDJSON } });
}

/** A name that ends with a dot stands for all that begin with it. */
function isAction(action: string, wanted: string): boolean {
  return wanted.endsWith('.') ? action.startsWith(wanted) : action === wanted;
}

/** What entries may call a node: as it was asked for, its id, its name. A node that is gone is found by what was asked for. */
function spellingsOf(runtime: Pick<NodeRuntime, 'nodeDetails'>, node: string): ReadonlySet<string> {
  try {
    const found = runtime.nodeDetails(node).node;
    return new Set([node, found.id, found.name]);
  } catch (error) {
    if (PalyraError.from(error).code !== 'NOT_FOUND') throw error;
    return new Set([node]);
  }
}
