#!/usr/bin/env node
import module from 'node:module';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const entry = new URL('../dist/cli-main.js', import.meta.url);

if (existsSync(entry)) {
  // Beside the code it was made from, with the same owner: Node's default is a name anybody can guess in a directory anybody can write.
  module.enableCompileCache?.(fileURLToPath(new URL('../node_modules/.cache/palyra', import.meta.url)));
  const { main } = await import(entry.href);
  await main(root);
} else {
  console.error('palyra is not built yet. Run: npm run build');
  process.exitCode = 1;
}
