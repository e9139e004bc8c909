"""Processes that do not outlive the tests that started them, however these end."""

from __future__ import annotations

import signal
import subprocess


class Leash:
    """Kills a process once this one is gone: ``kill -9`` of a test run leaves no server behind.

    A shell waits for the end of a pipe that this process alone holds open. PR_SET_PDEATHSIG would do the same at the
    end of the *thread* that started the process, which is too early.
    """

    def __init__(self, pid: int, number: signal.Signals = signal.SIGTERM) -> None:
        self._shell = subprocess.Popen(
            ["sh", "-c", f"read _; kill -{int(number)} {pid}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def free(self) -> None:
        """Let the process go: it has ended, or is to go on."""
        self._shell.kill()
        self._shell.wait()
        assert self._shell.stdin is not None
        self._shell.stdin.close()
