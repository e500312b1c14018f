"""Methods that come and go."""

from __future__ import annotations

from bridge.callers import Caller
from bridge.services.offered import OfferedServices
from bridge.services.service import Outcome, Params


async def _answer(params: Params, caller: Caller) -> Outcome:
    return Outcome({})


def test_method_is_offered_while_its_condition_holds() -> None:
    providers: list[str] = []
    offered = OfferedServices({"a": _answer, "b": _answer}, {"b": lambda: bool(providers)})
    assert (list(offered), len(offered), "b" in offered, offered.get("b")) == (["a"], 1, False, None)
    providers.append("coturn")
    assert (list(offered), len(offered), offered["b"]) == (["a", "b"], 2, _answer)


def test_what_is_no_method_is_not_offered() -> None:
    assert "b" not in OfferedServices({"a": _answer}, {})
