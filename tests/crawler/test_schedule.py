"""The schedule: one run at a time, a lock that no crash leaves behind, and the units for other schedulers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from crawler.lock import RunLock
from crawler.schedule import parse_interval, run_schedule, unit
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
    assert run_schedule([sys.executable, "-c", script, str(log)], timedelta(seconds=1), lock=tmp_path / "x.lock") == 0
    assert log.read_text() == "done\ndone\n"
    assert signal.getsignal(signal.SIGTERM) == before
    assert threading.current_thread() is threading.main_thread()


def test_a_run_that_fails_is_said_and_ends_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = run_schedule(
        [sys.executable, "-c", "raise SystemExit(3)"], timedelta(hours=1), lock=tmp_path / "x.lock", once=True
    )
    assert code == 0
    assert "exit code 3" in capfd.readouterr().err


def test_two_schedules_of_one_database_are_one_too_many(tmp_path: Path) -> None:
    with RunLock(tmp_path / "x.lock", "a schedule"), pytest.raises(InputError, match="a schedule is at work"):
        run_schedule([sys.executable, "-c", ""], timedelta(hours=1), lock=tmp_path / "x.lock", once=True)


ARGUMENTS = ["run", "--db", "/data/my debate.db"]


def test_systemd_gets_a_service_and_a_timer() -> None:
    text = unit("systemd", ARGUMENTS, timedelta(hours=6), Path("/data"))
    assert f'ExecStart={sys.executable} -m debatewatch run --db "/data/my debate.db"' in text
    assert "OnUnitActiveSec=21600s" in text
    assert "WorkingDirectory=/data" in text


@pytest.mark.parametrize(
    ("every", "line"),
    [
        ("15m", "*/15 * * * *"),
        ("6h", "17 */6 * * *"),
        ("1d", "17 5 * * *"),
        ("24h", "17 5 * * *"),
        ("7d", "17 5 * * 1"),
    ],
)
def test_cron_gets_a_line(every: str, line: str) -> None:
    text = unit("cron", ARGUMENTS, parse_interval(every), Path("/data/it's"))
    assert text.startswith(f"{line} cd '/data/it'\"'\"'s' && ")
    assert "'/data/my debate.db'" in text
    assert "\n" not in text


@pytest.mark.parametrize("every", ["7m", "5h", "90s", "3d"])
def test_what_cron_cannot_say_is_refused_with_what_it_can(every: str) -> None:
    with pytest.raises(InputError, match="cron cannot say that"):
        unit("cron", ARGUMENTS, parse_interval(every), Path("/data"))


def test_github_actions_gets_a_workflow_without_paths_of_this_machine() -> None:
    import yaml

    text = unit("github-actions", [*ARGUMENTS, "--sources", "/data/s.toml"], timedelta(days=1), Path("/data"))
    workflow = yaml.safe_load(text)
    assert workflow[True]["schedule"] == [{"cron": "17 5 * * *"}]
    assert "/data" not in text
    assert "debatewatch run --db debatewatch.db --sources sources.toml" in text


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(InputError, match="known are systemd, cron and github-actions"):
        unit("launchd", ARGUMENTS, timedelta(hours=1), Path("/data"))
