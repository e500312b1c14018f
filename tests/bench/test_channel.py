"""The load generator's websocket, against a real server."""

from __future__ import annotations

import pytest

from bench.channel import Channel, Lost, frame
from bench.machine import Cores
from bench.peers.relays import echo_server


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 300_000])
def test_text_of_any_size_goes_and_comes_back(cores: Cores, size: int) -> None:
    text = '["' + "x" * size + '"]'
    with echo_server(cores.measured) as (_, url), Channel(url) as channel:
        channel.send(frame(text))
        channel.say("after")
        assert channel.next_message() == ["x" * size]
        assert channel.next_message() == ["after"]


def test_connection_that_the_server_closes_is_noticed(cores: Cores) -> None:
    with echo_server(cores.measured) as (_, url), Channel(url) as channel:
        channel.send(b"\xff\xff\xff\xff")
        with pytest.raises(Lost, match="closed the connection"):
            channel.next_message()
