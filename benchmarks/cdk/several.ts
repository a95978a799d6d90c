/** Environments one after the other in one process, into directories below the first argument: the seconds of each. */

import { newApp, stacks } from "./app";

const [output, ...names] = process.argv.slice(2);
const seconds = names.map((name, number) => {
  const start = performance.now();
  const app = newApp(`${output}/${number}`);
  stacks(app, name);
  app.synth();
  return (performance.now() - start) / 1000;
});
console.log(JSON.stringify(seconds));
