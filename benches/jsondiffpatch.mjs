// What jsondiffpatch takes for the documents of `compare.rs`: from two texts to the list of changes.
//
// npm install --prefix FOLDER jsondiffpatch && cp benches/jsondiffpatch.mjs FOLDER && node FOLDER/jsondiffpatch.mjs

import { create } from "jsondiffpatch";

const engine = create({ objectHash: (item) => item.id });

function document(bytes, changed) {
  const items = [];
  for (let i = 0, length = 0; length < bytes; i++) {
    const name = i === changed ? "iTem" : "item";
    items.push(`{"id":${i},"name":"${name}-${i}","price":${i % 97}.50,"tags":["a","b"],"ok":true}`);
    length += items[i].length + 1;
  }
  return `{"items":[${items.join(",")}]}`;
}

function list(edited) {
  const items = Array.from({ length: 10_000 }, (_, i) => `{"id":${i},"v":${(i * 31) % 1000}}`);
  for (let k = 0; edited && k < 33; k++) {
    items.splice(k * 97 + 5, 0, `{"id":"new-${k}"}`);
    items[k * 101 + 50] = `{"id":${k},"v":"changed"}`;
    const at = k * 113 + 3_000;
    [items[at], items[at + 40]] = [items[at + 40], items[at]];
  }
  return `[${items.join(",")}]`;
}

function respaced(text) {
  return JSON.stringify(JSON.parse(text), null, 1);
}

function reversed(text) {
  const turn = (item) => Object.fromEntries(Object.entries(item).reverse());
  return JSON.stringify({ items: JSON.parse(text).items.map(turn) });
}

function time(name, a, b, rounds, differ) {
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    const found = engine.diff(JSON.parse(a), JSON.parse(b)) !== undefined;
    times.push(performance.now() - start);
    if (found !== differ) throw new Error(name);
  }
  times.sort((x, y) => x - y);
  console.log(`${name}: ${times[Math.floor(rounds / 2)].toFixed(2)} ms`);
}

const large = document(1 << 20);
time("white space only, 1 MiB", large, respaced(large), 11, false);
time("key order only, 1 MiB", large, reversed(large), 11, false);
time("one leaf of 1 MiB changed", large, document(1 << 20, 5_000), 11, true);
time("10,000 elements, 100 inserted, moved and changed", list(false), list(true), 5, true);
