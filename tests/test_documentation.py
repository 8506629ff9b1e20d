"""What exists is described where a user looks: every command, export, table, view and column; and nothing is described that does
not exist."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import yaml

import debatewatch
from db.exports import EXPORTS
from db.store import Store
from nlp.run import STEPS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
METADATA = yaml.safe_load((ROOT / "metadata.yml").read_text(encoding="utf-8"))
TABLES = METADATA["databases"]["debatewatch"]["tables"]


def _commands(group: click.Group, before: str = "") -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += _commands(command, f"{before}{name} ")
        else:
            found.append((f"{before}{name}", command))
    return found


COMMANDS = _commands(debatewatch.cli)


@pytest.mark.parametrize("name", [name for name, _ in COMMANDS])
def test_every_command_is_described_in_the_readme(name: str) -> None:
    assert re.search(rf"`(debatewatch )?{re.escape(name)}\b", README), f"README.md says nothing of `{name}`"


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_command_has_an_example_and_every_option_a_help_text(name: str, command: click.Command) -> None:
    assert f"Example: debatewatch {name}" in (command.help or "") or "| debatewatch" in (command.help or "")
    silent = [
        option.name
        for option in command.params
        if isinstance(option, click.Option) and not option.help and option.name not in ("by", "host")
    ]
    assert silent == []


@pytest.mark.parametrize("name", list(EXPORTS))
def test_every_export_is_described_in_the_readme(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", STEPS)
def test_every_step_is_described_in_the_readme(name: str) -> None:
    assert f"`{name}`" in README


def test_every_table_view_and_column_is_described_in_the_metadata(tmp_path: Path) -> None:
    """Shadow tables of the full-text search and the migrations' own table are the libraries', not ours."""
    with Store.open(tmp_path / "empty.db") as store:
        missing = []
        names = [*store.db.table_names(), *store.db.view_names()]
        ours = [name for name in names if "_fts" not in name and not name.startswith(("_", "sqlite_"))]
        for name in ours:
            described = TABLES.get(name, {})
            if not described.get("description"):
                missing.append(name)
            for column in store.db.execute(f"SELECT name FROM pragma_table_info('{name}')").fetchall():
                if column[0] not in described.get("columns", {}):
                    missing.append(f"{name}.{column[0]}")
        assert missing == []
        assert [name for name in TABLES if name not in names] == []


def test_every_make_target_is_described_in_the_readme() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert [target for target in targets if target != "help" and f"make {target}" not in README] == []
