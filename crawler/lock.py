"""One run at a time, held by the operating system: a lock goes with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from db.models import InputError


class RunLock:
    """A lock on a file next to the database (flock(2)); a context manager. The file stays, the lock does not."""

    def __init__(self, path: Path, what: str) -> None:
        """`what` names in the error what is running already ("a crawl")."""
        self._path, self._what = path, what
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Takes the lock; False when another process has it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Gives the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        if not self.acquire():
            raise InputError(f"{self._path}: {self._what} is at work on this database already; wait for it, or stop it")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()
