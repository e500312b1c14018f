// A program whose user's key is in a bunker, as its author would write it with nostr-tools and nothing else: it has the
// bunker register a key of its own as a device, and asks a bridge with that.
//
// stdin:  {"relay": url, "bridge": key, "uri": bunker address, "requests": how many}
// stdout: {"user", "device", "registered": content, "accounts": [content]}
import { json } from "node:stream/consumers";
import { BunkerSigner, parseBunkerInput } from "nostr-tools/nip46";
import { v2 as nip44 } from "nostr-tools/nip44";
import { SimplePool, useWebSocketImplementation } from "nostr-tools/pool";
import { finalizeEvent, generateSecretKey, getEventHash, getPublicKey, verifyEvent } from "nostr-tools/pure";
import WebSocket from "ws";

const SEAL = 13;
const WRAP = 21059;
const REQUEST = 24390;
const PROOF = 24393;
const PATIENCE_MS = 15_000;

useWebSocketImplementation(WebSocket);

const { relay, bridge, uri, requests } = await json(process.stdin);
const now = () => Math.floor(Date.now() / 1000);

function patiently(what, promise) {
  const giveUp = (_, reject) => setTimeout(() => reject(new Error(`no ${what} in time`)), PATIENCE_MS);
  return Promise.race([promise, new Promise(giveUp)]);
}

// The same interface for a key of one's own as the bunker's signer has.
function holderOf(secret) {
  const shared = (peer) => nip44.utils.getConversationKey(secret, peer);
  return {
    getPublicKey: async () => getPublicKey(secret),
    signEvent: async (template) => finalizeEvent(template, secret),
    nip44Encrypt: async (peer, text) => nip44.encrypt(text, shared(peer)),
    nip44Decrypt: async (peer, payload) => nip44.decrypt(payload, shared(peer)),
  };
}

async function caller(signer) {
  const pubkey = await signer.getPublicKey();
  const onauth = (template) => signer.signEvent(template);
  const pool = new SimplePool({ automaticallyAuth: () => onauth });
  const arrived = [];
  let notify = () => {};
  const onevent = (wrap) => (arrived.push(wrap), notify());
  const filter = { kinds: [WRAP], "#p": [pubkey] };
  const settled = new Promise((oneose, reject) => {
    const onclose = (why) => reject(new Error(JSON.stringify(why)));
    pool.subscribe([relay], filter, { onevent, onauth, oneose, onclose });
  });
  await patiently("end of stored events", settled);

  async function open(wrap) {
    const seal = JSON.parse(await signer.nip44Decrypt(wrap.pubkey, wrap.content));
    const rumor = JSON.parse(await signer.nip44Decrypt(seal.pubkey, seal.content));
    if (!verifyEvent(seal) || seal.pubkey !== bridge || rumor.pubkey !== bridge) throw new Error("not by the bridge");
    return JSON.parse(rumor.content);
  }

  return async function ask(method, params) {
    const content = JSON.stringify({ _v: "1.0.0", id: crypto.randomUUID(), method, params });
    const rumor = { kind: REQUEST, created_at: now(), tags: [["p", bridge]], content, pubkey };
    rumor.id = getEventHash(rumor);
    const sealed = await signer.nip44Encrypt(bridge, JSON.stringify(rumor));
    const seal = await signer.signEvent({ kind: SEAL, created_at: now(), tags: [], content: sealed });
    const once = generateSecretKey();
    const wrapped = nip44.encrypt(JSON.stringify(seal), nip44.utils.getConversationKey(once, bridge));
    const wrap = finalizeEvent({ kind: WRAP, created_at: now(), tags: [["p", bridge]], content: wrapped }, once);
    await Promise.all(pool.publish([relay], wrap, { onauth }));
    const answered = new Promise((resolve) => {
      notify = resolve;
      if (arrived.length) resolve();
    });
    await patiently(`answer to ${method}`, answered);
    return open(arrived.shift());
  };
}

const pool = new SimplePool();
const bunker = BunkerSigner.fromBunker(generateSecretKey(), await parseBunkerInput(uri), { pool });
await patiently("bunker", bunker.connect());
const user = await bunker.getPublicKey();

const deviceSecret = generateSecretKey();
const device = getPublicKey(deviceSecret);
const tags = [["p", user], ["bridge", bridge]];
const proof = finalizeEvent({ kind: PROOF, created_at: now(), tags, content: "" }, deviceSecret);

const asUser = await caller(bunker);
const registered = await asUser("device.register", { device_pubkey: device, name: "nostr-tools", proof });
await bunker.close();

const asDevice = await caller(holderOf(deviceSecret));
const accounts = [];
for (let count = 0; count < requests; count++) accounts.push(await asDevice("account.get", {}));

process.stdout.write(JSON.stringify({ user, device, registered, accounts }) + "\n", () => process.exit(0));
