"""Ends work on one page or listing that takes too long: pages of strangers find the places where a library's time grows with the
square of its input, and one of them must not hold up all other sources for hours.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from db.models import ExtractionError

READING_SECONDS = 60.0
"""Of processor time, so that a busy machine changes nothing. The largest page of the labelled ones takes under two."""


class _OutOfTime(BaseException):
    """Not an Exception: the libraries between here and there catch those."""


@contextmanager
def time_limit(seconds: float = READING_SECONDS) -> Iterator[None]:
    """Raises ExtractionError when what is inside takes more processor time. Outside the main thread, which alone gets signals, it
    does nothing; a single call of a C library is let finish first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    inside = True

    def ring(number: int, frame: FrameType | None) -> None:
        if inside:
            raise _OutOfTime

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1.0)  # Again and again, should a library swallow it.
    try:
        yield
    except _OutOfTime as error:
        raise ExtractionError(f"given up: reading it takes more than {seconds:g} s") from error
    finally:
        inside = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)
