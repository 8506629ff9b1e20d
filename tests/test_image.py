"""The container image: what its file says holds for the program as it is. Building it needs Docker and a network; this does not."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import debatewatch

ROOT = Path(__file__).parents[1]
STAGES = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").split("\nFROM ")[1:]


def _words(instruction: str) -> list[str]:
    (found,) = re.findall(rf"^{instruction}.*?(\[.*\])$", STAGES[-1], flags=re.MULTILINE)
    words: list[str] = json.loads(found)
    return words


def test_nothing_runs_as_root() -> None:
    (user,) = re.findall(r"^USER (.*)$", STAGES[-1], flags=re.MULTILINE)
    assert f"useradd --uid 10001 --create-home {user}" in STAGES[-1]
    assert STAGES[-1].index("USER ") > STAGES[-1].rindex("RUN ")


def test_its_commands_are_ours() -> None:
    assert _words("ENTRYPOINT") == ["debatewatch"]
    program, health, *options = _words("HEALTHCHECK")
    assert program == "debatewatch"
    for name, given in ((health, options), (_words("CMD")[0], _words("CMD")[1:])):
        with debatewatch.cli.commands[name].make_context(name, list(given)):
            pass


def test_what_the_wheel_is_built_from_gets_into_the_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["only-include"], *wheel["force-include"], "pyproject.toml", "requirements.lock"}
    needed |= {project["project"]["readme"], *project["project"]["license-files"]}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == needed


def test_what_is_taken_out_again_is_in_the_lock_and_imported_nowhere() -> None:
    (names,) = re.findall(r"pip uninstall --yes ([a-z -]+?) +&&", STAGES[0])
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE))
    removed = set(names.split())
    assert removed <= locked
    modules = {name.replace("-", "_") for name in removed}
    for path in (*(ROOT / "crawler").rglob("*.py"), *(ROOT / "nlp").rglob("*.py"), *(ROOT / "db").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                imported = [node.module or ""]
            assert not {name.split(".")[0] for name in imported} & modules, path
