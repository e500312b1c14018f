"""The files of a certificate."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.turn.managed.certificate import CertificateWatch, trouble_with_certificate
from bridge.turn.managed.configuration import Certificate
from client.clock import SystemClock
from tests.support.authority import Authority


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> Certificate:
    files = Certificate(tmp_path / "turn.crt", tmp_path / "turn.key")
    authority.issue("turn.test", files.certificate, files.key)
    return files


def test_pair_that_belongs_together_is_no_trouble(files: Certificate) -> None:
    assert trouble_with_certificate(files) is None


def test_missing_file_is_named(files: Certificate) -> None:
    files.key.unlink()
    assert trouble_with_certificate(files) == f"{files.key} cannot be read: No such file or directory"


@pytest.mark.parametrize("content", ["", "no PEM"])
def test_key_that_is_none_is_told(files: Certificate, content: str) -> None:
    files.key.write_text(content)
    assert "no certificate (PEM, with its chain) and the key that belongs" in (trouble_with_certificate(files) or "")


def test_key_of_another_certificate_is_told(files: Certificate, authority: Authority, tmp_path: Path) -> None:
    authority.issue("turn.test", tmp_path / "other.crt", files.key)
    assert "the key that belongs to it" in (trouble_with_certificate(files) or "")


def test_key_under_a_password_is_told_and_nobody_is_asked_for_it(files: Certificate, authority: Authority) -> None:
    authority.issue("turn.test", files.certificate, files.key, password=b"hidden")
    assert "without a password" in (trouble_with_certificate(files) or "")


def test_renewal_is_noticed_once_and_only_when_both_files_are_there(
    files: Certificate, authority: Authority, tmp_path: Path
) -> None:
    watch = CertificateWatch(files)
    assert not watch.is_renewed()
    authority.issue("turn.test", files.certificate, tmp_path / "new.key")
    assert not watch.is_renewed()
    files.key.unlink()
    assert not watch.is_renewed()
    (tmp_path / "new.key").rename(files.key)
    assert watch.is_renewed()
    assert not watch.is_renewed()


def test_half_of_a_renewal_is_told_once(
    files: Certificate, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watch = CertificateWatch(files)
    authority.issue("turn.test", files.certificate, tmp_path / "new.key")
    assert [watch.is_renewed() for _ in range(3)] == [False] * 3
    assert [record.message for record in caplog.records] == ["new certificate not used"]


def test_end_of_a_certificate_is_told_before_it_comes(files: Certificate) -> None:
    watch, now = CertificateWatch(files), SystemClock().now()  # it is made for a day
    assert watch.problem(now - 3 * 86400) is None
    assert watch.problem(now) == f"{files.certificate} ends within three days: renew it, and coturn reads it by itself"
    assert "has ended" in (watch.problem(now + 2 * 86400) or "")


def test_problem_stays_until_the_files_belong_together(files: Certificate, authority: Authority) -> None:
    whole = files.key.read_bytes()
    files.key.write_text("no PEM")
    watch, before = CertificateWatch(files), SystemClock().now() - 5 * 86400
    assert "the key that belongs to it" in (watch.problem(before) or "")
    files.key.write_bytes(whole)
    assert watch.is_renewed()
    assert watch.problem(before) is None


def test_refused_renewal_that_is_taken_back_is_no_problem_any_more(files: Certificate, tmp_path: Path) -> None:
    watch, before = CertificateWatch(files), SystemClock().now() - 5 * 86400
    files.key.rename(tmp_path / "aside.key")
    assert not watch.is_renewed()
    assert watch.problem(before) is not None
    (tmp_path / "aside.key").rename(files.key)
    assert not watch.is_renewed()
    assert watch.problem(before) is None
