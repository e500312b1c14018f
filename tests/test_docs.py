"""The documentation says what is true: examples are valid, and nothing that exists is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from operator import attrgetter
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from bridge.settings.reading import parse_settings
from bridge.settings.tree import Settings
from client.entropy import SystemEntropy
from client.signer import LocalSigner
from nips.nip19 import Profile, encode_nprofile, encode_nsec
from protocol.catalogue import load_catalogue
from protocol.validation import validate_envelope, validate_params, validate_response, validate_result
from tests.bridge.cli.commands import switchboard
from tests.support.bridges import TURN_URL, a_bridge, a_home, bridge_settings
from tests.support.deadline import within
from tests.support.wraps import AUTHOR as ASKER

ROOT = Path(__file__).parent.parent
DOCS = {path.name: path.read_text(encoding="utf-8") for path in [*ROOT.glob("docs/*.md"), ROOT / "README.md"]}
CATALOGUE = load_catalogue()

CODE_BLOCK = re.compile(r"^```json\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILES = (".py", ".toml", ".key", ".secret")
"""What files end with whose names look like those of settings."""

LINK = re.compile(r"\]\(([^)#:]+)\)")


def examples(page: str) -> list[dict[str, Any]]:
    return [json.loads(block) for block in CODE_BLOCK.findall(DOCS[page])]


@pytest.mark.parametrize("page", ["README.md", "protocol.md", "client.md"])
def test_every_example_is_a_valid_message(page: str) -> None:
    asked: dict[str, str] = {}
    for message in examples(page):
        if "method" in message:
            validate_envelope(message)
            validate_params(message["method"], message["params"])
            asked[message["id"]] = message["method"]
        else:
            validate_response(message)
            if "result" in message:
                validate_result(asked[message["id"]], message["result"])
    assert asked


def test_each_method_has_a_real_exchange() -> None:
    assert {message["method"] for message in examples("protocol.md") if "method" in message} == set(CATALOGUE.methods)


def test_each_code_is_in_the_table_with_its_status() -> None:
    for code, refusal in CATALOGUE.refusals.items():
        retry = "yes" if refusal.retry else "no"
        assert f"| `{code}` | {refusal.status} | {retry} |" in DOCS["protocol.md"]


def test_texts_of_errors_are_those_of_the_catalogue() -> None:
    errors = [message["error"] for message in examples("protocol.md") if "error" in message]
    assert errors
    for error in errors:
        assert error["message"] == CATALOGUE.refusal(error["code"]).message


def test_each_command_is_explained_to_operators() -> None:
    commands = re.findall(r"^│ ([a-z]+) ", switchboard("--help").stdout, re.MULTILINE)
    assert {"init", "run", "demo", "inspect"} <= set(commands)
    for command in commands:
        assert f"`switchboard {command}`" in DOCS["operator.md"]


def test_settings_shown_to_operators_are_settings() -> None:
    # systemd's tables begin with capitals, ours with small letters.
    blocks = re.findall(r"^    \[[a-z.]+\]\n(?:    .*\n|\n(?=    ))*", DOCS["operator.md"], re.MULTILINE)
    tables = [line for block in blocks for line in block.splitlines() if line.startswith("    [")]
    assert {"    [bridge]", "    [upstream]"} <= set(tables)
    for block in blocks:
        parse_settings(dedent(block))
    for table in re.findall(r"`\[([a-z.]+)\]", DOCS["operator.md"]):
        parse_settings(f"[{table}]\n")


@pytest.mark.parametrize("page", [*sorted(DOCS), "CHANGELOG.md"])
def test_settings_named_in_a_text_are_settings(page: str) -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8") if page == "CHANGELOG.md" else DOCS[page]
    tables = "|".join(field.name for field in fields(Settings))
    # Rows of the tables of limits name keys of the table that is their heading.
    for name in re.findall(rf"(?<!\n\| )`((?:{tables})\.[a-z_.]+)`", text):
        if name not in CATALOGUE.methods and not name.endswith(FILES):
            attrgetter(name)(Settings())


@pytest.mark.parametrize("page", sorted(DOCS))
def test_files_of_the_project_named_in_a_text_are_there(page: str) -> None:
    packages = "|".join(path.parent.name for path in ROOT.glob("*/__init__.py"))
    for name in re.findall(rf"`((?:{packages})/[\w./]*)`", DOCS[page]):
        assert (ROOT / name).exists(), name


UNITS = {"_per_second": " per second", "_seconds": " seconds", "_bytes": " bytes"}


def figures_of(settings: Any, prefix: str = "") -> Iterator[tuple[str, int | float]]:
    for field in fields(settings):
        name, value = prefix + field.name, getattr(settings, field.name)
        if is_dataclass(value):
            yield from figures_of(value, f"{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool) and name != "port":
            yield name, value


@pytest.mark.parametrize("table", ["relay", "wraps", "storage", "inbox", "replies", "accounts", "permits", "upstream"])
def test_each_figure_is_in_the_table_of_limits_with_its_default(table: str) -> None:
    (section,) = re.findall(rf"^### `\[{table}\]`\n(.*?)(?=^#|\Z)", DOCS["operator.md"], re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| `([\w.]+)` \| ([^|]+) \| [^|]+ \|[^|]+\|$", section, re.MULTILINE)
    assert rows == [
        (key, f"{value}{next((unit for ending, unit in UNITS.items() if key.endswith(ending)), '')}")
        for key, value in figures_of(getattr(Settings(), table))
    ]


@pytest.mark.parametrize("page", sorted(DOCS))
def test_links_lead_to_files(page: str) -> None:
    folder = ROOT if page == "README.md" else ROOT / "docs"
    for target in LINK.findall(DOCS[page]):
        assert (folder / target).exists(), target


def python_of(page: str) -> dict[str, Any]:
    """Return what the code of a guide defines."""
    names: dict[str, Any] = {}
    for code in re.findall(r"^```python\n(.*?)^```", DOCS[page], re.DOTALL | re.MULTILINE):
        exec(compile(code, page, "exec"), names)
    return names


@pytest.mark.parametrize(("page", "name"), [("README.md", "first_exchange"), ("client.md", "credentials")])
async def test_python_of_the_guides_gets_credentials_and_ends(page: str, name: str, tmp_path: Path) -> None:
    names = python_of(page)
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    async with within(20), a_bridge(home, settings) as bridge:
        nprofile = encode_nprofile(Profile(bridge.public_key, (bridge.url,)))
        if name == "first_exchange":
            await names[name](nprofile)
        else:
            credentials = await names[name](encode_nsec(ASKER), nprofile)
            assert credentials.urls == (TURN_URL,)


async def test_python_of_the_guide_registers_a_device_that_gets_credentials(tmp_path: Path) -> None:
    names = python_of("client.md")
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    async with within(20), a_bridge(home, settings) as bridge:
        nprofile = encode_nprofile(Profile(bridge.public_key, (bridge.url,)))
        device = await names["registered_device"](LocalSigner(ASKER, SystemEntropy()), nprofile, "phone")
        assert (await names["credentials"](encode_nsec(device), nprofile)).urls == (TURN_URL,)
