"""Filters that meet some of a handful of events, for comparing queries with `Filter.matches`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

from nips.event import Event
from nips.filter import Filter

T = TypeVar("T")


def filters(events: Sequence[Event], letters: Sequence[str]) -> st.SearchStrategy[Filter]:
    """Return filters over values that occur in these events, and some that do not."""
    times = sorted({event.created_at for event in events})
    moments = st.none() | st.integers(times[0] - 1, times[-1] + 1)
    values = sorted({value for event in events for letter in letters for value in event.tag_values(letter)})
    return st.builds(
        Filter,
        ids=_some([event.id for event in events] + ["00" * 32]),
        authors=_some([event.pubkey for event in events] + ["00" * 32]),
        kinds=_some([event.kind for event in events] + [1]),
        tags=st.dictionaries(
            st.sampled_from(letters), st.frozensets(st.sampled_from([*values, "nothing"]), max_size=4), max_size=2
        ),
        since=moments,
        until=moments,
        limit=st.none() | st.integers(0, 5),
    )


def _some(values: list[T]) -> st.SearchStrategy[frozenset[T] | None]:
    unique = sorted(set(values), key=str)
    return st.none() | st.frozensets(st.sampled_from(unique), max_size=len(unique))


def expected(wanted: Filter, events: Sequence[Event], limit: int) -> list[str]:
    """Return the ids that a query has to answer with: newest first, ties by lowest id."""
    matching = sorted((event for event in events if wanted.matches(event)), key=lambda e: (-e.created_at, e.id))
    return [event.id for event in matching][: limit if wanted.limit is None else min(limit, wanted.limit)]
