"""Hold the mirror: every module has its own test module, at the same place under tests/."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("nips", "storage", "client", "protocol", "bridge")

# Modules with nothing in them that could be wrong by itself.
UNTESTED = {
    "bridge/destinations.py": "Protocol classes",
    "storage/account_interface.py": "values and Protocol classes",
    "storage/errors.py": "exception classes",
    "storage/interface.py": "Protocol classes",
    "storage/relay_interface.py": "Protocol classes",
}


def untested_modules(root: Path, untested: set[str]) -> list[str]:
    """Return the modules without a test module, except those listed and the dunder ones."""
    return [
        module
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
        if not path.stem.startswith("__")
        and (module := path.relative_to(root).as_posix()) not in untested
        and not (root / "tests" / path.relative_to(root).with_name(f"test_{path.name}")).is_file()
    ]


def folders_without_init(root: Path) -> list[str]:
    """Return the folders of source code that an installed package would leave out."""
    folders = {path.parent for package in PACKAGES for path in (root / package).rglob("*.py")}
    return sorted(folder.relative_to(root).as_posix() for folder in folders if not (folder / "__init__.py").is_file())


def test_every_module_has_its_test_module() -> None:
    assert untested_modules(ROOT, set(UNTESTED)) == []


def test_every_folder_of_a_package_is_a_package() -> None:
    assert folders_without_init(ROOT) == []


@pytest.mark.parametrize("module", UNTESTED)
def test_exception_is_still_needed(module: str) -> None:
    assert module in untested_modules(ROOT, set())


@pytest.mark.parametrize("module", ["bridge/app.py", "bridge/relay/server.py"])
def test_module_without_its_test_is_found(module: str, tmp_path: Path) -> None:
    path = tmp_path / module
    path.parent.mkdir(parents=True)
    path.touch()
    assert untested_modules(tmp_path, set()) == [module]
    assert folders_without_init(tmp_path) == [path.parent.relative_to(tmp_path).as_posix()]
    (path.parent / "__init__.py").touch()
    test = tmp_path / "tests" / Path(module).with_name(f"test_{path.name}")
    test.parent.mkdir(parents=True)
    test.touch()
    assert untested_modules(tmp_path, set()) == []
    assert folders_without_init(tmp_path) == []
