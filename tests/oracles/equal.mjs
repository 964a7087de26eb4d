// Whether two documents are equal, as jsondiffpatch sees it: one `[a, b]` a line on stdin.

import { createInterface } from "node:readline";
import { create } from "jsondiffpatch";

const engine = create({ objectHash: undefined });
for await (const line of createInterface({ input: process.stdin })) {
  const [a, b] = JSON.parse(line);
  console.log(engine.diff(a, b) === undefined ? "equal" : "not equal");
}
