/**
 * One policy for every way in: who may call what. HTTP rows live in the route table (`wire/http/routes.ts`), rows of gRPC and QUIC here.
 * A method without a row is refused, and a test walks every method of every service and every route.
 */
import { PalyraError } from '../base/errors.js';
import type { Caller, OperatorRole } from '../base/model.js';
import { holdsScope } from '../base/access.js';
import type { Access, Route } from '../wire/http/routes.js';

/** Higher includes lower. `approver` may do what an operator may, and answer requests. */
const RANK: Readonly<Record<OperatorRole, number>> = { viewer: 1, operator: 2, approver: 3, owner: 4 };

export function isAllowed(caller: Caller, access: Access): boolean {
  if (access === 'anonymous' || caller.kind === 'owner') return true;
  return caller.kind === 'operator' && RANK[caller.role] >= RANK[access];
}

/** Throws UNAUTHENTICATED or PERMISSION_DENIED. */
export function assertAllowed(caller: Caller, access: Access): void {
  if (isAllowed(caller, access)) return;
  if (caller.kind === 'anonymous') throw new PalyraError('UNAUTHENTICATED');
  throw new PalyraError('PERMISSION_DENIED', { detail: `this needs the role ${access}` });
}

/** The local socket, or an operator who may do everything there is. */
export function isOwner(caller: Caller): boolean {
  return (
    caller.kind === 'owner' ||
    (caller.kind === 'operator' && caller.role === 'owner' && (caller.scopes ?? null) === null)
  );
}

/**
 * What a credential was limited to. A route that asks for `invoke` lets in who may invoke anything at all; the handler asks again for the capability.
 * Throws SCOPE_MISSING.
 */
export function assertScope(caller: Caller, scope: AskedScope): void {
  if (!hasScope(caller, scope)) throw new PalyraError('SCOPE_MISSING', { detail: scope ?? '', details: { scope } });
}

export function hasScope(caller: Caller, scope: AskedScope): boolean {
  if (caller.kind !== 'operator' || scope === null || scope === 'session') return true;
  const granted = caller.scopes ?? null;
  return (
    holdsScope(granted, scope) || (scope === 'invoke' && granted?.some((held) => held.startsWith('invoke:')) === true)
  );
}

type AskedScope = Route['scope'] | `invoke:${string}`;

export type GrpcPort = 'public' | 'node-rpc';

export interface GrpcRow {
  /** The only ports on which the method exists. */
  readonly ports: readonly GrpcPort[];
  /** `device`: a paired device whose certificate is on the allow list, checked at every call. */
  readonly who: 'anonymous' | 'device';
}

const pairing: GrpcRow = { ports: ['public'], who: 'anonymous' };
const node: GrpcRow = { ports: ['node-rpc'], who: 'device' };
const health: GrpcRow = { ports: ['public', 'node-rpc'], who: 'anonymous' };

export const GRPC_POLICY: Readonly<Record<string, GrpcRow>> = {
  '/palyra.pairing.v1.PairingService/BeginPairingSession': pairing,
  '/palyra.pairing.v1.PairingService/CompletePairingSession': pairing,
  '/palyra.pairing.v1.PairingService/GetPairingRequestStatus': pairing,
  '/palyra.pairing.v1.PairingService/AwaitPairingMaterial': pairing,
  '/palyra.pairing.v1.PairingService/RenewDeviceCertificate': pairing,
  '/palyra.node.v1.NodeService/RegisterNode': node,
  '/palyra.node.v1.NodeService/StreamNodeEvents': node,
  '/palyra.node.v1.NodeService/PollCapability': node,
  '/palyra.node.v1.NodeService/CompleteCapability': node,
  '/palyra.node.v1.NodeService/RotateDeviceCertificate': node,
  '/palyra.node.v1.NodeService/RevokeDevicePairing': node,
  '/grpc.health.v1.Health/Check': health,
  '/grpc.health.v1.Health/Watch': health,
};

export function isGrpcMethod(path: string, port: GrpcPort): boolean {
  return Object.hasOwn(GRPC_POLICY, path) && GRPC_POLICY[path]!.ports.includes(port);
}

/** The row of a method on a port. Throws PERMISSION_DENIED when there is none: refused by default. */
export function grpcRow(path: string, port: GrpcPort): GrpcRow {
  if (!isGrpcMethod(path, port))
    throw new PalyraError('PERMISSION_DENIED', { detail: 'this method is not offered here' });
  return GRPC_POLICY[path]!;
}

export interface QuicRow {
  /** Every connection has the certificate of a device; it is compared with the allow list again at every request. */
  readonly who: 'device';
}

const paired: QuicRow = { who: 'device' };

export const QUIC_POLICY: Readonly<Record<string, QuicRow>> = {
  'node.health': paired,
  'node.register': paired,
  'node.stream_events': paired,
  'node.publish': paired,
};

/** The row of a method of `palyra-quic-v1`. Throws PERMISSION_DENIED when there is none: refused by default. */
export function quicRow(method: string): QuicRow {
  const row = Object.hasOwn(QUIC_POLICY, method) ? QUIC_POLICY[method] : undefined;
  if (row === undefined) throw new PalyraError('PERMISSION_DENIED', { detail: 'this method is not offered here' });
  return row;
}
