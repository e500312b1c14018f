"""What every provider hands out."""

from __future__ import annotations

from bridge.turn.provider import TurnCredentials


def test_credentials_show_neither_user_name_nor_password() -> None:
    shown = repr(TurnCredentials("planted-user", "planted-password", ("turn:turn.example.org",)))
    assert "planted" not in shown
    assert "turn:turn.example.org" in shown
