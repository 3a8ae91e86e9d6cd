#!/usr/bin/env node
import module from 'node:module';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const entry = new URL('../dist/cli-main.js', import.meta.url);

if (existsSync(entry)) {
  module.enableCompileCache?.();
  const { main } = await import(entry.href);
  await main(root);
} else {
  console.error('palyra is not built yet. Run: npm run build');
  process.exitCode = 1;
}
