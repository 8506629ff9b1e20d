"""When the next run starts: one at a time, until stopped. Each run is a process of its own (the command given), so that nothing of
it is left when it ends. Printing units for the schedulers that a machine already has is crawler.units.
"""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time as clock
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from crawler.lock import RunLock
from db.log import event
from db.models import InputError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHORTEST = timedelta(seconds=1)
JUMP = 60.0
"""Seconds. By less the clock is corrected in passing (NTP slews); by more it jumped, or the machine slept."""
_LOOK_EVERY = 30.0
_MOST_MISSED = 10_000
"""Missed runs are counted up to here; a clock that jumped by decades would give millions."""


@dataclass(frozen=True, slots=True)
class Times:
    """When runs start: so often (from start to start), at these times of each day (of the machine's time zone), or both."""

    every: timedelta | None = None
    at: tuple[time, ...] = ()


def parse_interval(text: str) -> timedelta:
    """ "30m", "6h", "1d", "1w" or "90s" as a time. Raises InputError for anything else."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*([smhdw])\s*", text)
    interval = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if interval < _SHORTEST:
        raise InputError(f"{text!r} is not a time; write it as 30m, 6h, 1d or 1w")
    return interval


def parse_time(text: str) -> time:
    """ "06:30" as a time of day. Raises InputError for anything else."""
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip())
    if match is None:
        raise InputError(f"{text!r} is not a time of day; write it as 06:30")
    return time(int(match[1]), int(match[2]))


def run_schedule(
    command: Sequence[str], times: Times, *, lock: Path, last: datetime | None = None, once: bool = False
) -> int:
    """Runs `command` at the times named, never two at once, until SIGTERM or SIGINT.

    The first run starts now, unless only times of day are named and none of them was missed since `last`, when the last run
    began. A run that takes longer than the time to the next delays it instead of overlapping it; runs that were missed (a long
    run, a machine that slept or was off) are told on stderr and made up for by one. A run that fails is told and the next one
    comes. A clock that is set back is noticed, and the next run planned anew. A signal is passed on to the run under way, which
    ends its batch; then this returns 0. `once` runs one cycle only. While another process holds `lock`, raises InputError.
    """
    with RunLock(lock, "a schedule"):
        cycle = _Cycle(command, times)
        before = {number: signal.signal(number, cycle.stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            cycle.start(last, once=once)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return 0


def trigger(times: Times) -> Any:
    """The APScheduler trigger of these times, counted from now."""
    from apscheduler.triggers.combining import OrTrigger
    from apscheduler.triggers.cron import CronTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    triggers: list[Any] = [CronTrigger(hour=at.hour, minute=at.minute) for at in times.at]
    if times.every is not None:
        triggers.append(IntervalTrigger(seconds=int(times.every.total_seconds())))
    return OrTrigger(triggers)


def due(planned: Any, after: datetime, until: datetime) -> list[datetime]:
    """The times of a trigger after one moment and up to another, at most _MOST_MISSED."""
    found: list[datetime] = []
    following = planned.get_next_fire_time(after, after)
    while following is not None and following <= until and len(found) < _MOST_MISSED:
        found.append(following)
        following = planned.get_next_fire_time(following, following)
    return found


class _Cycle:
    """One run after the other, and how they end."""

    def __init__(self, command: Sequence[str], times: Times) -> None:
        from apscheduler.executors.debug import DebugExecutor
        from apscheduler.schedulers.blocking import BlockingScheduler

        # The debug executor runs jobs in this thread, one after the other, where signals arrive.
        self._scheduler = BlockingScheduler(executors={"default": DebugExecutor()})
        self._command, self._times = list(command), times
        self._trigger = trigger(times)
        self._planned = self._now()
        """The newest planned time that was run for, or from which on there is something to run for."""
        self._stopping = False
        self._running = False
        self._process: subprocess.Popen[bytes] | None = None

    def _now(self) -> datetime:
        return datetime.now(self._scheduler.timezone)

    def start(self, last: datetime | None, *, once: bool) -> None:
        """Runs until stopped."""
        missed = due(self._trigger, last.astimezone(self._scheduler.timezone), self._now()) if last else []
        if len(missed) > 1:
            _say(f"{_planned(len(missed))} missed since the last one began ({last:%Y-%m-%d %H:%M} UTC); one starts now")
        if self._times.every is not None or missed or once:
            self._run()
        if once or self.stopped():
            return
        self._scheduler.add_job(self.run, self._trigger, id="run", coalesce=True, misfire_grace_time=None)
        self._running = True
        if self.stopped():  # A signal that came in between.
            return
        watch = ClockWatch(self._clock_jumped)
        threading.Thread(target=watch.run, daemon=True).start()
        try:
            self._scheduler.start()
        finally:
            watch.stop()

    def run(self) -> None:
        """What APScheduler calls when a run is due."""
        times = due(self._trigger, self._planned, self._now())
        if len(times) > 1:
            _say(
                f"{_planned(len(times) - 1)} missed (the machine slept, or a run took longer than the time to the next); "
                "one starts now"
            )
        self._planned = times[-1] if times else self._now()
        self._run()

    def _run(self) -> None:
        """Runs the command and waits for it."""
        if self.stopped():
            return
        # A group of its own: Ctrl-C on the terminal reaches the run once, through `stop`.
        self._process = subprocess.Popen(self._command, start_new_session=True)  # noqa: S603 (our own command line)
        if self.stopped():  # A signal that came while it started.
            self._process.terminate()
        event("cycle started", process=self._process.pid)
        code = self._process.wait()
        event("cycle finished", exit_code=code)
        self._process = None
        if code and not self.stopped():
            _say(f"this run ended with exit code {code}; the next one starts as planned")

    def _clock_jumped(self, seconds: float) -> None:
        """Called in another thread. A clock set forward, or a machine that slept: what is due now runs now. One set back: the
        next run would wait until the clock is there again, so the plan is made anew."""
        if seconds > 0:
            self._scheduler.wakeup()
            return
        _say(f"the clock was set back by {-seconds:.0f} s; the next run is planned anew from now")
        self._trigger, self._planned = trigger(self._times), self._now()
        self._scheduler.reschedule_job("run", trigger=self._trigger)

    def stopped(self) -> bool:
        """Whether a signal came."""
        return self._stopping

    def stop(self, number: int, frame: FrameType | None) -> None:
        """The handler of SIGTERM and SIGINT."""
        self._stopping = True
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError):
                process.terminate()
        if self._running:
            # In a thread: a handler must not wait for locks that the interrupted code may hold.
            threading.Thread(target=_shut_down, args=(self._scheduler,), daemon=True).start()


class ClockWatch:
    """Compares the clock of the wall with one that only ever runs, and calls `jumped` with the seconds between them."""

    def __init__(
        self,
        jumped: Callable[[float], None],
        wall: Callable[[], float] = clock.time,
        steady: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._jumped, self._wall, self._steady = jumped, wall, steady
        self._apart = wall() - steady()
        self._end = threading.Event()

    def look(self) -> None:
        """Compares once."""
        apart = self._wall() - self._steady()
        jump, self._apart = apart - self._apart, apart
        if abs(jump) >= JUMP:
            self._jumped(jump)

    def run(self) -> None:
        """Compares again and again, until stopped."""
        while not self._end.wait(_LOOK_EVERY):
            self.look()

    def stop(self) -> None:
        """Ends `run`."""
        self._end.set()


def _planned(number: int) -> str:
    return f"{number} planned run{' was' if number == 1 else 's were'}"


def _say(text: str) -> None:
    event("schedule", text, level="warning")


def _shut_down(scheduler: Any) -> None:
    from apscheduler.schedulers import SchedulerNotRunningError

    with suppress(SchedulerNotRunningError):
        scheduler.shutdown(wait=False)
