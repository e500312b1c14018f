-- Devices that come and go, accounts that are erased, invites, and keys that the operator refuses.
--
-- A `key` here is a number that a key of Nostr has as an account would have it: 63 bits of a keyed hash.

-- Whose answer it is, so that its content goes with the account. An erased one is empty (x'') and belongs to nobody.
ALTER TABLE responses ADD COLUMN account INTEGER;
CREATE INDEX responses_by_account ON responses (account) WHERE account IS NOT NULL;

CREATE TABLE access_keys (
    account INTEGER PRIMARY KEY REFERENCES accounts (number) ON DELETE CASCADE,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE device_proofs (
    proof BLOB PRIMARY KEY NOT NULL,
    until_hour INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX device_proofs_by_hour ON device_proofs (until_hour);

CREATE TABLE revoked_keys (
    number INTEGER PRIMARY KEY,
    key INTEGER NOT NULL UNIQUE,
    account INTEGER NOT NULL REFERENCES accounts (number) ON DELETE CASCADE
) STRICT;

CREATE INDEX revoked_keys_by_account ON revoked_keys (account, number);

CREATE TABLE blocked_keys (
    key INTEGER PRIMARY KEY
) STRICT;


-- Keys of accounts that were deleted, and up to which time nothing of theirs comes back.
CREATE TABLE erased_keys (
    number INTEGER PRIMARY KEY,
    key INTEGER NOT NULL UNIQUE,
    until INTEGER NOT NULL
) STRICT;

INSERT INTO counts (name, amount) VALUES ('erased_keys', 0);

CREATE TRIGGER erased_key_added AFTER INSERT ON erased_keys
BEGIN UPDATE counts SET amount = amount + 1 WHERE name = 'erased_keys'; END;

CREATE TRIGGER erased_key_removed AFTER DELETE ON erased_keys
BEGIN UPDATE counts SET amount = amount - 1 WHERE name = 'erased_keys'; END;


-- AUTOINCREMENT, because an operator names an invite by a number that no later one may carry.
CREATE TABLE invites (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    code BLOB NOT NULL UNIQUE,
    uses_left INTEGER NOT NULL,
    expires_at INTEGER,
    terms BLOB NOT NULL
) STRICT;
