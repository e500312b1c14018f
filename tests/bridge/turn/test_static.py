"""One account for everybody."""

from __future__ import annotations

from bridge.turn.static import StaticProvider


async def test_everybody_gets_the_same_at_any_time() -> None:
    provider = StaticProvider(username="user", password="pass", urls=["turn:turn.example.org"])
    one = await provider.credentials(user="a" * 32, now=1)
    assert one == await provider.credentials(user="b" * 32, now=2)
    assert (one.username, one.password, one.urls) == ("user", "pass", ("turn:turn.example.org",))


def test_a_provider_shows_no_password() -> None:
    assert "planted" not in repr(StaticProvider(username="planted-user", password="planted-pass", urls=[]))
