"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.errors import StartupError
from nips.errors import NipError
from nips.keys import SecretKey
from nips.nip19 import parse_secret_key_text

HomeOption = Annotated[
    Path,
    typer.Option(
        "--home",
        envvar="SWITCHBOARD_HOME",
        help="Folder of the bridge: relay.toml, keys and database.",
        file_okay=False,
        show_default=True,
    ),
]

DEFAULT_HOME = Path("data")


def read_key_file(path: Path) -> SecretKey:
    """Return the secret key in a file that --secret-key-file names; raise `StartupError`, which never quotes it."""
    try:
        return parse_secret_key_text(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise StartupError(f"--secret-key-file: cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, NipError):
        raise StartupError(f"--secret-key-file: {path} holds neither an nsec nor 64 lower-case hex digits") from None
