"""What is being stored and not delivered yet."""

from __future__ import annotations

import pytest

from bridge.relay.under_way import UnderWay


def test_event_is_under_way_until_it_is_delivered() -> None:
    under_way = UnderWay()
    with under_way.storing(["a", "b"]):
        assert "a" in under_way
        assert "c" not in under_way
        assert len(under_way) == 2
    assert len(under_way) == 0


def test_event_that_two_are_storing_is_under_way_until_both_are_done() -> None:
    under_way = UnderWay()
    with under_way.storing(["a"]):
        with under_way.storing(["a"]):
            pass
        assert "a" in under_way
    assert "a" not in under_way


def test_event_that_could_not_be_stored_is_not_under_way() -> None:
    under_way = UnderWay()
    with pytest.raises(LookupError), under_way.storing(["a"]):
        raise LookupError
    assert len(under_way) == 0
