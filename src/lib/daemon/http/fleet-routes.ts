/** Handlers of the inventory and of trust. What may be done with a device is cut to what its reader may do. */
import type { Caller } from '../../base/model.js';
import { callerName } from '../../runtime/caller-name.js';
import type { InventoryRow } from '../../runtime/inventory.js';
import { formatPosition } from '../../wire/http/event-stream.js';
import { ROUTES, type RouteId } from '../../wire/http/routes.js';
import { isAllowed } from '../policy.js';
import { measureVitals } from '../vitals.js';
import type { HandlerDeps, Handlers } from './handlers.js';

type FleetRouteId =
  | 'daemon.expose'
  | 'daemon.vitals'
  | 'daemon.rotation'
  | 'daemon.rotateCa'
  | 'inventory.list'
  | 'inventory.show'
  | 'nodes.revoke'
  | 'nodes.restore'
  | 'nodes.prune'
  | 'nodes.grants';

export type FleetDeps = Pick<HandlerDeps, 'runtime' | 'clock' | 'exposure' | 'listeners' | 'rotation'>;

/** The route behind each action. */
const ROUTE_OF: Readonly<Record<InventoryRow['actions'][number], RouteId>> = {
  invoke: 'dispatches.create',
  queue: 'dispatches.create',
  wait: 'events.stream',
  rename: 'nodes.rename',
  label: 'nodes.label',
  revoke: 'nodes.revoke',
  restore: 'nodes.restore',
  remove: 'nodes.remove',
  approve: 'approvals.approve',
  reject: 'approvals.reject',
};

export function fleetHandlers(deps: FleetDeps): Pick<Handlers, FleetRouteId> {
  const { runtime, clock, exposure, listeners, rotation } = deps;
  const position = () => formatPosition({ boot: runtime.bootEpoch, seq: runtime.events.seq });
  return {
    'inventory.list': async ({ caller, query }) => {
      const { devices, nextCursor } = runtime.inventory.page(query);
      return { devices: devices.map((row) => allowedTo(caller, row)), nextCursor, position: position() };
    },
    'inventory.show': async ({ caller, param }) => {
      return { device: allowedTo(caller, runtime.inventory.row(param('id'))), position: position() };
    },
    'daemon.expose': async ({ body, note, afterAnswer }) => {
      const changed = await exposure.move(body.listen);
      note({ listen: body.listen.join(',') });
      // Whoever asked over an address that goes away still gets the answer.
      if (changed) afterAnswer(() => exposure.dropClosed());
      return { changed, listen: listeners() };
    },
    'daemon.vitals': async ({ signal }) => ({ vitals: await measureVitals(clock, signal) }),
    'daemon.rotation': async () => ({ rotation: rotation.view() }),
    'daemon.rotateCa': async ({ caller, body, note }) => {
      note({ forced: String(body.force), keepMs: body.keepMs });
      const changed = await rotation.begin(callerName(caller), body);
      note({ changed: String(changed) });
      return { changed, rotation: rotation.view() };
    },
    'nodes.revoke': async ({ caller, param, note }) => {
      const answer = await runtime.trust.revoke(caller, param('node'));
      note({ nodeId: answer.node.id, name: answer.node.name });
      return answer;
    },
    'nodes.restore': async ({ caller, param, body, note }) => {
      const answer = await runtime.trust.restore(caller, param('node'), body.name);
      note({ nodeId: answer.node.id, name: answer.node.name });
      return answer;
    },
    'nodes.grants': async ({ caller, param, body, note }) => {
      const { node, changed } = await runtime.grants.change(caller, param('node'), body);
      note({ nodeId: node.id, name: node.name, granted: body.grant.join(','), withheld: body.withhold.join(',') });
      return { node, changed };
    },
    'nodes.prune': async ({ caller, body, note }) => {
      const answer = await runtime.trust.prune(caller, body);
      note({ notSeenForMs: body.notSeenForMs, candidates: answer.candidates.length, removed: String(answer.removed) });
      return answer;
    },
  };
}

function allowedTo(caller: Caller, row: InventoryRow): InventoryRow {
  return { ...row, actions: row.actions.filter((action) => isAllowed(caller, ROUTES[ROUTE_OF[action]].access)) };
}
