"""Deletion of what has had its time."""

from __future__ import annotations

from dataclasses import replace

from nips.kinds import PROFILE
from storage.account_interface import AdmissionFailed, RegisterDevice
from storage.accounts import SqliteAccounts
from storage.database import Database
from storage.gift_wraps import SqliteGiftWraps
from storage.inbox import SqliteInbox
from storage.interface import Answer
from storage.invites import SqliteInvites
from storage.public_events import SqlitePublicEvents
from storage.purge import purge
from storage.requests import SqliteRequests
from tests.storage.builders import (
    BUCKET,
    NOW,
    a_hex,
    a_new_account,
    a_permit,
    a_queued_reply,
    a_wrap,
    an_answer,
    an_entry,
    an_event,
)

TABLES = {"seen", "responses", "outbox", "gift_wraps", "public_events", "device_proofs", "invites", "permits"}
AMOUNT = 7


async def fill(database: Database) -> None:
    """Put some rows into every table, half of which are over at `NOW + 3600`."""
    admitted = await SqliteAccounts(database).admit(a_new_account(), max_accounts=1)
    assert not isinstance(admitted, AdmissionFailed)
    account, device = admitted
    for number in range(2 * AMOUNT):
        over = NOW + 3600 if number % 2 else NOW + 7200
        await SqliteInbox(database).add(an_entry(number), seen_until=over, max_waiting=100)
        answer = an_answer(number)
        reply = replace(a_queued_reply(number), expires_at=over)
        wraps = SqliteGiftWraps(database)
        await wraps.add(a_wrap(number, to=a_hex(1)), recipient=a_hex(1), expires_at=over, quota=100)
        tags = [("expiration", str(over))]
        await SqlitePublicEvents(database).put(an_event(author=number, kind=PROFILE, tags=tags))
        registered = RegisterDevice(account.number, device, a_hex(number, what="proof"), over, max_devices=6)
        await SqliteRequests(database).commit(Answer([], effect=registered))
        invites = SqliteInvites(database)
        await invites.create(f"code {number}", uses=1, expires_at=over, note="", now=NOW, max_invites=100)
        # A permit taken a minute before is back; one taken at the time of the purge is not.
        permit = a_permit(account=number, now_ms=(over - 60) * 1000)
        await SqliteRequests(database).commit(Answer([], [reply], answer.request, "{}", over, permit=permit))


async def amounts(database: Database) -> dict[str, int]:
    """Count the rows of every table."""
    return {table: (await database.readers.rows(f"SELECT count(*) FROM {table}"))[0][0] for table in TABLES}


async def test_what_is_over_goes_and_the_rest_stays(database: Database) -> None:
    await fill(database)
    removed = await purge(database, now=NOW + 3600, buckets={"turn": BUCKET}, chunk=3)
    assert removed == dict.fromkeys(TABLES, AMOUNT)
    assert await amounts(database) == dict.fromkeys(TABLES, AMOUNT)
    assert len(await SqliteInbox(database).waiting()) == 2 * AMOUNT


async def test_second_purge_finds_nothing(database: Database) -> None:
    await fill(database)
    await purge(database, now=NOW + 3600, buckets={"turn": BUCKET})
    assert await purge(database, now=NOW + 3600, buckets={"turn": BUCKET}) == dict.fromkeys(TABLES, 0)


async def test_chunk_that_is_just_full_ends(database: Database) -> None:
    await fill(database)
    removed = await purge(database, now=NOW + 3600, buckets={"turn": BUCKET}, chunk=AMOUNT)
    assert removed == dict.fromkeys(TABLES, AMOUNT)


async def test_other_writers_get_their_turn_between_chunks(database: Database) -> None:
    await fill(database)
    turns: list[str] = []
    await database.writer.run(lambda connection: connection.set_trace_callback(turns.append))
    await purge(database, now=NOW + 3600, buckets={"turn": BUCKET}, chunk=1)
    await database.writer.run(lambda connection: connection.set_trace_callback(None))
    assert turns.count("COMMIT") > len(TABLES) * AMOUNT
