"""When the next run starts: one at a time, until stopped; and the units for the schedulers that a machine already has.

Each run is a process of its own (the command given), so that nothing of it is left when it ends.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from crawler.lock import RunLock
from db.models import InputError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHORTEST = timedelta(seconds=1)


def parse_interval(text: str) -> timedelta:
    """ "30m", "6h", "1d", "1w" or "90s" as a time. Raises InputError for anything else."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*([smhdw])\s*", text)
    interval = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if interval < _SHORTEST:
        raise InputError(f"{text!r} is not a time; write it as 30m, 6h, 1d or 1w")
    return interval


def run_schedule(command: Sequence[str], every: timedelta, *, lock: Path, once: bool = False) -> int:
    """Runs `command` now and then every so often (from start to start), never two at once, until SIGTERM or SIGINT.

    A run that takes longer than `every` delays the next one instead of overlapping it. A run that fails is reported on stderr
    and the next one comes. A signal is passed on to the run under way, which ends its batch; then this returns 0. `once` runs
    one cycle only. While another process holds `lock`, raises InputError.
    """
    from apscheduler.executors.debug import DebugExecutor
    from apscheduler.schedulers.blocking import BlockingScheduler
    from apscheduler.triggers.interval import IntervalTrigger

    with RunLock(lock, "a schedule"):
        cycle = _Cycle(command)
        # The debug executor runs jobs in this thread, one after the other, where signals arrive.
        scheduler = BlockingScheduler(executors={"default": DebugExecutor()}, timezone="UTC")
        before = {number: signal.signal(number, cycle.stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            cycle.run()
            if not once and not cycle.stopped():
                cycle.scheduler = scheduler
                scheduler.add_job(
                    cycle.run,
                    IntervalTrigger(seconds=int(every.total_seconds())),
                    coalesce=True,
                    misfire_grace_time=None,
                )
                scheduler.start()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return 0


class _Cycle:
    """One run after the other, and how they end."""

    def __init__(self, command: Sequence[str]) -> None:
        self._stopping = False
        self.scheduler: Any = None
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Runs the command and waits for it."""
        if self.stopped():
            return
        # A group of its own: Ctrl-C on the terminal reaches the run once, through `stop`.
        self._process = subprocess.Popen(self._command, start_new_session=True)  # noqa: S603 (our own command line)
        if self.stopped():  # A signal that came while it started.
            self._process.terminate()
        code = self._process.wait()
        self._process = None
        if code and not self.stopped():
            print(f"debatewatch: this run ended with exit code {code}; the next one starts as planned", file=sys.stderr)

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
        if self.scheduler is not None:
            # In a thread: a handler must not wait for locks that the interrupted code may hold.
            threading.Thread(target=_shut_down, args=(self.scheduler,), daemon=True).start()


def _shut_down(scheduler: Any) -> None:
    from apscheduler.schedulers import SchedulerNotRunningError

    with suppress(SchedulerNotRunningError):
        scheduler.shutdown(wait=False)


def unit(kind: str, arguments: Sequence[str], every: timedelta, folder: Path) -> str:
    """The unit that lets systemd, cron or GitHub Actions run `debatewatch ARGUMENTS` every so often in `folder`.

    Raises InputError for a kind it does not know, or a time that cron cannot express.
    """
    if kind == "systemd":
        return _systemd(arguments, every, folder)
    if kind == "cron":
        command = shlex.join([sys.executable, "-m", "debatewatch", *arguments]).replace("%", r"\%")
        return f"{_cron_time(every)} cd {shlex.quote(str(folder))} && {command}"
    if kind == "github-actions":
        return _github_actions(arguments, every)
    raise InputError(f"no unit of the kind {kind!r}; known are systemd, cron and github-actions")


def _systemd(arguments: Sequence[str], every: timedelta, folder: Path) -> str:
    # In a unit file "%" starts a specifier and "$" a variable (systemd.service(5)).
    words = " ".join(_systemd_word(word) for word in [sys.executable, "-m", "debatewatch", *arguments])
    return f"""\
# ~/.config/systemd/user/debatewatch.service
[Unit]
Description=Debatewatch: collect and analyse
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
WorkingDirectory={str(folder).replace("%", "%%")}
ExecStart={words}
# A stop lets the pages in hand be finished.
TimeoutStopSec=120
Nice=10

# ~/.config/systemd/user/debatewatch.timer, then: systemctl --user enable --now debatewatch.timer
[Unit]
Description=Debatewatch every {_seconds(every)} s

[Timer]
OnBootSec=5min
OnUnitActiveSec={_seconds(every)}s
Persistent=true

[Install]
WantedBy=timers.target"""


def _systemd_word(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[\s\"'\\;]", word) else escaped


def _cron_time(every: timedelta) -> str:
    minutes = _seconds(every) // 60
    if _seconds(every) % 60 == 0:
        if minutes < 60 and 60 % minutes == 0:
            return f"*/{minutes} * * * *"
        if minutes % 60 == 0 and minutes < 1440 and 24 % (minutes // 60) == 0:
            return f"17 */{minutes // 60} * * *"  # Not on the hour, when everybody else's jobs start.
        if minutes == 1440:
            return "17 5 * * *"
        if minutes == 7 * 1440:
            return "17 5 * * 1"
    raise InputError("cron cannot say that; use 5m, 10m, 15m, 30m, 1h, 2h, 3h, 4h, 6h, 8h, 12h, 1d or 1w, or systemd")


def _github_actions(arguments: Sequence[str], every: timedelta) -> str:
    # The database travels between runs in the cache; paths of this machine mean nothing there.
    words = [word for word in arguments if not word.startswith("/")]
    names = {"--db": "debatewatch.db", "--sources": "sources.toml", "--debate": "debate.toml"}
    command = shlex.join([part for word in words for part in ([word, names[word]] if word in names else [word])])
    return f"""\
# .github/workflows/debatewatch.yml
name: debatewatch
on:
  schedule:
    - cron: "{_cron_time(every)}"
  workflow_dispatch:
concurrency:
  group: debatewatch
jobs:
  run:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - uses: actions/cache@v4
        with:
          path: |
            debatewatch.db
            archive
          key: debatewatch-${{{{ github.run_id }}}}
          restore-keys: debatewatch-
      - run: make install
      - run: .venv/bin/debatewatch {command}
      - uses: actions/upload-artifact@v4
        with:
          name: debatewatch
          path: debatewatch.db"""


def _seconds(every: timedelta) -> int:
    return int(every.total_seconds())
