"""What the operator was told, over a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.health.memory import FILE, MAX_BYTES, IncidentMemory, Told


def test_what_was_told_is_known_after_a_restart_until_it_is_over(tmp_path: Path) -> None:
    memory = IncidentMemory(tmp_path)
    assert memory.told == {}
    memory.keep("turn", Told(7, 1))
    memory.keep("requests", Told(8, 0))
    assert IncidentMemory(tmp_path).told == {"turn": Told(7, 1), "requests": Told(8, 0)}
    memory.drop("turn")
    memory.drop("turn")
    assert IncidentMemory(tmp_path).told == {"requests": Told(8, 0)}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"turn": 7}', b'{"turn": {}}', b"\xff", b"1" * (MAX_BYTES + 1)]
)
def test_file_that_cannot_be_read_costs_no_more_than_a_notice(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_bytes(content)
    memory = IncidentMemory(tmp_path)
    assert memory.told == {}
    assert "incidents of an earlier run not read" in caplog.messages
    memory.keep("turn", Told(7, 0))
    assert IncidentMemory(tmp_path).told == {"turn": Told(7, 0)}


def test_folder_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    memory = IncidentMemory(tmp_path / "gone")
    memory.keep("turn", Told(7, 0))
    assert memory.told == {"turn": Told(7, 0)}
    assert "incidents not written down" in caplog.messages
