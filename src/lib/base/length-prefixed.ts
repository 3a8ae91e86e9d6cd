/** Fields as bytes that only they encode to: each with its length, 4 bytes big endian, before it. What is hashed or signed is built with it. */
export function lengthPrefixed(...fields: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    fields.flatMap((field) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(field.length);
      return [length, field];
    }),
  );
}
