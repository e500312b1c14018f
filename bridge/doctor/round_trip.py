"""What a wrap's way over a relay says about that relay. Pure: judges what `exchange` saw.

The trap that has a paragraph of its own: a strfry whose `serviceUrl` is empty answers no AUTH, and still keeps kind
1059 for those who have authenticated. So it takes wraps, and nobody ever gets one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.doctor.exchange import Exchange, Reading
from bridge.doctor.findings import Finding, ok, problem, quoted, warning
from client.authentication import AuthState
from client.publications import Outcome, Verdict
from nips.messages import Prefix, prefix_of

FAMILY = "round trip"

_TIME_WORDS = ("expired", "created_at", "too old", "in the future", "timestamp")
_LEAVE_OUT = "or take the relay out of upstream.relays"

_PROTECT = {
    "strfry": 'set auth.restrictedReadKinds = "4, 1059, 21059" and auth.serviceUrl in strfry.conf',
    "nostr-rs-relay": "set nip42_auth = true and nip42_dms = true under [authorization]; it can protect 1059 only",
    "nostream": "set nip42.restrictedReads with the kinds 4, 1059 and 21059 in settings.yaml",
}
"""How relays are told to keep wraps for their recipients, by what they call their software."""


@dataclass(frozen=True, slots=True)
class Place:
    """The relay in question."""

    url: str
    software: str = ""
    """What it says that it is, in lower case."""
    is_ours: bool = False


def judge(place: Place, seen: Exchange) -> Sequence[Finding]:
    """Return what is to be said about an exchange: one finding on each kind of wrap, and one on who can read them."""
    if not seen.is_open:
        found = f"the websocket does not open ({seen.failure})"
        return [
            problem(FAMILY, place.url, found, _of(place, "see that this address is a relay's, and that it lets us in"))
        ]
    if seen.kept.outcome is Outcome.UNANSWERED:
        return [_refused(place, "1059", seen.kept)]
    findings = [_stored(place, seen), _live(place, seen)]
    return [*findings, *_seen_by_strangers(place, seen)]


def _stored(place: Place, seen: Exchange) -> Finding:
    if not seen.kept.is_accepted:
        return _refused(place, "1059", seen.kept)
    if seen.stored is Reading.GOT:
        how = " with AUTH" if seen.auth is AuthState.ACCEPTED else ""
        return ok(FAMILY, place.url, f"1059: published and read back{how}, {1000 * seen.took_seconds:.0f} ms")
    if is_unauthenticable(seen):
        return _trap(place, seen)
    if seen.auth is AuthState.REFUSED:
        found = f"1059: it takes our wrap and refuses our AUTH{_words(seen)}"
        fix = f"write its address in upstream.relays as it calls itself, set this machine's clock, {_LEAVE_OUT}"
        return problem(FAMILY, place.url, found, _of(place, fix))
    found = {
        Reading.REFUSED: "does not let us read it",
        Reading.SILENT: "does not answer when we ask for it",
    }.get(seen.stored, "does not have it afterwards")
    fix = f"ask its operator to serve kind 1059 to its recipient, {_LEAVE_OUT}"
    return problem(FAMILY, place.url, f"1059: it takes our wrap and {found}{_words(seen)}", _of(place, fix))


def is_unauthenticable(seen: Exchange) -> bool:
    """Tell whether AUTH is what the relay wants before it serves a wrap, and nothing that it ever accepts."""
    if seen.auth is AuthState.ACCEPTED:
        return False
    if any("serviceurl" in words.lower() for words in seen.words):
        return True
    is_asked_for = any(prefix_of(words) is Prefix.AUTH_REQUIRED for words in seen.words)
    return is_asked_for and seen.auth in (None, AuthState.OFFERED, AuthState.UNANSWERED)


def _trap(place: Place, seen: Exchange) -> Finding:
    how = "sends no challenge" if seen.auth is None else "accepts none"
    found = f"1059: it takes our wrap, wants AUTH before it gives it back, and {how}{_words(seen)}"
    fix = (
        f'on strfry, set auth.serviceUrl = "{place.url}" (and auth.enabled = true) in strfry.conf, '
        "or take 1059 out of auth.restrictedReadKinds; until then nobody can read gift wraps there"
    )
    return problem(FAMILY, place.url, found, _of(place, f"{fix}, {_LEAVE_OUT}"))


def _live(place: Place, seen: Exchange) -> Finding:
    if not seen.passed.is_accepted:
        return _refused(place, "21059", seen.passed)
    if seen.live is Reading.GOT:
        return ok(FAMILY, place.url, "21059: passed on live")
    found = "21059: it takes a live wrap, and does not pass it on to its recipient"
    fix = "clients there get their answers only when they ask with kind 1059: ask its operator to pass kind 21059 on"
    return problem(FAMILY, place.url, f"{found}{_words(seen)}", _of(place, fix))


def _refused(place: Place, kind: str, verdict: Verdict) -> Finding:
    said = f": {quoted(verdict.message)}" if verdict.message else ""
    if verdict.outcome is Outcome.RATE_LIMITED:
        fix = "run this again later; if it stays, ask for higher limits"
        return warning(FAMILY, place.url, f"{kind}: it takes no more from us now{said}", fix)
    found, fix = _reason(kind, verdict)
    return problem(FAMILY, place.url, f"{kind}: {found}{said}", _of(place, f"{fix}, {_LEAVE_OUT}"))


def _reason(kind: str, verdict: Verdict) -> tuple[str, str]:
    """Return what a refusal means, and what to do."""
    match verdict.outcome:
        case Outcome.UNANSWERED:
            return "it says neither yes nor no to our wrap", "see whether the relay is overloaded"
        case Outcome.AUTH_REQUIRED:
            return "it takes nothing without AUTH, and not ours", "ask its operator to admit the bridge's key"
        case Outcome.FAILED:
            return "it is in trouble of its own", "tell its operator"
        case _ if prefix_of(verdict.message) is Prefix.POW:
            found = "it wants work (NIP-13), which the bridge's wraps do not carry"
            return found, "ask its operator to admit wraps without"
        case _ if any(word in verdict.message.lower() for word in _TIME_WORDS):
            fix = "set this machine's clock (`timedatectl set-ntp true`)"
            late = "; if it is right, ask its operator to take wraps that are dated back by two days"
            return "it refuses our wrap for its time", f"{fix}{late if kind == '1059' else ''}"
        case _:
            return "it refuses our wrap", "ask its operator to take wraps for the bridge from any author"


def _seen_by_strangers(place: Place, seen: Exchange) -> Sequence[Finding]:
    readable = [
        kind
        for kind, reading in (("1059", seen.strangers_stored), ("21059", seen.strangers_live))
        if reading is Reading.GOT
    ]
    if not readable:
        return [ok(FAMILY, place.url, "wraps are for their recipient alone")] if _was_tried(seen) else []
    kinds = " and ".join(readable)
    found = f"{kinds}: whoever asks gets them without AUTH, and so counts our requests and sees when they come"
    if place.is_ours:
        fix = "set compat.read_without_auth = false as soon as your clients answer AUTH"
    else:
        known = next((fix for name, fix in _PROTECT.items() if name in place.software), "")
        fix = known or f"ask its operator to serve kinds {kinds} to their recipients alone (most relays forget 21059)"
    return [warning(FAMILY, place.url, found, fix)]


def _was_tried(seen: Exchange) -> bool:
    return seen.kept.is_accepted and seen.stored is Reading.GOT and seen.strangers_stored is not Reading.SILENT


def _words(seen: Exchange) -> str:
    # That AUTH is asked for is known; what was said to it tells more.
    telling = [words for words in seen.words if prefix_of(words) is not Prefix.AUTH_REQUIRED] or seen.words
    return f" ({quoted(telling[-1])})" if telling else ""


def _of(place: Place, fix: str) -> str:
    return fix.replace(f", {_LEAVE_OUT}", "") if place.is_ours else fix
