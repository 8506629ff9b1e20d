"""The schedule: one run at a time, a lock that no crash leaves behind, and nothing that was missed goes unsaid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from crawler.lock import RunLock
from crawler.schedule import ClockWatch, Times, due, parse_interval, parse_time, run_schedule, trigger
from db.models import InputError


@pytest.mark.parametrize(("text", "hours"), [("6h", 6), ("30m", 0.5), ("1d", 24), (" 2 w ", 336), ("3600s", 1)])
def test_intervals_are_read(text: str, hours: float) -> None:
    assert parse_interval(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "6", "h", "0h", "-1h", "1y", "1.5h"])
def test_anything_else_is_no_interval(text: str) -> None:
    with pytest.raises(InputError, match="write it as 30m"):
        parse_interval(text)


def test_a_lock_is_held_by_one_and_freed_at_the_end(tmp_path: Path) -> None:
    lock = RunLock(tmp_path / "x.lock", "a test")
    with RunLock(tmp_path / "x.lock", "a test"), pytest.raises(InputError, match="a test is at work"):
        lock.__enter__()
    with RunLock(tmp_path / "x.lock", "a test"):
        pass


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\nfrom crawler.lock import RunLock\n"
        "lock = RunLock(pathlib.Path(sys.argv[1]), 'a test')\nassert lock.acquire()\nprint('held', flush=True)\nsys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "x.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert not RunLock(tmp_path / "x.lock", "a test").acquire()
        holder.kill()
    assert RunLock(tmp_path / "x.lock", "a test").acquire()


def test_cycles_follow_one_another_until_a_signal_ends_them_well(tmp_path: Path) -> None:
    """The second cycle sends the schedule a SIGTERM, and still finishes its own work."""
    script = (
        "import os, pathlib, signal, sys\nlog = pathlib.Path(sys.argv[1])\n"
        "signal.signal(signal.SIGTERM, lambda *a: None)\n"
        "lines = log.read_text().splitlines() if log.exists() else []\n"
        "if lines: os.kill(os.getppid(), signal.SIGTERM); signal.sigtimedwait([], 0.1)\n"
        "log.write_text('\\n'.join([*lines, 'done']) + '\\n')\n"
    )
    before = signal.getsignal(signal.SIGTERM)
    log = tmp_path / "log"
    assert (
        run_schedule([sys.executable, "-c", script, str(log)], Times(timedelta(seconds=1)), lock=tmp_path / "x.lock")
        == 0
    )
    assert log.read_text() == "done\ndone\n"
    assert signal.getsignal(signal.SIGTERM) == before
    assert threading.current_thread() is threading.main_thread()


def test_a_run_that_fails_is_said_and_ends_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = run_schedule(
        [sys.executable, "-c", "raise SystemExit(3)"], Times(timedelta(hours=1)), lock=tmp_path / "x.lock", once=True
    )
    assert code == 0
    assert "exit code 3" in capfd.readouterr().err


def test_two_schedules_of_one_database_are_one_too_many(tmp_path: Path) -> None:
    with RunLock(tmp_path / "x.lock", "a schedule"), pytest.raises(InputError, match="a schedule is at work"):
        run_schedule([sys.executable, "-c", ""], Times(timedelta(hours=1)), lock=tmp_path / "x.lock", once=True)


@pytest.mark.parametrize(("text", "expected"), [("06:30", time(6, 30)), ("6:05", time(6, 5)), ("23:59", time(23, 59))])
def test_times_of_day_are_read(text: str, expected: time) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize("text", ["", "6", "24:00", "06:60", "6.30", "06:30:00"])
def test_anything_else_is_no_time_of_day(text: str) -> None:
    with pytest.raises(InputError, match="write it as 06:30"):
        parse_time(text)


def test_times_of_day_and_an_interval_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    planned = trigger(Times(timedelta(hours=10), (time(6, 30), time(18, 30))))
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    found = due(planned, midnight, midnight + timedelta(days=1))
    # Ten hours are counted from the run before.
    assert [f"{moment:%H:%M}" for moment in found] == ["06:30", "16:30", "18:30"]


def test_runs_that_were_missed_are_told_and_made_up_for_by_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", f"open({str(log)!r}, 'a').write('run ')"]
    last = datetime.now(UTC) - timedelta(hours=50)
    run_schedule(command, Times(timedelta(hours=6)), lock=tmp_path / "x.lock", last=last, once=True)
    assert "8 planned runs were missed since the last one began" in capfd.readouterr().err
    assert log.read_text() == "run "
    run_schedule(command, Times(timedelta(hours=6)), lock=tmp_path / "x.lock", last=datetime.now(UTC), once=True)
    assert capfd.readouterr().err == ""


def test_a_run_that_takes_longer_than_the_time_to_the_next_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The first planned run lasts until three more were due, then ends the schedule at the next."""
    log = tmp_path / "log"
    script = (
        "import os, pathlib, signal, sys, time\nlog = pathlib.Path(sys.argv[1])\n"
        "runs = len(log.read_text()) if log.exists() else 0\n"
        "log.write_text('x' * (runs + 1))\n"
        "if runs == 1: signal.sigtimedwait([], 3.3)\n"
        "if runs == 2: os.kill(os.getppid(), signal.SIGTERM)\n"
    )
    run_schedule([sys.executable, "-c", script, str(log)], Times(timedelta(seconds=1)), lock=tmp_path / "x.lock")
    assert "missed (the machine slept, or a run took longer" in capfd.readouterr().err


def test_a_clock_that_jumps_is_noticed_and_one_that_drifts_is_not() -> None:
    jumps: list[float] = []
    wall, steady = [1000.0], [5.0]
    watch = ClockWatch(jumps.append, lambda: wall[0], lambda: steady[0])
    for seconds, passed in ((30.0, 30.0), (31.0, 30.0), (-3570.0, 30.0), (30.0, 30.0), (7230.0, 30.0)):
        wall[0] += seconds
        steady[0] += passed
        watch.look()
    assert jumps == [-3600.0, 7200.0]


def test_a_clock_that_was_set_back_does_not_keep_the_next_run_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The plan is made while the clock is a year ahead; it is set back, and the schedule still goes on within its second."""
    from crawler import schedule

    monkeypatch.setattr(schedule, "_LOOK_EVERY", 0.05)
    log = tmp_path / "log"
    script = (
        "import os, pathlib, signal, sys\nlog = pathlib.Path(sys.argv[1])\n"
        "if log.exists(): os.kill(os.getppid(), signal.SIGTERM)\n"
        "log.write_text('run')\n"
    )
    true_trigger = schedule.trigger
    year = timedelta(days=365)
    plans: list[object] = []

    def ahead(times: Times) -> object:
        """The first plan is what a clock a year ahead gives."""
        from apscheduler.triggers.date import DateTrigger

        plans.append(times)
        return DateTrigger(datetime.now(UTC) + year) if len(plans) == 1 else true_trigger(times)

    apart = iter([year.total_seconds()])
    monkeypatch.setattr(schedule, "trigger", ahead)
    monkeypatch.setattr(
        schedule, "ClockWatch", lambda jumped: ClockWatch(jumped, lambda: next(apart, 0.0), lambda: 0.0)
    )
    command = [sys.executable, "-c", script, str(log)]
    assert run_schedule(command, Times(timedelta(seconds=1)), lock=tmp_path / "x.lock") == 0
    assert "the clock was set back by 31536000 s" in capfd.readouterr().err
