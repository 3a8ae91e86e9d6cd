/**
 * What every RPC passes before its handler and after it: policy row, caller, denial budget, and the one conversion of errors.
 *
 * The context of a call is kept beside its Metadata object in a WeakMap: nothing a client sends can put anything there.
 */
import {
  ServerInterceptingCall,
  status as Status,
  type handleUnaryCall,
  type Metadata,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { Caller } from '../../base/model.js';
import { toServiceError } from '../../wire/grpc/status.js';
import { anonymousCaller, type DeviceCaller } from '../caller.js';
import { grpcRow, isGrpcMethod, type GrpcPort } from '../policy.js';
import type { Connection, TlsFront } from '../tls-front.js';
import { DenialBudget } from '../denial-budget.js';

export interface RpcContext {
  readonly connection: Connection;
  readonly caller: Caller;
}

export interface GateDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly front: Pick<TlsFront, 'connectionBetween'>;
  /** The caller of a connection by its certificate; throws when it may do nothing. Absent on the public port. */
  readonly deviceOn?: (connection: Connection) => DeviceCaller;
  /** Told of each denial on a connection of a device, and of each answer to one that is cut off. Without it a connection has a budget of its own. */
  readonly onDenial?: (connection: Connection) => void;
}

/** Answers that tell a client not to ask again; a client that goes on is cut off. */
const DENIALS: ReadonlySet<number> = new Set([
  Status.PERMISSION_DENIED,
  Status.UNAUTHENTICATED,
  Status.INVALID_ARGUMENT,
  Status.NOT_FOUND,
  Status.UNIMPLEMENTED,
]);

export class RpcGate {
  readonly #deps: GateDeps;
  readonly #port: GrpcPort;
  readonly #contexts = new WeakMap<Metadata, RpcContext>();
  readonly #budget: DenialBudget;
  #openCalls = 0;
  #onIdle: (() => void) | null = null;

  constructor(deps: GateDeps, port: GrpcPort) {
    this.#deps = deps;
    this.#port = port;
    this.#budget = new DenialBudget(deps.clock);
  }

  /** For the server's options. A refused call never reaches its handler, and no message of it is read. */
  readonly interceptor: ServerInterceptor = (method, call) => {
    const connection = this.#deps.front.connectionBetween(call.getConnectionInfo());
    let admitted = false;
    let wasCutOff = false;
    const intercepted = new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, nextMetadata) => {
            try {
              this.#contexts.set(metadata, this.#admit(method.path, connection));
            } catch (error) {
              wasCutOff = PalyraError.from(error).reason === 'NODE_CUT_OFF';
              intercepted.sendStatus(toServiceError(this.#toError(method.path, error)));
              return;
            }
            this.#openCalls += 1;
            admitted = true;
            nextMetadata(metadata);
          },
          // Also after a call that ended well: grpc-js tells once that nothing more can be sent.
          onCancel: () => {
            if (admitted) this.#callEnded();
          },
        }),
      sendStatus: (status, next) => {
        next(status);
        if (connection !== undefined && (wasCutOff || DENIALS.has(status.code ?? Status.OK)))
          this.#countDenial(connection);
      },
    });
    return intercepted;
  };

  /** A stream has come in. What is no call of a method of this port never gets to the interceptor. */
  arrived({ session }: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (isServed(headers, this.#port) || session?.socket === undefined) return;
    const connection = this.#deps.front.connectionBetween(session.socket);
    if (connection !== undefined) this.#countDenial(connection);
  }

  /** Resolves when every admitted call has been given its status, or after `timeoutMs`. For one caller: the server that closes. */
  async idle(timeoutMs: number): Promise<void> {
    if (this.#openCalls === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#deps.clock.schedule(timeoutMs, resolve);
      this.#onIdle = () => {
        cancel();
        resolve();
      };
    });
  }

  /** The context of an admitted call. */
  contextOf(call: { readonly metadata: Metadata }): RpcContext {
    const context = this.#contexts.get(call.metadata);
    if (context === undefined) throw new PalyraError('PERMISSION_DENIED', { detail: 'the call was not admitted' });
    return context;
  }

  /** A unary handler from a function that answers or throws. `onCancelled` tells it that nobody waits for its answer any more. */
  unary<Request, Answer>(
    path: string,
    handle: (request: Request, context: RpcContext, onCancelled: (listener: () => void) => void) => Promise<Answer>,
  ): handleUnaryCall<Request, Answer> {
    return (call, callback) => {
      const onCancelled = (listener: () => void) => {
        if (call.cancelled) listener();
        else call.once('cancelled', listener);
      };
      void (async () => handle(call.request, this.contextOf(call), onCancelled))().then(
        (answer) => callback(null, answer),
        (error: unknown) => callback(this.toStatus(path, error)),
      );
    };
  }

  /** The status of a failed call; logs what is not the client's doing. */
  toStatus(path: string, error: unknown): ReturnType<typeof toServiceError> {
    return toServiceError(this.#toError(path, error));
  }

  #admit(path: string, connection: Connection | undefined): RpcContext {
    const row = grpcRow(path, this.#port);
    if (connection === undefined) throw new PalyraError('PERMISSION_DENIED', { detail: 'the connection is closed' });
    const { deviceOn } = this.#deps;
    // On the node port the allow list is asked for every method, health included: a removed node must learn it whatever it calls.
    if (deviceOn !== undefined) return { connection, caller: deviceOn(connection) };
    if (row.who === 'device') throw new PalyraError('UNAUTHENTICATED');
    return { connection, caller: anonymousCaller(connection.address) };
  }

  #callEnded(): void {
    this.#openCalls -= 1;
    if (this.#openCalls === 0) this.#onIdle?.();
  }

  #countDenial(connection: Connection): void {
    const { onDenial } = this.#deps;
    if (onDenial !== undefined) return onDenial(connection);
    if (this.#budget.spend(connection)) return;
    this.#deps.log.warn('connection closed: too many refused calls', { address: connection.address });
    connection.socket.destroy();
  }

  #toError(path: string, error: unknown): PalyraError {
    const known = PalyraError.from(error);
    if (known.code === 'INTERNAL' || known.code === 'DATA_LOSS')
      this.#deps.log.error('call failed', { method: path, err: error });
    return known;
  }
}

function isServed(headers: IncomingHttpHeaders, port: GrpcPort): boolean {
  const path = headers[':path'];
  return (
    typeof path === 'string' &&
    isGrpcMethod(path, port) &&
    headers['content-type']?.startsWith('application/grpc') === true
  );
}
