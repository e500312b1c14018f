"""Where the storage key comes from."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from storage.encryption import KeyRing, place
from storage.errors import StorageFailed, StorageKeyExists, StorageKeyMissing, StorageKeyRefused
from storage.key_file import CREDENTIAL, VARIABLE, find_key, load_key_ring, make_key_file

PLACE = place("secrets", "value", "name")
SETTING = 'storage.key_file = "storage.key"'


def a_key_file(path: Path, *key_ids: int, mode: int = 0o600) -> KeyRing:
    """Write a key file by hand and return its keys."""
    keys = [(key_id, bytes([key_id]) * 32) for key_id in key_ids]
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{key_id}:{key.hex()}\n" for key_id, key in keys), encoding="ascii")
    path.chmod(mode)
    return KeyRing(keys)


def ring_of(configured: Path, environment: Mapping[str, str]) -> KeyRing:
    """Return the keys from the first place that is named."""
    return load_key_ring(find_key(configured, environment, setting=SETTING))


def is_same(one: KeyRing, other: KeyRing) -> bool:
    """Tell whether two rings use the same newest key."""
    return other.decrypt(PLACE, one.encrypt(PLACE, b"value")) == b"value" and one.newest == other.newest


def test_made_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "storage.key"
    before = os.umask(0)
    try:
        make_key_file(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ring_of(path, {}).newest == 1


def test_key_file_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "storage.key"
    make_key_file(path)
    content = path.read_bytes()
    with pytest.raises(StorageKeyExists, match=r"storage\.key exists"):
        make_key_file(path)
    assert path.read_bytes() == content


def test_link_that_leads_nowhere_counts_as_a_key_file(tmp_path: Path) -> None:
    path = tmp_path / "storage.key"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageKeyExists):
        make_key_file(path)
    assert not (tmp_path / "elsewhere").exists()


def test_key_file_in_a_missing_folder_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="No such file"):
        make_key_file(tmp_path / "missing" / "storage.key")


def test_two_made_keys_differ(tmp_path: Path) -> None:
    make_key_file(tmp_path / "one")
    make_key_file(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() != (tmp_path / "two").read_bytes()


def test_last_line_is_the_newest_key(tmp_path: Path) -> None:
    written = a_key_file(tmp_path / "storage.key", 7, 255, 0)
    ring = ring_of(tmp_path / "storage.key", {})
    assert ring.newest == 0
    assert is_same(ring, written)


def test_empty_lines_and_remarks_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "storage.key"
    path.write_text(f"# made in spring\n\n  3:{'AB' * 32}  \r\n\n", encoding="ascii")
    path.chmod(0o600)
    assert is_same(ring_of(path, {}), KeyRing([(3, b"\xab" * 32)]))


def test_variable_wins_over_credential_and_configured_file(tmp_path: Path) -> None:
    configured = tmp_path / "storage.key"
    a_key_file(configured, 1)
    a_key_file(tmp_path / "credentials" / CREDENTIAL, 2)
    a_key_file(tmp_path / "named", 3)
    environment = {VARIABLE: str(tmp_path / "named"), "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    assert ring_of(configured, environment).newest == 3
    del environment[VARIABLE]
    assert ring_of(configured, environment).newest == 2
    assert ring_of(configured, {}).newest == 1


def test_credentials_without_ours_leave_the_configured_file(tmp_path: Path) -> None:
    a_key_file(tmp_path / "storage.key", 1)
    assert ring_of(tmp_path / "storage.key", {"CREDENTIALS_DIRECTORY": str(tmp_path)}).newest == 1


def test_named_file_that_is_missing_is_not_replaced_by_another(tmp_path: Path) -> None:
    a_key_file(tmp_path / "storage.key", 1)
    with pytest.raises(StorageKeyMissing, match="gone"):
        ring_of(tmp_path / "storage.key", {VARIABLE: str(tmp_path / "gone")})


def test_missing_key_file_names_setting_path_and_fix(tmp_path: Path) -> None:
    with pytest.raises(StorageKeyMissing) as caught:
        ring_of(tmp_path / "storage.key", {})
    assert str(caught.value).startswith(f"{SETTING}: there is no file {tmp_path}/storage.key: put the storage key back")


def test_missing_file_of_the_variable_names_variable_path_and_fix(tmp_path: Path) -> None:
    with pytest.raises(StorageKeyMissing) as caught:
        ring_of(tmp_path / "storage.key", {VARIABLE: f"{tmp_path}/gone"})
    assert str(caught.value).startswith(f"{VARIABLE}={tmp_path}/gone: there is no file {tmp_path}/gone: put")
    assert "unset the variable" in str(caught.value)


def test_refused_key_names_where_it_was_looked_for(tmp_path: Path) -> None:
    for path in (tmp_path / "storage.key", tmp_path / "named", tmp_path / CREDENTIAL):
        path.write_text("no key\n", encoding="ascii")
        path.chmod(0o600)
    for environment, name in (
        ({}, SETTING),
        ({VARIABLE: f"{tmp_path}/named"}, f"{VARIABLE}={tmp_path}/named"),
        ({"CREDENTIALS_DIRECTORY": str(tmp_path)}, f"systemd credential {CREDENTIAL}"),
    ):
        with pytest.raises(StorageKeyRefused) as caught:
            ring_of(tmp_path / "storage.key", environment)
        assert str(caught.value).startswith(f"{name}: ")


def test_place_tells_what_to_back_up(tmp_path: Path) -> None:
    a_key_file(tmp_path / CREDENTIAL, 1)
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    configured = tmp_path / "storage.key"
    assert find_key(configured, {}, setting=SETTING).shown == str(configured)
    assert find_key(configured, environment, setting=SETTING).shown == f"systemd credential {CREDENTIAL}"
    assert find_key(configured, {VARIABLE: "/run/key"}, setting=SETTING).shown == "/run/key"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610, 0o601])
def test_configured_file_that_others_get_at_is_refused(tmp_path: Path, mode: int) -> None:
    a_key_file(tmp_path / "storage.key", 1, mode=mode)
    with pytest.raises(StorageKeyRefused, match=rf"mode {mode:04o}\): chmod 600 .*storage\.key"):
        ring_of(tmp_path / "storage.key", {})


def test_own_file_of_the_variable_may_not_be_group_readable(tmp_path: Path) -> None:
    a_key_file(tmp_path / "named", 1, mode=0o640)
    with pytest.raises(StorageKeyRefused, match="0640"):
        ring_of(tmp_path / "storage.key", {VARIABLE: str(tmp_path / "named")})


def test_systemd_credential_may_be_group_readable(tmp_path: Path) -> None:
    a_key_file(tmp_path / CREDENTIAL, 1, mode=0o440)
    assert ring_of(tmp_path / "storage.key", {"CREDENTIALS_DIRECTORY": str(tmp_path)}).newest == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "at least one key"),
        (b"# only a remark\n", "at least one key"),
        (b"1:abcd\n", "line 1"),
        (b"1:" + b"aa" * 32 + b"\n256:" + b"bb" * 32 + b"\n", "line 2"),
        (b"aa" * 32 + b"\n", "line 1"),
        (b"1:" + b"aa" * 33 + b"\n", "line 1"),
        (b"1:" + b"aa" * 32 + b"\n1:" + b"bb" * 32 + b"\n", "two storage keys have the id 1"),
        (b"\xff\xfe1:" + b"aa" * 32, "line 1"),
        (b"#" * 70_000, "larger"),
    ],
)
def test_file_that_is_no_key_file_is_refused_without_quoting_it(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "storage.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StorageKeyRefused, match=reason) as caught:
        ring_of(path, {})
    assert "aaaa" not in str(caught.value)


def test_folder_and_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("folder", "pipe"):
        with pytest.raises(StorageKeyRefused, match="not a file"):
            ring_of(tmp_path / name, {})
