/** Environments one after the other in one process, into directories below the first argument. */

import { newApp, stacks } from "./app";

const [output, ...names] = process.argv.slice(2);
for (const [number, name] of names.entries()) {
  const app = newApp(`${output}/${number}`);
  stacks(app, name);
  app.synth();
}
