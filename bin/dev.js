#!/usr/bin/env node
// Builds what changed, then runs it: what is tried is what is shipped.
import { buildIfStale } from '../scripts/build.mjs';

await buildIfStale();
await import('./run.js');
