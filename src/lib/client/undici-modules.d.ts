/** Types of the parts of undici that are loaded one by one; undici itself has types for its index only. */
declare module 'undici/lib/api/index.js' {
  import type { Dispatcher } from 'undici';
  const api: {
    request(this: Dispatcher, options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData>;
  };
  export default api;
}
declare module 'undici/lib/core/errors.js' {
  import type { errors } from 'undici';
  export const UndiciError: typeof errors.UndiciError;
}
declare module 'undici/lib/dispatcher/client.js' {
  import { Client } from 'undici';
  export default Client;
}
declare module 'undici/lib/dispatcher/pool.js' {
  import { Pool } from 'undici';
  export default Pool;
}
