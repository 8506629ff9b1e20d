"""Reading one page never takes longer than it may."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest

from crawler.time_limit import time_limit
from db.models import ExtractionError


def busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        with suppress(Exception):
            sum(range(1_000))


def test_work_without_end_is_ended_even_where_a_library_suppresses_errors() -> None:
    with pytest.raises(ExtractionError, match=r"more than 0\.2 s"), time_limit(0.2):
        busy(20)


def test_what_stays_within_its_time_is_left_alone_and_so_is_what_follows() -> None:
    with time_limit(0.2):
        busy(0.05)
    busy(0.3)


def test_another_thread_works_without_a_limit() -> None:
    done = []

    def work() -> None:
        with time_limit(0.05):
            busy(0.1)
        done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
