"""The units that let systemd, cron, GitHub Actions or Docker run the tracker on a schedule, ready to use as printed. Pure."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from datetime import time, timedelta
from pathlib import Path

from crawler.schedule import Times
from db.models import InputError

KINDS = ("systemd", "cron", "github-actions", "docker-compose")


def unit(kind: str, arguments: Sequence[str], times: Times, folder: Path) -> str:
    """What the scheduler of this kind needs to run `debatewatch ARGUMENTS` at these times in `folder`.

    Its first lines say, as comments, where it goes. Raises InputError for a kind it does not know, or a time that cron cannot
    express.
    """
    if kind == "systemd":
        return _systemd(arguments, times, folder)
    if kind == "cron":
        command = shlex.join([sys.executable, "-m", "debatewatch", *arguments]).replace("%", r"\%")
        where = shlex.quote(str(folder)).replace("%", r"\%")
        lines = [f"{when} cd {where} && {command}" for when in _cron_times(times)]
        return "\n".join(["# Add these lines with: crontab -e (times are the machine's own)", *lines])
    if kind == "github-actions":
        return _github_actions(arguments, times)
    if kind == "docker-compose":
        return _docker_compose(arguments, times)
    raise InputError(f"no unit of the kind {kind!r}; known are {', '.join(KINDS)}")


def _systemd(arguments: Sequence[str], times: Times, folder: Path) -> str:
    # In a unit file "%" starts a specifier and "$" a variable (systemd.service(5)).
    words = " ".join(_systemd_word(word) for word in [sys.executable, "-m", "debatewatch", *arguments])
    when = [f"OnCalendar=*-*-* {at:%H:%M}:00" for at in times.at]
    if times.every is not None:
        when += ["OnActiveSec=1min", f"OnUnitActiveSec={_seconds(times.every)}s"]
    newline = "\n"
    return f"""\
# A shell script that makes a service and a timer of your user and starts the timer: pipe it into sh.
# They run while you are logged in; for always: loginctl enable-linger
set -e
units="${{XDG_CONFIG_HOME:-$HOME/.config}}/systemd/user"
mkdir -p "$units"
cat > "$units/debatewatch.service" <<'END'
[Unit]
Description=Debatewatch: collect and analyse

[Service]
Type=oneshot
WorkingDirectory={str(folder).replace("%", "%%")}
ExecStart={words}
# A stop lets the pages in hand be finished.
TimeoutStopSec=180
KillMode=mixed
# 130: stopped by a signal, with what was done kept.
SuccessExitStatus=130
Nice=10
NoNewPrivileges=yes
END
cat > "$units/debatewatch.timer" <<'END'
[Unit]
Description=When Debatewatch runs

[Timer]
{newline.join(when)}
# A run at a time of day that was missed is made up for.
Persistent=true

[Install]
WantedBy=timers.target
END
systemctl --user daemon-reload
systemctl --user enable --now debatewatch.timer"""


def _systemd_word(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[\s\"'\\;]", word) else escaped


def _cron_times(times: Times) -> list[str]:
    found = [] if times.every is None else [_cron_interval(times.every)]
    return found + [f"{at.minute} {at.hour} * * *" for at in times.at]


def _cron_interval(every: timedelta) -> str:
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


_NAMES = {"--db": "debatewatch.db", "--sources": "sources.toml", "--debate": "debate.toml"}


def _elsewhere(arguments: Sequence[str]) -> list[str]:
    """The arguments without paths of this machine, which mean nothing on another."""
    words = [word for word in arguments if not word.startswith("/")]
    return [part for word in words for part in ([word, _NAMES[word]] if word in _NAMES else [word])]


def _github_actions(arguments: Sequence[str], times: Times) -> str:
    when = "\n".join(f'    - cron: "{line}"' for line in _cron_times(times))
    return f"""\
# .github/workflows/debatewatch.yml of a repository with this code; times are UTC.
name: debatewatch
on:
  schedule:
{when}
  workflow_dispatch:
permissions:
  contents: read
concurrency:
  group: debatewatch
  cancel-in-progress: false
jobs:
  run:
    runs-on: ubuntu-latest
    timeout-minutes: 340
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      # The database (with what a run that was killed left in its log) and the archive travel from run to run in the cache.
      - uses: actions/cache/restore@v4
        with:
          path: |
            debatewatch.db
            debatewatch.db-wal
            archive
          key: debatewatch-${{{{ github.run_id }}}}
          restore-keys: debatewatch-
      - run: make install
      - run: .venv/bin/debatewatch {shlex.join(_elsewhere(arguments))}
      # Also after a run of which some failed: what was collected stays.
      - uses: actions/cache/save@v4
        if: always()
        with:
          path: |
            debatewatch.db
            debatewatch.db-wal
            archive
          key: debatewatch-${{{{ github.run_id }}}}
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: debatewatch
          path: debatewatch.db"""


def _docker_compose(arguments: Sequence[str], times: Times) -> str:
    import json

    words = [word for word in _elsewhere(arguments) if word != "run"]
    if times.every is not None:
        words += ["--every", f"{_seconds(times.every)}s"]
    words += [part for at in times.at for part in ("--at", _clock(at))]
    files = [_NAMES[word] for word in words if word in ("--sources", "--debate")]
    mounts = "".join(f"\n      - ./{name}:/data/{name}:ro" for name in files)
    return f"""\
# compose.yaml of a folder with this code, then: docker compose up -d --build
# Times of day are UTC; set TZ under environment for others.
services:
  debatewatch:
    build: .
    image: debatewatch
    command: {json.dumps(["schedule", *words])}
    volumes:
      - data:/data{mounts}
    restart: unless-stopped
    stop_grace_period: 3m
  site:
    image: debatewatch
    command: ["serve", "--host", "0.0.0.0", "--port", "8001"]
    ports:
      - "127.0.0.1:8001:8001"
    volumes:
      - data:/data
    restart: unless-stopped
volumes:
  data:"""


def _clock(at: time) -> str:
    return f"{at:%H:%M}"


def _seconds(every: timedelta) -> int:
    return int(every.total_seconds())
