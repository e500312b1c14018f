-- Requests to delete (kind 5) and to vanish (kind 62) have room of their own each, and of either those that found
-- nothing here to erase make room first: keys cost nothing, so whoever makes many may only push out the like.
DROP TRIGGER public_event_added;
DROP TRIGGER public_event_removed;
DROP INDEX public_events_by_age;

-- 0: replaceable, 1: request to delete, 2: request to vanish.
ALTER TABLE public_events RENAME COLUMN is_request TO sort;
ALTER TABLE public_events ADD COLUMN found_nothing INTEGER NOT NULL DEFAULT 0;
UPDATE public_events SET sort = 2 WHERE kind = 62;

CREATE INDEX public_events_by_age ON public_events (sort, found_nothing DESC, number);

INSERT INTO counts (name, amount)
VALUES ('vanishes', (SELECT count(*) FROM public_events WHERE sort = 2)), ('vanished', 0);
UPDATE counts SET amount = (SELECT count(*) FROM public_events WHERE sort = 1) WHERE name = 'requests';

CREATE TRIGGER public_event_added AFTER INSERT ON public_events BEGIN
    UPDATE counts SET amount = amount + 1
    WHERE name = CASE NEW.sort WHEN 0 THEN 'replaceables' WHEN 1 THEN 'requests' ELSE 'vanishes' END;
END;

CREATE TRIGGER public_event_removed AFTER DELETE ON public_events BEGIN
    UPDATE counts SET amount = amount - 1
    WHERE name = CASE OLD.sort WHEN 0 THEN 'replaceables' WHEN 1 THEN 'requests' ELSE 'vanishes' END;
END;


-- Who vanished, and up to which time nothing of theirs comes back. Less than the request says, and kept for longer.
CREATE TABLE vanished (
    number INTEGER PRIMARY KEY,
    pubkey BLOB NOT NULL UNIQUE,
    until INTEGER NOT NULL,
    found_nothing INTEGER NOT NULL
) STRICT;

CREATE INDEX vanished_by_age ON vanished (found_nothing DESC, number);

CREATE TRIGGER vanished_added AFTER INSERT ON vanished
BEGIN UPDATE counts SET amount = amount + 1 WHERE name = 'vanished'; END;

CREATE TRIGGER vanished_removed AFTER DELETE ON vanished
BEGIN UPDATE counts SET amount = amount - 1 WHERE name = 'vanished'; END;

INSERT INTO vanished (pubkey, until, found_nothing)
SELECT pubkey, max(until), 0 FROM deletions WHERE target = x'' GROUP BY pubkey ORDER BY max(request);
DELETE FROM deletions WHERE target = x'';
