"""Connections are found by any key that they proved, as long as they last."""

from __future__ import annotations

from bridge.relay.proved import ProvedKeys
from tests.support.pipeline import Client

ALICE, BOB = Client("alice").key, Client("bob").key


class Connection:
    def __init__(self) -> None:
        self.reasons: list[str] = []

    def dismiss(self, reason: str) -> None:
        self.reasons.append(reason)


def test_every_connection_that_proved_a_key_is_ended_and_no_other() -> None:
    proved, one, two, other = ProvedKeys(), Connection(), Connection(), Connection()
    proved.add(ALICE, one)
    proved.add(ALICE, two)
    proved.add(BOB, two)
    proved.add(BOB, other)
    assert proved.dismiss([ALICE], "gone") == 2
    assert (one.reasons, two.reasons, other.reasons) == (["gone"], ["gone"], [])


def test_connection_that_proved_several_of_the_keys_is_ended_once() -> None:
    proved, one = ProvedKeys(), Connection()
    proved.add(ALICE, one)
    proved.add(BOB, one)
    assert proved.dismiss([ALICE, BOB], "gone") == 1
    assert one.reasons == ["gone"]


def test_connection_that_is_over_is_forgotten_and_takes_up_no_room() -> None:
    proved, one, two = ProvedKeys(), Connection(), Connection()
    proved.add(ALICE, one)
    proved.add(ALICE, two)
    proved.remove([ALICE, BOB], one)
    assert proved.dismiss([ALICE], "gone") == 1
    assert (one.reasons, two.reasons) == ([], ["gone"])
    proved.remove([ALICE], two)
    proved.remove([ALICE], two)
    assert len(proved) == 0


def test_connection_may_leave_while_all_are_ended() -> None:
    proved = ProvedKeys()

    class Leaving(Connection):
        def dismiss(self, reason: str) -> None:
            super().dismiss(reason)
            proved.remove([ALICE], self)

    connections = [Leaving() for _ in range(3)]
    for connection in connections:
        proved.add(ALICE, connection)
    assert proved.dismiss([ALICE], "gone") == 3
    assert [connection.reasons for connection in connections] == [["gone"]] * 3
    assert len(proved) == 0
