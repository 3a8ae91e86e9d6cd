/**
 * The node link over gRPC: `RegisterNode`, then one `StreamNodeEvents` for everything. Mutual TLS with this device's certificate.
 *
 * Messages written in one turn of the event loop leave in one write of the socket: Node's HTTP/2 session sends at the end of the turn.
 */
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js';

import { PalyraError } from '../../base/errors.js';
import type { Hello, UpMessage } from '../../base/link-messages.js';
import { fromUpMessage, toDownMessage } from '../../wire/grpc/convert.js';
import {
  NodeServiceClient,
  type DaemonMessage,
  type NodeEvent,
} from '../../wire/grpc/generated/palyra/node/v1/node.js';
import type { DaemonChannel } from './channel.js';
import type { Connector } from './connector.js';
import { LINK_KEEPALIVE } from './keepalive.js';
import type { LinkConnector, LinkHandlers, LinkStream, NodeLink, Registered, Registration } from './link.js';
import { registerOver } from './register.js';

export interface StreamLinkMaterial {
  /** PEM. */
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly trustBundle: readonly string[];
}

type Call = ClientDuplexStream<NodeEvent, DaemonMessage>;

export function streamLinks(
  { certificatePem, keyPem, trustBundle }: StreamLinkMaterial,
  { connector }: { readonly connector: Connector },
): LinkConnector {
  const trust = { trustBundle, client: { certificatePem, keyPem } };
  return (endpoint) => new StreamLink(connector.channel(endpoint, trust));
}

class StreamLink implements NodeLink {
  readonly endpoint: string;
  readonly #channel: DaemonChannel;
  readonly #client: NodeServiceClient;
  #call: Call | null = null;
  #destroyed = false;

  constructor(channel: DaemonChannel) {
    this.endpoint = channel.endpoint;
    this.#channel = channel;
    this.#client = new NodeServiceClient(channel.target, channel.credentials, {
      ...channel.options,
      ...LINK_KEEPALIVE,
    });
  }

  register(registration: Registration, signal: AbortSignal): Promise<Registered> {
    return registerOver(this.#client, this.#channel, registration, signal);
  }

  open(hello: Hello, handlers: LinkHandlers): LinkStream {
    const call = this.#client.streamNodeEvents();
    this.#call = call;
    let ended = false;
    const end = (error: PalyraError | null) => {
      if (ended) return;
      ended = true;
      if (!this.#destroyed) handlers.ended(error);
    };
    call.on('data', (message: DaemonMessage) => {
      if (ended || this.#destroyed) return;
      try {
        handlers.message(toDownMessage(message));
      } catch (error) {
        call.cancel();
        end(PalyraError.from(error));
      }
    });
    // A refusal comes as 'error' before 'end'; a plain close only as 'end', after the last message.
    call.on('error', (error: ServiceError) => end(this.#channel.toError(error)));
    call.on('end', () => end(null));
    const send = (message: UpMessage) => {
      if (!ended && !this.#destroyed && call.writable) call.write(fromUpMessage(message));
    };
    send(hello);
    return {
      send,
      get congested() {
        return call.writableNeedDrain;
      },
      finish: () => {
        if (!ended && !this.#destroyed) call.end();
      },
    };
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#call?.cancel();
    this.#client.close();
  }
}
