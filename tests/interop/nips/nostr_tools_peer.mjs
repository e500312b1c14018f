// nostr-tools behind a pipe: one JSON line in, {"do": name, ...arguments}; one out, {"done": value} or {"failed": text}.
import { createInterface } from "node:readline";
import { getPow, minePow } from "nostr-tools/nip13";
import * as nip19 from "nostr-tools/nip19";
import { v2 as nip44 } from "nostr-tools/nip44";
import * as nip59 from "nostr-tools/nip59";
import { matchFilter } from "nostr-tools/filter";
import { finalizeEvent, getEventHash, getPublicKey, verifyEvent } from "nostr-tools/pure";

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (raw) => Buffer.from(raw).toString("hex");
const conversation = ({ secret, publicKey }) => nip44.utils.getConversationKey(bytes(secret), publicKey);

const actions = {
  readJson: ({ text }) => JSON.parse(text),
  publicKey: ({ secret }) => getPublicKey(bytes(secret)),
  eventId: ({ event }) => getEventHash(event),
  sign: ({ secret, event }) => finalizeEvent(event, bytes(secret)),
  verify: ({ event }) => verifyEvent(event),
  matches: ({ filter, event }) => matchFilter(filter, event),
  conversationKey: (keys) => hex(conversation(keys)),
  paddedSize: ({ length }) => nip44.utils.calcPaddedLen(length),
  encrypt: ({ text, key, nonce }) => nip44.encrypt(text, bytes(key), bytes(nonce)),
  decrypt: ({ payload, key }) => nip44.decrypt(payload, bytes(key)),
  wrap: ({ event, secret, recipient }) => nip59.wrapEvent(event, bytes(secret), recipient),
  unwrap: ({ wrap, secret }) => nip59.unwrapEvent(wrap, bytes(secret)),
  mine: ({ secret, event, bits }) => {
    const mined = minePow({ ...event, pubkey: getPublicKey(bytes(secret)) }, bits);
    return finalizeEvent(mined, bytes(secret));
  },
  work: ({ id }) => getPow(id),
  npub: ({ publicKey }) => nip19.npubEncode(publicKey),
  nsec: ({ secret }) => nip19.nsecEncode(bytes(secret)),
  nprofile: ({ profile }) => nip19.nprofileEncode(profile),
  decodeEntity: ({ text }) => {
    const { type, data } = nip19.decode(text);
    return { type, data: type === "nsec" ? hex(data) : data };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = { done: actions[name](given) };
  } catch (error) {
    answer = { failed: String(error.message ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
