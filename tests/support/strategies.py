"""What hypothesis draws values from. Domains are small where two values should often meet."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from nips.event import Event
from nips.filter import Filter
from nips.keys import PublicKey, SecretKey
from nips.strict_json import MAX_INTEGER

AWKWARD = '"\\/\b\f\n\r\t\x00\x1f\x7f\x80\u2028\u2029\ufeff\ufffd\uffff😀é'
"""Characters that encoders of JSON disagree on."""

texts = st.text(st.one_of(st.sampled_from(AWKWARD), st.characters(exclude_categories=["Cs"])))
"""Any text that UTF-8 can carry."""

tokens = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"), min_size=1)
integers = st.integers(-MAX_INTEGER, MAX_INTEGER)
seconds = st.integers(0, MAX_INTEGER)
kinds = st.integers(0, 65535)
hex_64 = st.binary(min_size=32, max_size=32).map(bytes.hex)
tags = st.lists(st.lists(texts, min_size=1, max_size=4), max_size=5)
secret_keys = st.binary(min_size=31, max_size=31).map(lambda raw: SecretKey(b"\x01" + raw))

json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), integers, st.floats(allow_nan=False, allow_infinity=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)

few_ids = st.sampled_from(["aa" * 32, "ab" * 32, "ff" * 32])
few_kinds = st.sampled_from([0, 1, 1059, 21059])
few_times = st.sampled_from([0, 100, 101, MAX_INTEGER])
few_tags = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["e", "p"]), few_ids),
        st.tuples(st.sampled_from(["t", "P", "-"]), st.sampled_from(["", "a", "b"])),
        st.tuples(st.sampled_from(["t", "p"]), few_ids, few_ids),
        st.tuples(st.sampled_from(["t", "p"])),
    ),
    max_size=4,
)

few_events = st.builds(
    Event,
    id=few_ids,
    pubkey=few_ids.map(PublicKey),
    created_at=few_times,
    kind=few_kinds,
    tags=few_tags.map(tuple),
    content=st.just(""),
    sig=st.just("00" * 64),
)


def _sets_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | st.frozensets(values, max_size=3)


few_filters = st.builds(
    Filter,
    ids=_sets_of(few_ids),
    authors=_sets_of(few_ids),
    kinds=_sets_of(few_kinds),
    tags=st.fixed_dictionaries(
        {},
        optional={
            "e": st.frozensets(few_ids, max_size=3),
            "p": st.frozensets(few_ids, max_size=3),
            "t": st.frozensets(st.sampled_from(["", "a", "b"]), max_size=3),
            "P": st.frozensets(st.sampled_from(["", "a", "b"]), max_size=3),
        },
    ),
    since=st.none() | few_times,
    until=st.none() | few_times,
    limit=st.none() | few_times,
)
