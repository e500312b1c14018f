"""Everything that can go wrong in the storage.

    StorageError
    ├── StorageFailed          the database refused to read or write; the caller's work did not happen
    │   ├── StorageFull        there is no room in the file for this
    │   ├── DamagedValue       an encrypted value is not the one that was written in its place
    │   └── StorageMissing     there is no database where there should be one
    ├── StorageBusy            more writes wait than the settings allow
    ├── ReadTooLarge           a read for a client of the relay took more than the settings allow
    ├── StorageInUse           another switchboard process has the file open
    ├── StorageTooNew          a newer switchboard wrote the file
    ├── StorageKeyMissing      no key file, or no key of the id that a value names
    ├── StorageKeyRefused      a key file that others can read, or that is not one
    ├── StorageKeyExists       a key file is already there
    ├── FileRefused            a file with a secret that others can read, or that is no file
    ├── WrongStorageKey        the file was encrypted under other keys
    └── SecretExists           a named secret is already set

Texts name files, versions and fixes for the operator's log. They never hold a key or anything that was stored.
"""

from __future__ import annotations


class StorageError(Exception):
    """The storage cannot do what it was asked."""


class StorageFailed(StorageError):
    """The database refused to read or write."""


class StorageFull(StorageFailed):
    """There is no room for this in the database."""


class DamagedValue(StorageFailed):
    """An encrypted value was altered, or moved from another place."""


class StorageMissing(StorageFailed):
    """There is no database where there should be one."""


class StorageBusy(StorageError):
    """More writes are waiting than the settings allow."""


class ReadTooLarge(StorageError):
    """What a client of the relay asked for takes too long to find."""


class StorageInUse(StorageError):
    """Another process has the database open."""


class StorageTooNew(StorageError):
    """A newer version wrote the database."""


class StorageKeyMissing(StorageError):
    """A key is not where it was looked for."""


class StorageKeyRefused(StorageError):
    """A key file is readable by others or has the wrong form."""


class StorageKeyExists(StorageError):
    """A key file is already there; it is never written over."""


class FileRefused(StorageError):
    """A file with a secret is readable by others, or cannot be read."""


class WrongStorageKey(StorageError):
    """The keys at hand did not encrypt this database."""


class SecretExists(StorageError):
    """A named secret is already set; it keeps its value."""
