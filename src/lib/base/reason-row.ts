/** What a row in the tables of reasons holds, and the canonical codes a row may name. */

/** The canonical codes with their gRPC number, HTTP status and default exit code. Source: google.rpc.Code. */
export const CODES = {
  CANCELLED: { grpc: 1, http: 499, exit: 130 },
  UNKNOWN: { grpc: 2, http: 500, exit: 1 },
  INVALID_ARGUMENT: { grpc: 3, http: 400, exit: 2 },
  DEADLINE_EXCEEDED: { grpc: 4, http: 504, exit: 8 },
  NOT_FOUND: { grpc: 5, http: 404, exit: 3 },
  ALREADY_EXISTS: { grpc: 6, http: 409, exit: 1 },
  PERMISSION_DENIED: { grpc: 7, http: 403, exit: 4 },
  RESOURCE_EXHAUSTED: { grpc: 8, http: 429, exit: 1 },
  FAILED_PRECONDITION: { grpc: 9, http: 409, exit: 1 },
  ABORTED: { grpc: 10, http: 409, exit: 1 },
  UNIMPLEMENTED: { grpc: 12, http: 501, exit: 11 },
  INTERNAL: { grpc: 13, http: 500, exit: 1 },
  UNAVAILABLE: { grpc: 14, http: 503, exit: 5 },
  DATA_LOSS: { grpc: 15, http: 500, exit: 78 },
  UNAUTHENTICATED: { grpc: 16, http: 401, exit: 4 },
} as const;

export type Code = keyof typeof CODES;

export interface ReasonRow {
  readonly code: Code;
  readonly title: string;
  readonly hint: string;
  /** Overrides the exit code of the canonical code. */
  readonly exit?: number;
  /** Whether repeating the same call later, unchanged, can help and cannot do harm. */
  readonly retrySafe?: boolean;
}

/** Keeps the literal names of a table while checking its rows. */
export const reasons = <const T extends Record<string, ReasonRow>>(table: T): { readonly [K in keyof T]: ReasonRow } =>
  table;
