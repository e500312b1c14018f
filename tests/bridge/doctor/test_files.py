"""Files and their modes: what others can get at is found, with the command that mends it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.doctor.files import check_files, check_identity, secret_files, user
from bridge.doctor.findings import Severity
from bridge.home import Home
from tests.bridge.doctor.examining import a_subject, bad, found_by, subject_of
from tests.support.bridges import bridge_settings


async def test_fresh_bridge_has_nothing_to_mend(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path / "home")
    assert bad(await found_by(check_files(subject))) == []
    assert bad(await found_by(check_identity(subject))) == []
    assert f"for {user(os.geteuid())} alone" in (await found_by(check_files(subject)))[0].found


@pytest.mark.parametrize(
    ("name", "mode", "severity", "fix"),
    [
        ("", 0o755, Severity.WARNING, "chmod 700 "),
        ("", 0o770, Severity.PROBLEM, "chmod 700 "),
        ("relay.toml", 0o666, Severity.PROBLEM, "chmod go-w "),
        ("storage.key", 0o640, Severity.PROBLEM, "chmod 600 "),
        ("turn.secret", 0o644, Severity.PROBLEM, "chmod 600 "),
        ("switchboard.db", 0o644, Severity.WARNING, "chmod 600 "),
    ],
)
async def test_what_others_can_get_at_is_told_with_its_fix(
    tmp_path: Path, name: str, mode: int, severity: Severity, fix: str
) -> None:
    folder = tmp_path / "home"
    subject = await a_subject(folder)
    (folder / name).chmod(mode)
    (finding,) = bad(await found_by(check_files(subject)))
    assert finding.severity is severity
    assert f"{mode:04o}" in finding.found
    assert finding.fix == f"{fix}{folder / name}"


async def test_secret_that_is_empty_is_told(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path)
    (tmp_path / "turn.secret").write_text("")
    (finding,) = bad(await found_by(check_files(subject)))
    assert (finding.about, finding.found) == ("turn.coturn.secret_files: turn.secret", "is empty")


async def test_storage_key_that_is_gone_is_told_for_the_key_that_lies_under_it_too(tmp_path: Path) -> None:
    await a_subject(tmp_path)
    (tmp_path / "storage.key").unlink()
    subject = subject_of(Home(tmp_path), bridge_settings())
    assert subject.secret is None
    (files,) = bad(await found_by(check_files(subject)))
    (identity,) = bad(await found_by(check_identity(subject)))
    for finding in (files, identity):
        assert finding.severity is Severity.PROBLEM
        assert "storage.key" in f"{finding.about}{finding.found}"
        assert finding.fix


async def test_storage_key_that_only_the_running_bridge_has_is_no_problem(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path)
    assert subject.secret is not None
    (tmp_path / "storage.key").unlink()
    beside = replace(subject, secret=None, running_key=subject.secret.public_key)
    findings = [*await found_by(check_files(beside)), *await found_by(check_identity(beside))]
    assert bad(findings) == []
    unseen = [finding for finding in findings if finding.severity is Severity.SKIPPED]
    assert [finding.about for finding in unseen] == [str(tmp_path / "storage.key"), "bridge key"]
    assert all("SWITCHBOARD_STORAGE_KEY_FILE" in finding.fix for finding in unseen)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_file_that_another_user_owns_is_told(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path)
    os.chown(tmp_path / "switchboard.db", 65_534, 65_534)
    (finding,) = bad(await found_by(check_files(subject)))
    assert finding.severity is Severity.PROBLEM
    assert finding.fix.startswith(f"chown {user(os.geteuid())} ")
    os.chown(tmp_path, 65_534, 65_534)
    findings = bad(await found_by(check_files(subject)))
    assert f"you are {user(os.geteuid())}" in findings[0].found


def test_every_file_with_a_secret_is_looked_at() -> None:
    names = dict(secret_files(bridge_settings()))
    assert names["turn.coturn.secret_files"] == "turn.secret"
    assert {"turn.static.username_file", "turn.static.password_file"} <= names.keys()
    assert not {"storage.file", "storage.key_file"} & names.keys()
