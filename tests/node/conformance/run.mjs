// Runs every case against a hub; reads what to know as JSON from standard input and writes
// one JSON line a case: {"name", "ok", "ms", "error"}. With --list it writes their names to
// cases.txt and does nothing else; with a text it runs the cases that have it in their names.

import { writeFileSync } from "node:fs";

import { Case, cases, setWorld } from "./kit.mjs";

const AT_ONCE = 10;
const CASE_MS = 12_000;

for (const topic of ["handshake", "polling", "websocket", "upgrade", "packets", "client"]) {
  await import(`./${topic}.mjs`);
}

if (process.argv[2] === "--list") {
  const names = cases.map(({ name }) => name + "\n").join("");
  writeFileSync(new URL("cases.txt", import.meta.url), names);
  process.exit(0);
}

let input = "";
for await (const chunk of process.stdin) input += chunk;
setWorld(JSON.parse(input));

async function run({ name, run }) {
  const began = performance.now();
  const each = new Case();
  let error = null;
  const late = new Promise((_resolve, reject) => {
    setTimeout(() => reject(new Error(`not done within ${CASE_MS} ms`)), CASE_MS).unref();
  });
  try {
    await Promise.race([run(each), late]);
  } catch (problem) {
    error = problem.stack ?? String(problem);
  }
  await each.end();
  const ms = Math.round(performance.now() - began);
  process.stdout.write(JSON.stringify({ name, ok: error === null, ms, error }) + "\n");
}

const waiting = cases.filter(({ name }) => name.includes(process.argv[2] ?? ""));
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await run(next);
  }),
);
process.exit(0);
