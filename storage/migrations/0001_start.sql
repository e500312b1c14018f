-- Columns of type BLOB named after nothing public hold encrypted values or blind indexes (storage/encryption.py).

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Row counts kept by triggers: count(*) reads a whole index, too slow for a bound that every insert checks.
CREATE TABLE counts (
    name TEXT PRIMARY KEY,
    amount INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counts (name, amount) VALUES ('accounts', 0), ('inbox', 0), ('replaceables', 0);


-- AUTOINCREMENT, because readers continue after the last number that they saw and must never meet it twice.
CREATE TABLE inbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    arrival BLOB NOT NULL UNIQUE,
    entry BLOB NOT NULL
) STRICT;

CREATE TRIGGER inbox_added AFTER INSERT ON inbox
BEGIN UPDATE counts SET amount = amount + 1 WHERE name = 'inbox'; END;

CREATE TRIGGER inbox_removed AFTER DELETE ON inbox
BEGIN UPDATE counts SET amount = amount - 1 WHERE name = 'inbox'; END;

CREATE TABLE seen (
    arrival BLOB PRIMARY KEY NOT NULL,
    until_hour INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX seen_by_hour ON seen (until_hour);


CREATE TABLE responses (
    rumor BLOB PRIMARY KEY NOT NULL,
    request BLOB NOT NULL UNIQUE,
    forget_hour INTEGER NOT NULL,
    answer BLOB NOT NULL
) STRICT;

CREATE INDEX responses_by_hour ON responses (forget_hour);

CREATE TABLE permits (
    account INTEGER NOT NULL,
    limiter TEXT NOT NULL,
    worth_ms INTEGER NOT NULL,
    refill_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    PRIMARY KEY (account, limiter)
) STRICT, WITHOUT ROWID;


-- AUTOINCREMENT, because a row is reported as delivered by a number that no later row may carry.
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    destination BLOB NOT NULL,
    recipient BLOB NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    content BLOB NOT NULL
) STRICT;

CREATE INDEX outbox_by_destination ON outbox (destination, next_attempt_at, number);
CREATE INDEX outbox_by_recipient ON outbox (recipient, number);
CREATE INDEX outbox_by_expiry ON outbox (expires_at);


CREATE TABLE accounts (
    number INTEGER PRIMARY KEY,
    identity BLOB NOT NULL,
    admitted_day INTEGER NOT NULL
) STRICT;

CREATE TRIGGER account_added AFTER INSERT ON accounts
BEGIN UPDATE counts SET amount = amount + 1 WHERE name = 'accounts'; END;

CREATE TRIGGER account_removed AFTER DELETE ON accounts
BEGIN UPDATE counts SET amount = amount - 1 WHERE name = 'accounts'; END;

CREATE TABLE devices (
    device BLOB PRIMARY KEY NOT NULL,
    pubkey BLOB NOT NULL UNIQUE,
    account INTEGER NOT NULL REFERENCES accounts (number) ON DELETE CASCADE,
    description BLOB NOT NULL,
    is_primary INTEGER NOT NULL,
    registered_day INTEGER NOT NULL,
    last_seen_day INTEGER NOT NULL
) STRICT;

CREATE INDEX devices_by_account ON devices (account);


CREATE TABLE gift_wraps (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    recipient BLOB NOT NULL,
    author BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    is_reply INTEGER NOT NULL,
    event BLOB NOT NULL
) STRICT;

-- Its last columns are there so that wraps are chosen and counted without touching the rows.
CREATE INDEX gift_wraps_by_recipient ON gift_wraps (recipient, created_at DESC, id, expires_at, author, is_reply);
CREATE INDEX gift_wraps_replies ON gift_wraps (recipient, number) WHERE is_reply;
CREATE INDEX gift_wraps_by_expiry ON gift_wraps (expires_at);


-- Public events, in clear.
CREATE TABLE replaceables (
    number INTEGER PRIMARY KEY,
    pubkey BLOB NOT NULL,
    kind INTEGER NOT NULL,
    d TEXT NOT NULL,
    id BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    event TEXT NOT NULL,
    UNIQUE (pubkey, kind, d)
) STRICT;

CREATE INDEX replaceables_newest ON replaceables (created_at DESC, id);
CREATE INDEX replaceables_by_kind ON replaceables (kind, created_at DESC, id);
CREATE INDEX replaceables_by_expiry ON replaceables (expires_at) WHERE expires_at IS NOT NULL;

CREATE TRIGGER replaceable_added AFTER INSERT ON replaceables
BEGIN UPDATE counts SET amount = amount + 1 WHERE name = 'replaceables'; END;

CREATE TRIGGER replaceable_removed AFTER DELETE ON replaceables
BEGIN UPDATE counts SET amount = amount - 1 WHERE name = 'replaceables'; END;

CREATE TABLE replaceable_tags (
    letter TEXT NOT NULL,
    value TEXT NOT NULL,
    event INTEGER NOT NULL REFERENCES replaceables (number) ON DELETE CASCADE,
    PRIMARY KEY (letter, value, event)
) STRICT, WITHOUT ROWID;

CREATE INDEX replaceable_tags_by_event ON replaceable_tags (event);


CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
