"""What `schedule --print` writes is what the schedulers read: parsed by themselves where they are here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from apscheduler.triggers.cron import CronTrigger

from crawler.schedule import Times, parse_interval
from crawler.units import KINDS, unit
from db.models import InputError

ARGUMENTS = ["run", "--db", "/data/my 100% debate.db"]
TIMES = Times(timedelta(hours=6), (time(6, 30), time(18, 5)))


def _run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


@pytest.fixture
def systemd_units(tmp_path: Path) -> Path:
    """The folder of the units that the printed script writes; a systemctl that does nothing stands in for the real one."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "systemctl").write_text('#!/bin/sh\necho "$@" >> "$HOME/called"\n')
    (tools / "systemctl").chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": f"{tools}:{os.environ['PATH']}"}
    done = _run("sh", "-c", unit("systemd", ARGUMENTS, TIMES, tmp_path), env=environment)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "called").read_text() == "--user daemon-reload\n--user enable --now debatewatch.timer\n"
    return tmp_path / ".config" / "systemd" / "user"


def test_the_systemd_script_makes_a_service_and_a_timer(systemd_units: Path, tmp_path: Path) -> None:
    service = (systemd_units / "debatewatch.service").read_text()
    assert f'ExecStart={sys.executable} -m debatewatch run --db "/data/my 100%% debate.db"' in service
    assert f"WorkingDirectory={tmp_path}" in service
    timer = (systemd_units / "debatewatch.timer").read_text()
    assert re.findall(r"OnCalendar=(.*)", timer) == ["*-*-* 06:30:00", "*-*-* 18:05:00"]
    assert "OnUnitActiveSec=21600s" in timer


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_reads_its_units(systemd_units: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}  # Which systemd wants also where nobody logged in.
    for name in ("debatewatch.service", "debatewatch.timer"):
        done = _run("systemd-analyze", "verify", "--user", "--man=no", str(systemd_units / name), env=environment)
        complaints = [line for line in done.stderr.splitlines() if "debatewatch" in line]
        if done.returncode and not complaints:
            pytest.skip(f"systemd-analyze cannot work here: {done.stderr.strip()[:100]}")
        assert complaints == []
    done = _run("systemd-analyze", "calendar", "*-*-* 06:30:00")
    assert done.returncode == 0


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
    text = unit("cron", ARGUMENTS, Times(parse_interval(every)), Path("/data/it's"))
    comment, entry = text.splitlines()
    assert comment.startswith("#")
    assert entry.startswith(f"{line} cd '/data/it'\"'\"'s' && ")
    assert r"'/data/my 100\% debate.db'" in entry


def test_cron_gets_a_line_for_each_time_of_day_and_can_read_them(tmp_path: Path) -> None:
    text = unit("cron", ARGUMENTS, TIMES, Path("/data"))
    fields = [line.split(" cd ")[0] for line in text.splitlines()[1:]]
    assert fields == ["17 */6 * * *", "30 6 * * *", "5 18 * * *"]
    for field in fields:
        CronTrigger.from_crontab(field)
    if shutil.which("crontab"):
        (tmp_path / "crontab").write_text(f"{text}\n")
        done = _run("crontab", "-T", str(tmp_path / "crontab"))
        assert done.returncode == 0 or "invalid option" in done.stderr, done.stderr


@pytest.mark.parametrize("every", ["7m", "5h", "90s", "3d"])
def test_what_cron_cannot_say_is_refused_with_what_it_can(every: str) -> None:
    with pytest.raises(InputError, match="cron cannot say that"):
        unit("cron", ARGUMENTS, Times(parse_interval(every)), Path("/data"))


def test_github_actions_gets_a_workflow_without_paths_of_this_machine() -> None:
    text = unit("github-actions", [*ARGUMENTS, "--sources", "/data/s.toml"], TIMES, Path("/data"))
    workflow = yaml.safe_load(text)
    assert [entry["cron"] for entry in workflow[True]["schedule"]] == ["17 */6 * * *", "30 6 * * *", "5 18 * * *"]
    assert "/data" not in text
    steps = workflow["jobs"]["run"]["steps"]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    assert ".venv/bin/debatewatch run --db debatewatch.db --sources sources.toml" in [step.get("run") for step in steps]
    keys = {step["with"]["key"] for step in steps if "cache" in step.get("uses", "")}
    assert keys == {"debatewatch-${{ github.run_id }}"}
    # What a killed run committed may lie in the log of the database alone.
    paths = [step["with"]["path"].split() for step in steps if "cache" in step.get("uses", "")]
    assert paths == [["debatewatch.db", "debatewatch.db-wal", "archive"]] * 2


def test_docker_compose_gets_services_over_one_volume() -> None:
    text = unit("docker-compose", [*ARGUMENTS, "--sources", "/data/s.toml"], TIMES, Path("/data"))
    services = yaml.safe_load(text)["services"]
    assert services["debatewatch"]["command"] == [
        *("schedule", "--db", "debatewatch.db", "--sources", "sources.toml"),
        *("--every", "21600s", "--at", "06:30", "--at", "18:05"),
    ]
    assert "./sources.toml:/data/sources.toml:ro" in services["debatewatch"]["volumes"]
    assert services["site"]["ports"] == ["127.0.0.1:8001:8001"]


def test_docker_reads_its_services(tmp_path: Path) -> None:
    if shutil.which("docker") is None or _run("docker", "compose", "version").returncode:
        pytest.skip("docker compose is not here")
    (tmp_path / "compose.yaml").write_text(unit("docker-compose", ["run"], TIMES, Path("/data")))
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    done = _run("docker", "compose", "config", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(InputError, match=f"known are {', '.join(KINDS)}"):
        unit("launchd", ARGUMENTS, TIMES, Path("/data"))
