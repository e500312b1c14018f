"""Becomes another program that the kernel ends together with us, however we end.

Run as a file by a bare interpreter, so that it imports nothing of ours: `leash.py PARENT PROGRAM ARGUMENTS…`. The
signal at the parent's death (prctl(2), PR_SET_PDEATHSIG) comes when the *thread* that started us ends; asyncio starts
its children in the thread of the loop. It outlasts `execve`, unless the program gains privileges by that; so it may
gain none.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38

NO_PARENT = 71
"""Exit status when the parent was gone before the leash held."""


def main(arguments: list[str]) -> None:
    """Take the leash and become the program."""
    parent, program = int(arguments[0]), arguments[1]
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_NO_NEW_PRIVS, 1), (PR_SET_PDEATHSIG, signal.SIGKILL)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        sys.exit(NO_PARENT)
    # What it has in memory is secret.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.execv(program, arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
