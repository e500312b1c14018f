"""The table from errors to words."""

from __future__ import annotations

import inspect

import pytest

import nips.errors
import storage.errors
from bridge.relay import refusals
from bridge.relay.refusals import Refused, is_foreseen, slow_down, words_for
from nips.messages import Prefix, prefix_of

SECRET = "row 17 of gift_wraps"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (nips.errors.InvalidEvent("sig: not the author's signature"), "invalid: sig: not the author's signature"),
        (nips.errors.InvalidWrap("tags: not exactly one p tag"), "invalid: tags: not exactly one p tag"),
        (refusals.Unacceptable("expiration: over"), "invalid: expiration: over"),
        (refusals.Blocked("not this kind"), "blocked: not this kind"),
        (refusals.RateLimited("no room"), "rate-limited: no room"),
        (refusals.AuthRequired("prove your key"), "auth-required: prove your key"),
        (refusals.Restricted("not yours"), "restricted: not yours"),
        (storage.errors.StorageBusy(SECRET), "error: try again later"),
        (storage.errors.StorageFailed(SECRET), "error: try again later"),
        (storage.errors.DamagedValue(SECRET), "error: try again later"),
        (storage.errors.StorageFull(SECRET), "error: this relay is full, try another or come back later"),
        (storage.errors.ReadTooLarge(SECRET), "error: this takes too long to find, ask for less"),
        (KeyError(SECRET), "error: internal error"),
        (ValueError(SECRET), "error: internal error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_error_becomes_prefix_and_text(error: Exception, words: str) -> None:
    assert words_for(error) == words


def _classes(module: object, root: type[Exception]) -> list[type[Exception]]:
    return [cls for _, cls in inspect.getmembers(module, inspect.isclass) if issubclass(cls, root)]


@pytest.mark.parametrize("cls", _classes(storage.errors, storage.errors.StorageError), ids=lambda cls: cls.__name__)
def test_nothing_of_the_storage_reaches_a_client(cls: type[Exception]) -> None:
    assert SECRET not in words_for(cls(SECRET))
    assert prefix_of(words_for(cls(SECRET))) is Prefix.ERROR
    assert is_foreseen(cls(SECRET))


@pytest.mark.parametrize(
    "cls",
    [cls for cls in _classes(refusals, Refused) if cls is not Refused] + _classes(nips.errors, nips.errors.NipError),
    ids=lambda cls: cls.__name__,
)
def test_every_refusal_has_a_prefix_that_clients_know(cls: type[Exception]) -> None:
    words = words_for(cls("a reason"))
    assert prefix_of(words) not in (None, Prefix.ERROR)
    assert words.endswith(": a reason")


def test_what_nobody_foresaw_is_told_apart() -> None:
    assert not is_foreseen(KeyError("x"))
    assert is_foreseen(refusals.Blocked("x"))


@pytest.mark.parametrize(("wait", "words"), [(0.000001, "wait 1 s"), (1, "wait 1 s"), (1.2, "wait 2 s")])
def test_wait_is_told_honestly(wait: float, words: str) -> None:
    assert words in words_for(slow_down(wait))
