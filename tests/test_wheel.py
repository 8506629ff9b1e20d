"""The wheel holds all that the program needs: installed into an empty environment it runs the demo outside the checkout."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDED = (
    "debatewatch.py",
    "db/metadata.yml",
    "nlp/debate.toml",
    "nlp/lexicon.toml",
    "crawler/sources.toml",
    "crawler/sample_web/sources.toml",
    "crawler/sample_web/outlets.toml",
)
NEEDED_FOLDERS = ("db/site/templates/", "crawler/sample_web/templates/", "crawler/sample_web/articles/", "nlp/models/")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_data_files_templates_sample_and_models(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in NEEDED if name not in names] == []
    assert [folder for folder in NEEDED_FOLDERS if not any(name.startswith(folder) for name in names)] == []
    assert not any(name.startswith("tests/") for name in names)


@pytest.mark.xdist_group("demo")
def test_an_installed_wheel_runs_the_demo_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """The environment is empty but for the wheel; it borrows the dependencies that are installed here."""
    home = tmp_path / "environment"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    packages = next((home / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    # Names of folders only: the .pth files in them, which would lead back to the checkout, are not read.
    (packages / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV", "DEBATEWATCH"))
    }
    work = tmp_path / "work"
    work.mkdir()

    def debatewatch(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), "-m", "debatewatch", *arguments],
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    where = subprocess.run(
        [str(python), "-c", "import debatewatch, crawler, nlp, db; print(debatewatch.__file__, crawler.__file__)"],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert str(ROOT) not in where

    done = debatewatch("demo", "--no-serve")
    assert done.returncode == 0, done.stderr
    assert "Who says what" in done.stdout
    with sqlite3.connect(work / "debatewatch-demo" / "debatewatch.db") as database:
        assert database.execute("SELECT count(*) FROM statements").fetchone()[0] > 50
    made = debatewatch("init", "mine")
    assert made.returncode == 0, made.stderr
    assert sorted(path.name for path in (work / "mine").iterdir()) == ["debate.toml", "metadata.yml", "sources.toml"]
