// nostr-tools' steps; bench/peers/steps.py says what goes in and out.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// Its packages lie where the tests of other people's software have theirs.
const require = createRequire(new URL("../../tests/interop/package.json", import.meta.url));
const nip59 = require("nostr-tools/nip59");
const { verifyEvent } = require("nostr-tools/pure");

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
let material;
let next = 0;
let last;
const warm = new Set();

const steps = {
  unwrap() {
    const wrap = JSON.parse(material.wraps[next++ % material.wraps.length]);
    // As its relay class does with every event that arrives; `unwrapEvent` checks the seal.
    if (!verifyEvent(wrap)) throw new Error("a wrap was not verified");
    last = nip59.unwrapEvent(wrap, material.secret);
  },
  wrap() {
    const recipient = material.recipients[next++ % material.recipients.length];
    last = nip59.wrapEvent(JSON.parse(material.rumor), material.secret, recipient);
    JSON.stringify(last);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const given = JSON.parse(line);
  if (material === undefined) {
    material = { ...given, secret: bytes(given.secret) };
    continue;
  }
  // It makes machine code of what it has run a few hundred times: the first time is for that alone.
  if (!warm.has(given.do)) repeat(given.do, given.seconds);
  warm.add(given.do);
  process.stdout.write(JSON.stringify({ rate: repeat(given.do, given.seconds), last: JSON.stringify(last) }) + "\n");
}

function repeat(step, seconds) {
  const started = performance.now();
  let count = 0;
  let elapsed = 0;
  while (elapsed < seconds) {
    steps[step]();
    count += 1;
    elapsed = (performance.now() - started) / 1000;
  }
  return count / elapsed;
}
