// Whether two documents are equal, as jsondiffpatch sees it: one `[a, b]` a line on stdin.

import { createInterface } from "node:readline";
import { create } from "jsondiffpatch";

// Elements are the same where they hold the same; by position alone it finds differences between equal arrays. Members
// come sorted.
const engine = create({ objectHash: (element) => JSON.stringify(element) });
for await (const line of createInterface({ input: process.stdin })) {
  const [a, b] = JSON.parse(line);
  console.log(engine.diff(a, b) === undefined ? "equal" : "not equal");
}
