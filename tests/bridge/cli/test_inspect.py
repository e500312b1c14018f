"""`switchboard inspect`: one verdict a line, whatever comes in."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nips.nip19 import encode_nsec
from tests.support.wraps import AUTHOR, BRIDGE, NOW, a_rumor, a_seal, a_wrap, deviant_wraps, without


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{encode_nsec(BRIDGE)}\n", encoding="ascii")
    return path


def inspect(lines: bytes, key_file: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = ["switchboard", "inspect", "--home", str(key_file.parent), "--secret-key-file", str(key_file)]
    return subprocess.run([*command, *options], input=lines, capture_output=True, check=False, timeout=60)


def verdicts(wraps: Sequence[Any], key_file: Path, *options: str) -> list[dict[str, Any]]:
    lines = "".join(f"{wrap if isinstance(wrap, str) else json.dumps(wrap)}\n" for wrap in wraps)
    ended = inspect(lines.encode(), key_file, "--at", str(NOW), *options)
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_wrap_that_opens_is_accepted_with_sender_and_kind(key_file: Path) -> None:
    wrap = a_wrap(a_seal(a_rumor()))
    assert verdicts([wrap], key_file) == [
        {"id": wrap["id"], "accepted": True, "reason": None, "sender": AUTHOR.public_key, "rumor_kind": 24390}
    ]


def test_every_deviant_wrap_gets_its_reason_in_order(key_file: Path) -> None:
    deviant = deviant_wraps()
    answers = verdicts([wrap for wrap, _ in deviant.values()], key_file)
    assert [answer["id"] for answer in answers] == [wrap["id"] for wrap, _ in deviant.values()]
    for answer, (name, (_, reason)) in zip(answers, deviant.items(), strict=True):
        assert not answer["accepted"], name
        assert answer["reason"].startswith((reason, "larger than")), name
        assert answer["sender"] is None
        assert answer["rumor_kind"] is None


def test_unsigned_seal_opens_unless_strict(key_file: Path) -> None:
    wrap = a_wrap(without(a_seal(a_rumor()), ["kind", "tags", "id", "sig"]))
    assert verdicts([wrap], key_file)[0]["accepted"]
    assert verdicts([wrap], key_file, "--strict")[0]["reason"] == "seal kind: not 13"


@pytest.mark.parametrize(("allowed", "accepted"), [("true", True), ("false", False)])
def test_unsigned_seal_is_judged_as_the_bridge_in_the_home_would(key_file: Path, allowed: str, accepted: bool) -> None:
    (key_file.parent / "relay.toml").write_text(f"[compat]\nunsigned_seals = {allowed}\n", encoding="utf-8")
    wrap = a_wrap(without(a_seal(a_rumor()), ["kind", "tags", "id", "sig"]))
    assert verdicts([wrap], key_file)[0]["accepted"] is accepted
    assert not verdicts([wrap], key_file, "--strict")[0]["accepted"]


def test_times_are_judged_at_the_given_moment(key_file: Path) -> None:
    wrap = json.dumps(a_wrap(a_seal(a_rumor()))).encode()
    late = json.loads(inspect(wrap, key_file, "--at", str(NOW + 10**6)).stdout)
    assert late["reason"] == "created_at: more than 176400 seconds ago"


def test_request_for_another_key_inside_our_wrap_is_refused(key_file: Path) -> None:
    wrap = a_wrap(a_seal(a_rumor(tags=[["p", AUTHOR.public_key]])))
    assert verdicts([wrap], key_file)[0]["reason"] == "rumor is for somebody else"


def test_no_line_ends_the_inspection(key_file: Path) -> None:
    good = json.dumps(a_wrap(a_seal(a_rumor()))).encode()
    lines = [b"", b"null", b"\xff\xfe", b"[" * 100_000, b'{"id":5}', b'"\\ud800"', b"x" * 5_000_000, b"{}", good]
    ended = inspect(b"\n".join(lines), key_file, "--at", str(NOW))
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0
    assert [answer["accepted"] for answer in answers] == [False] * 8 + [True]
    assert all(set(answer) == {"id", "accepted", "reason", "sender", "rumor_kind"} for answer in answers)


def test_key_file_that_holds_no_key_is_named_and_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("nsec1secretsecret", encoding="ascii")
    ended = inspect(b"", path)
    assert ended.returncode == 2
    assert str(path).encode() in ended.stderr
    assert b"secretsecret" not in ended.stderr


def test_the_bridges_own_key_is_used_where_none_is_given(tmp_path: Path, key_file: Path) -> None:
    home = tmp_path / "home"
    made = subprocess.run(
        ["switchboard", "init", "--home", str(home), "--secret-key-file", str(key_file)],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    wrap = json.dumps(a_wrap(a_seal(a_rumor()))).encode()
    command = ["switchboard", "inspect", "--home", str(home), "--at", str(NOW)]
    ended = subprocess.run(command, input=wrap, capture_output=True, check=False, timeout=60)
    assert json.loads(ended.stdout)["accepted"]
