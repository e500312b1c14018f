// A client as its author would write it with nostr-tools and nothing else: finds a bridge on a relay and asks it.
//
// stdin:  {"relay": url, "kind": 1059 or 21059, "requests": [{"id", "method", "params", "wraps"?: count}]}
// stdout: {"pubkey", "self", "bridge", "inboxes", "answers": [{"asked", "kind", "created_at", "rumor"}]}
import { json } from "node:stream/consumers";
import { DirectMessageRelaysList, GiftWrap, Handlerinformation } from "nostr-tools/kinds";
import * as nip11 from "nostr-tools/nip11";
import { v2 as nip44 } from "nostr-tools/nip44";
import * as nip59 from "nostr-tools/nip59";
import { SimplePool, useWebSocketImplementation } from "nostr-tools/pool";
import { finalizeEvent, generateSecretKey, getPublicKey } from "nostr-tools/pure";
import WebSocket from "ws";

const EPHEMERAL_GIFT_WRAP = 21059;
const REQUEST = 24390;
const PATIENCE_MS = 15_000;

useWebSocketImplementation(WebSocket);

const { relay, kind, requests } = await json(process.stdin);
const secret = generateSecretKey();
const pubkey = getPublicKey(secret);
const onauth = async (template) => finalizeEvent(template, secret);
const pool = new SimplePool({ automaticallyAuth: () => onauth });

const now = () => Math.floor(Date.now() / 1000);

function patiently(what, promise) {
  const giveUp = (_, reject) => setTimeout(() => reject(new Error(`no ${what} in time`)), PATIENCE_MS);
  return Promise.race([promise, new Promise(giveUp)]);
}

const saying = (reject) => (why) => reject(new Error(JSON.stringify(why)));

// Waits for what may be published only in a moment.
function find(filter) {
  const found = new Promise((onevent, reject) =>
    pool.subscribe([relay], filter, { onevent, onauth, onclose: saying(reject) }),
  );
  return patiently(JSON.stringify(filter), found);
}

// nostr-tools wraps in 1059 only; the ephemeral wrap has the same layers, and a time that is true.
function wrapOf(rumor, recipient) {
  const seal = nip59.createSeal(rumor, secret, recipient);
  if (kind === GiftWrap) return nip59.createWrap(seal, recipient);
  const once = generateSecretKey();
  const content = nip44.encrypt(JSON.stringify(seal), nip44.utils.getConversationKey(once, recipient));
  return finalizeEvent({ kind, content, created_at: now(), tags: [["p", recipient]] }, once);
}

// It opens 1059 only, too.
const open = (wrap) => nip59.unwrapEvent({ ...wrap, kind: GiftWrap }, secret);

const arrived = [];
let notify = () => {};

function take(wrap) {
  arrived.push(wrap);
  notify();
}

function listen() {
  const filter = { kinds: [GiftWrap, EPHEMERAL_GIFT_WRAP], "#p": [pubkey] };
  const settled = new Promise((oneose, reject) =>
    pool.subscribe([relay], filter, { onevent: take, onauth, oneose, onclose: saying(reject) }),
  );
  return patiently("end of stored events", settled);
}

async function nextWrap() {
  while (!arrived.length) await new Promise((resolve) => (notify = resolve));
  return arrived.shift();
}

async function* ask(bridge, { id, method, params, wraps = 1 }) {
  const content = JSON.stringify({ _v: "1.0.0", id, method, params });
  const rumor = nip59.createRumor({ kind: REQUEST, content, tags: [["p", bridge]] }, secret);
  for (let count = 0; count < wraps; count++) {
    await Promise.all(pool.publish([relay], wrapOf(rumor, bridge), { onauth }));
    const wrap = await patiently(`answer to ${method}`, nextWrap());
    yield { asked: rumor.id, kind: wrap.kind, created_at: wrap.created_at, rumor: open(wrap) };
  }
}

const information = await nip11.fetchRelayInformation(relay).catch(() => ({}));
const { pubkey: bridge } = await find({ kinds: [Handlerinformation], "#k": [String(REQUEST)] });
const { tags } = await find({ kinds: [DirectMessageRelaysList], authors: [bridge] });
const inboxes = tags.filter(([name]) => name === "relay").map(([, url]) => url);
await listen();
const answers = [];
for (const request of requests) for await (const answer of ask(bridge, request)) answers.push(answer);

const result = { pubkey, self: information.self ?? null, bridge, inboxes, answers };
process.stdout.write(JSON.stringify(result) + "\n", () => process.exit(0));
