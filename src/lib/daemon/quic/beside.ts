/** Two doors under one number: what is bound, moved or renewed over TCP is so over UDP. */
import type { Front } from '../exposure.js';
import type { QuicPort } from './port.js';

/** How often another number is chosen because the one that TCP got is taken over UDP. */
const MAX_CHOICES = 8;

export function withQuic(front: Front, quic: QuicPort): Front {
  return {
    listen: async (address, port, flag) => {
      for (let choice = 1; ; choice++) {
        const bound = await front.listen(address, port, flag);
        if ((await quic.listen(address, bound)) || port !== 0 || choice === MAX_CHOICES) return bound;
        await front.unlisten(address);
      }
    },
    unlisten: async (address) => {
      await quic.unlisten(address);
      await front.unlisten(address);
    },
    renew: (server) => {
      front.renew(server);
      quic.renew(server);
    },
    dropWhere: (isClosed) => front.dropWhere(isClosed),
  };
}
