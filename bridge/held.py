"""Live answers that wait in memory for their askers to listen, a bounded number of them.

Memory is only the quick way: every answer is a row in the store as well. One that there is no room for is left out,
and has to be looked up there when its asker comes; so asking much takes nothing from anybody else.
"""

from __future__ import annotations

from storage.interface import OutboxRow


class HeldRows:
    """Rows by recipient: at most `most` of them, and at most `most_each` for one recipient."""

    def __init__(self, *, most: int, most_each: int) -> None:
        self.left_out_until = 0
        """No row was left out, here or by an earlier run, whose time lasts beyond this."""
        self._most = most
        self._most_each = most_each
        self._rows: dict[int, OutboxRow] = {}
        self._by_recipient: dict[str, dict[int, None]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, number: int) -> bool:
        return number in self._rows

    @property
    def recipients(self) -> frozenset[str]:
        """For whom something is held."""
        return frozenset(self._by_recipient)

    def hold(self, row: OutboxRow, now: int) -> None:
        """Hold a row; the recipient's oldest, then the oldest of all, are left out when there is no room."""
        self._rows[row.number] = row
        own = self._by_recipient.setdefault(row.recipient, {})
        own[row.number] = None
        if len(own) > self._most_each:
            self._leave_out(self._rows[next(iter(own))])
        while (oldest := next(iter(self._rows.values()), None)) is not None and (
            oldest.expires_at <= now or len(self._rows) > self._most
        ):
            self._leave_out(oldest)

    def take(self, recipient: str) -> list[OutboxRow]:
        """Take out everything that is held for a recipient."""
        return [self._rows.pop(number) for number in self._by_recipient.pop(recipient, ())]

    def _leave_out(self, row: OutboxRow) -> None:
        self.left_out_until = max(self.left_out_until, row.expires_at)
        del self._rows[row.number]
        own = self._by_recipient[row.recipient]
        del own[row.number]
        if not own:
            del self._by_recipient[row.recipient]
