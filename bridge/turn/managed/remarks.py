"""What coturn says, made fit for our log: no user, no address, no secret, no more of it than somebody reads.

coturn names who asks and from where in nearly every line, and a stranger can make it say as much as he likes.
"""

from __future__ import annotations

import logging
import re
from collections import deque

from client.clock import Clock

log = logging.getLogger(__name__)

MAX_LINE = 300
"""Characters of a line that are looked at."""

LINES_A_MINUTE = 60
"""Lines that reach the log; of the others their number does."""

LAST_LINES = 5
"""Lines that explain why it ended."""

_TIME = re.compile(r"^\s*\d+: :? ?")
_HIDDEN = (
    (re.compile(r"<[^<>]*>?"), "<…>"),  # users, realms and origins stand in these
    (re.compile(r"\[?[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*(%\w+)?(\]:\d+|\])?"), "…"),
    (re.compile(r"(?<![\w.])\d{1,3}(\.\d{1,3}){3}(:\d+)?"), "…"),
    (re.compile(r"\b\d{6,}:[\w+/=.-]+"), "…"),  # <expiry>:<user>
    (re.compile(r"[\w+/-]{20,}=*"), "…"),  # nonces, keys, anything that could be one
)
_BAD = re.compile(r"\b(FATAL|Cannot (bind|find config|create)|CONFIG ERROR|Bad configuration)", re.IGNORECASE)
_CHATTER = re.compile(
    r"^(INFO: )?(=|RFC |Version |Max |Due to |OpenSSL |Default |Domain |Config file found|pid file|IO method|Total |"
    r"Relay address|Listener address|IPv[46]\. .*(opened|connected)|"
    r"(TLS|DTLS|TURN/STUN ALPN|GCM|SQLite|Redis|PostgreSQL|MySQL|MongoDB|Third-party|SCTP)\b.*"
    r"(supported|success|version))",
    re.IGNORECASE,
)
"""What it says of itself at every start, which explains nothing."""


class Remarks:
    """Takes coturn's output as it comes, and logs it line by line."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._part = b""
        self.is_up = False
        """Before that it introduces itself at length, which interests nobody unless it fails."""
        self._minute = -1
        self._said = 0
        self._unsaid = 0
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        """The latest lines, fit to be shown."""

    def feed(self, data: bytes) -> None:
        """Take what has come, in pieces of any size."""
        *lines, part = data.split(b"\n")
        for line in lines:
            self._line(self._part + line)
            self._part = b""
        # Of a line without end only the beginning is kept.
        self._part = (self._part + part)[: 4 * MAX_LINE]

    def _line(self, raw: bytes) -> None:
        text = fit_for_log(raw.decode(errors="replace"))
        if not text:
            return
        is_bad = bool(_BAD.search(text))
        if is_bad or not _CHATTER.match(text):
            self.last.append(text)
        if (self.is_up or is_bad) and self._may_speak():
            log.log(logging.WARNING if is_bad else logging.DEBUG, "coturn says", extra={"facts": {"line": text}})

    def _may_speak(self) -> bool:
        minute = int(self._clock.monotonic() // 60)
        if minute != self._minute:
            if self._unsaid:
                log.debug("coturn said more", extra={"facts": {"lines": self._unsaid}})
            self._minute, self._said, self._unsaid = minute, 0, 0
        self._said += 1
        if self._said > LINES_A_MINUTE:
            self._unsaid += 1
        return self._said <= LINES_A_MINUTE


def fit_for_log(line: str) -> str:
    """Return a line without its time, and without whatever could be a person, a place or a secret."""
    text = _TIME.sub("", line.strip()[:MAX_LINE]).strip()
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    return text if text.isprintable() else ascii(text)
