/**
 * `google.rpc.Status` and what it carries, in the two messages and few fields that are used: the trailer `grpc-status-details-bin` of the richer error
 * model (google/rpc/status.proto, google/rpc/error_details.proto). Any gRPC client shows `ErrorInfo`; ours also reads `palyra.common.v1.ErrorFacts`.
 */
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

export interface RpcStatus {
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly typeUrl: string; readonly value: Uint8Array }[];
}

/** More details than anybody sends; the rest is not read. */
const MAX_DETAILS = 16;

export function encodeRpcStatus(status: RpcStatus): Uint8Array {
  const writer = new BinaryWriter().uint32(tag(1, VARINT)).int32(status.code);
  writer.uint32(tag(2, BYTES)).string(status.message);
  for (const { typeUrl, value } of status.details) {
    writer.uint32(tag(3, BYTES)).fork();
    writer.uint32(tag(1, BYTES)).string(typeUrl).uint32(tag(2, BYTES)).bytes(value).join();
  }
  return writer.finish();
}

/** Throws a plain Error for bytes that are not a protobuf message; fields it does not know are skipped. */
export function decodeRpcStatus(bytes: Uint8Array): RpcStatus {
  let code = 0;
  let message = '';
  const details: { typeUrl: string; value: Uint8Array }[] = [];
  forEachField(bytes, (field, reader) => {
    if (field === tag(1, VARINT)) code = reader.int32();
    else if (field === tag(2, BYTES)) message = reader.string();
    else if (field === tag(3, BYTES) && details.length < MAX_DETAILS) details.push(decodeAny(reader.bytes()));
    else reader.skip(field & 7);
  });
  return { code, message, details };
}

/** `google.rpc.ErrorInfo` without metadata. */
export function encodeErrorInfo(reason: string, domain: string): Uint8Array {
  return new BinaryWriter().uint32(tag(1, BYTES)).string(reason).uint32(tag(2, BYTES)).string(domain).finish();
}

function decodeAny(bytes: Uint8Array): { typeUrl: string; value: Uint8Array } {
  let typeUrl = '';
  let value: Uint8Array = new Uint8Array();
  forEachField(bytes, (field, reader) => {
    if (field === tag(1, BYTES)) typeUrl = reader.string();
    else if (field === tag(2, BYTES)) value = reader.bytes();
    else reader.skip(field & 7);
  });
  return { typeUrl, value };
}

const VARINT = 0;
const BYTES = 2;

function tag(field: number, wireType: number): number {
  return (field << 3) | wireType;
}

function forEachField(bytes: Uint8Array, visit: (tag: number, reader: BinaryReader) => void): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) visit(reader.uint32(), reader);
}
