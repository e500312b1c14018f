-- Public events of every sort in one table: the replaceable ones, and requests to delete (kinds 5 and 62), which are as
-- public and are served the same way. The address of kind 5 is its own id, that of kind 62 its author.
DROP TRIGGER replaceable_added;
DROP TRIGGER replaceable_removed;
DROP INDEX replaceables_newest;
DROP INDEX replaceables_by_kind;
DROP INDEX replaceables_by_expiry;
DROP INDEX replaceable_tags_by_event;

ALTER TABLE replaceables RENAME TO public_events;
ALTER TABLE replaceable_tags RENAME TO public_tags;
ALTER TABLE public_events ADD COLUMN is_request INTEGER NOT NULL DEFAULT 0;

CREATE INDEX public_events_newest ON public_events (created_at DESC, id);
CREATE INDEX public_events_by_kind ON public_events (kind, created_at DESC, id);
CREATE INDEX public_events_by_expiry ON public_events (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX public_events_by_age ON public_events (is_request, number);
CREATE INDEX public_tags_by_event ON public_tags (event);

INSERT INTO counts (name, amount) VALUES ('requests', 0);

CREATE TRIGGER public_event_added AFTER INSERT ON public_events
BEGIN UPDATE counts SET amount = amount + 1 WHERE name = iif(NEW.is_request, 'requests', 'replaceables'); END;

CREATE TRIGGER public_event_removed AFTER DELETE ON public_events
BEGIN UPDATE counts SET amount = amount - 1 WHERE name = iif(OLD.is_request, 'requests', 'replaceables'); END;


-- What may not come back, by who asked for that: an event's id, SHA-256 of an address, or nothing (x'') for all that is
-- theirs. It says what the public request says, in a form that one look-up finds, and goes with it.
CREATE TABLE deletions (
    pubkey BLOB NOT NULL,
    target BLOB NOT NULL,
    request INTEGER NOT NULL REFERENCES public_events (number) ON DELETE CASCADE,
    until INTEGER NOT NULL,
    of_wraps INTEGER NOT NULL,
    PRIMARY KEY (pubkey, target, request)
) STRICT, WITHOUT ROWID;

CREATE INDEX deletions_by_request ON deletions (request);

-- To find what somebody wrote who wants to vanish.
CREATE INDEX gift_wraps_by_author ON gift_wraps (author, created_at);
