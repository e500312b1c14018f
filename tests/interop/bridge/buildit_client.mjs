// BuildIt's web client as it is on the wire, where it deviates from the NIPs too; on nostr-tools, as the original.
//
// stdin:  {"relay": url, "secret"?: hex, "form"?: "signaling" or "direct", "send": [{"to", "kind", "content"}],
//          "expect": count, "kinds"?: [] for any, "proves_key"?: bool}
// stdout: {"pubkey", "secret", "closed": why the relay ended the subscription, "received": [{"sender", "rumor"}]}
//
// Its signaling service seals {pubkey, content, created_at} and nothing else, sends rumors without id, and stamps
// wraps with the time that it is. Its direct messages have proper seals around rumors that lack id and author, and
// their times are drawn from the last two days. Neither answers AUTH, nor verifies what it opens.
import { json } from "node:stream/consumers";
import { v2 as nip44 } from "nostr-tools/nip44";
import * as nip59 from "nostr-tools/nip59";
import { finalizeEvent, generateSecretKey, getPublicKey } from "nostr-tools/pure";
import { Relay, useWebSocketImplementation } from "nostr-tools/relay";
import WebSocket from "ws";

const GIFT_WRAP = 1059;
const SEAL = 13;
const DAY = 86400;
const LISTENS_BACK_SECONDS = 60;
const PATIENCE_MS = 15_000;

useWebSocketImplementation(WebSocket);

const asked = await json(process.stdin);
const secret = asked.secret ? Uint8Array.from(Buffer.from(asked.secret, "hex")) : generateSecretKey();
const pubkey = getPublicKey(secret);
const now = () => Math.floor(Date.now() / 1000);

const key = nip44.utils.getConversationKey;
const encrypt = (value, ours, theirs) => nip44.encrypt(JSON.stringify(value), key(ours, theirs));
const decrypt = (event) => JSON.parse(nip44.decrypt(event.content, key(secret, event.pubkey)));

function signalingWrap({ to, kind, content }) {
  const rumor = { kind, content, created_at: now(), tags: [], pubkey };
  const seal = { pubkey, content: encrypt(rumor, secret, to), created_at: now() };
  const once = generateSecretKey();
  const wrap = { kind: GIFT_WRAP, content: encrypt(seal, once, to), created_at: now(), tags: [["p", to]] };
  return finalizeEvent(wrap, once);
}

function directWrap({ to, kind, content }) {
  const rumor = { kind, content, created_at: now() - DAY, tags: [["p", to]] };
  const seal = { kind: SEAL, content: encrypt(rumor, secret, to), created_at: now() - DAY / 2, tags: [] };
  return nip59.createWrap(finalizeEvent(seal, secret), to);
}

function open(wrap) {
  const seal = decrypt(wrap);
  return { sender: seal.pubkey, rumor: decrypt(seal) };
}

function patiently(what, promise) {
  const giveUp = (_, reject) => setTimeout(() => reject(new Error(`no ${what} in time`)), PATIENCE_MS);
  return Promise.race([promise, new Promise(giveUp)]);
}

// The original leaves challenges unanswered; this tells what an answer would have changed.
async function proveKey(relay) {
  const sign = async (template) => finalizeEvent(template, secret);
  const challenged = new Promise((resolve) => {
    relay.onauth = (template) => {
      resolve();
      return sign(template);
    };
  });
  await relay.connect();
  await patiently("challenge", challenged);
  await relay.auth(sign);
}

const received = [];
let tellComplete;
const complete = new Promise((resolve) => (tellComplete = resolve));

function take(wrap) {
  received.push(open(wrap));
  if (received.length === asked.expect) tellComplete();
}

function listen(relay) {
  const kinds = asked.kinds ?? [GIFT_WRAP];
  const filter = { ...(kinds.length && { kinds }), "#p": [pubkey], since: now() - LISTENS_BACK_SECONDS };
  const settled = new Promise((resolve) =>
    relay.subscribe([filter], { onevent: take, oneose: () => resolve(null), onclose: resolve }),
  );
  return patiently("end of stored events", settled);
}

const relay = new Relay(asked.relay);
await (asked.proves_key ? proveKey(relay) : relay.connect());
const closed = await listen(relay);
const wrapOf = asked.form === "direct" ? directWrap : signalingWrap;
for (const message of asked.send) await relay.publish(wrapOf(message));
if (asked.expect) await patiently(`${asked.expect} messages`, complete);

const result = { pubkey, secret: Buffer.from(secret).toString("hex"), closed, received };
process.stdout.write(JSON.stringify(result) + "\n", () => process.exit(0));
