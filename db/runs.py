"""Writes what is configured (sources, the debate), what ran (runs) and what went wrong (failures)."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata

from db.coding import IMPORTED
from db.connection import Connection, as_json
from db.models import (
    ActorRow,
    AffiliationRow,
    PropositionRow,
    RunStatus,
    SideRow,
    SourceRow,
    to_iso,
    utc_now,
)

_RECORDED_PACKAGES = (
    "scrapy",
    "trafilatura",
    "spacy",
    "bertopic",
    "onnxruntime",
    "scikit-learn",
    "numpy",
    "sqlite-utils",
)


class Runs(Connection):
    """The part of the store that every step of the crawl and of the analysis uses."""

    def sync_sources(self, sources: Iterable[SourceRow]) -> None:
        """Makes the sources table equal to sources.toml. One that is no longer named is marked removed, never deleted:
        its articles stay. Sources of imports (`import:...`) are left alone."""
        now = to_iso(utc_now())
        with self._write() as connection:
            named = []
            for source in sources:
                named.append(source.id)
                self._upsert_source(connection, source, now)
            marks = ", ".join("?" * len(named)) or "''"
            connection.execute(
                f"UPDATE sources SET removed_at = ? WHERE removed_at IS NULL AND id NOT LIKE 'import:%' AND id NOT IN ({marks})",
                [now, *named],
            )

    def add_source(self, source: SourceRow) -> None:
        """Adds or updates one source and leaves the others as they are (what `import` does)."""
        with self._write() as connection:
            self._upsert_source(connection, source, to_iso(utc_now()))

    @staticmethod
    def _upsert_source(connection: sqlite3.Connection, source: SourceRow, now: str | None) -> None:
        connection.execute(
            """INSERT INTO sources (id, name, url, kind, country, language, config, added_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (id) DO UPDATE SET name = excluded.name, url = excluded.url, kind = excluded.kind,
                   country = excluded.country, language = excluded.language, config = excluded.config, removed_at = NULL""",
            [
                source.id,
                source.name,
                source.url,
                source.kind,
                source.country,
                source.language,
                as_json(source.config),
                now,
            ],
        )

    def sync_debate(
        self,
        sides: Iterable[SideRow],
        propositions: Iterable[PropositionRow],
        actors: Iterable[ActorRow],
        affiliations: Iterable[AffiliationRow],
    ) -> None:
        """Makes sides, propositions, actors and affiliations equal to debate.toml. An actor or proposition that is no longer
        named stays while rows refer to it."""
        with self._write() as connection:
            side_rows, proposition_rows, actor_rows = list(sides), list(propositions), list(actors)
            connection.executemany(
                """INSERT INTO sides (id, name, color, position, description) VALUES (?, ?, ?, ?, ?)
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name, color = excluded.color,
                       position = excluded.position, description = excluded.description""",
                [(s.id, s.name, s.color, s.position, s.description) for s in side_rows],
            )
            connection.executemany(
                """INSERT INTO propositions (id, label, text, supports, position) VALUES (?, ?, ?, ?, ?)
                   ON CONFLICT (id) DO UPDATE SET label = excluded.label, text = excluded.text,
                       supports = excluded.supports, position = excluded.position""",
                [(p.id, p.label, p.text, p.supports, p.position) for p in proposition_rows],
            )
            connection.executemany(
                """INSERT INTO actors (id, name, kind, role, wikidata, licence, aliases) VALUES (?, ?, ?, ?, ?, ?, ?)
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name, kind = excluded.kind, role = excluded.role,
                       wikidata = excluded.wikidata, licence = excluded.licence, aliases = excluded.aliases""",
                [(a.id, a.name, a.kind, a.role, a.wikidata, a.licence, as_json(a.aliases)) for a in actor_rows],
            )
            connection.execute("DELETE FROM affiliations WHERE actor_id NOT LIKE ?", [f"{IMPORTED}%"])
            connection.executemany(
                'INSERT INTO affiliations (actor_id, organisation_id, role, start, "end") VALUES (?, ?, ?, ?, ?)',
                [(a.actor_id, a.organisation_id, a.role, a.start, a.end) for a in affiliations],
            )
            _delete_unnamed(connection, "sides", [s.id for s in side_rows], "")
            _delete_unnamed(
                connection,
                "propositions",
                [p.id for p in proposition_rows],
                "AND id NOT IN (SELECT proposition_id FROM positions) "
                "AND id NOT IN (SELECT proposition_id FROM position_changes WHERE proposition_id IS NOT NULL)",
            )
            _delete_unnamed(
                connection,
                "actors",
                [a.id for a in actor_rows],
                f"AND id NOT LIKE '{IMPORTED}%' AND id NOT IN (SELECT actor_id FROM mentions WHERE actor_id IS NOT NULL) "
                "AND id NOT IN (SELECT actor_id FROM statements WHERE actor_id IS NOT NULL) "
                "AND id NOT IN (SELECT actor_id FROM position_changes WHERE actor_id IS NOT NULL)",
            )

    def start_run(
        self,
        step: str,
        version: str,
        *,
        parameters: Mapping[str, object] | None = None,
        models: Mapping[str, str] | None = None,
    ) -> int:
        """Opens a run and returns its id. `models` maps each model file used to its sha256."""
        with self._write() as connection:
            cursor = connection.execute(
                """INSERT INTO runs (step, version, parameters, versions, models, status, started_at)
                   VALUES (?, ?, ?, ?, ?, 'running', ?)""",
                [
                    step,
                    version,
                    as_json(parameters or {}),
                    as_json(_versions()),
                    as_json(models or {}),
                    to_iso(utc_now()),
                ],
            )
            return int(cursor.lastrowid or 0)

    def finish_run(self, run_id: int, status: RunStatus, counts: Mapping[str, object] | None = None) -> None:
        """Closes a run with its status and what it counted."""
        with self._write() as connection:
            connection.execute(
                "UPDATE runs SET status = ?, counts = ?, finished_at = ? WHERE id = ?",
                [status, as_json(counts or {}), to_iso(utc_now()), run_id],
            )

    def close_abandoned_runs(self, steps: Sequence[str]) -> int:
        """Marks runs of these steps that were left `running` (killed) as interrupted; returns how many. Call it only while
        no other process runs these steps."""
        marks = ", ".join("?" * len(steps))
        with self._write() as connection:
            return connection.execute(
                f"UPDATE runs SET status = 'interrupted', finished_at = ? WHERE status = 'running' AND step IN ({marks})",
                [to_iso(utc_now()), *steps],
            ).rowcount

    def last_run(self, step: str) -> tuple[int, str] | None:
        """Id and version of the last run of a step that ended well; None when there is none."""
        row = self.db.conn.execute(
            "SELECT id, version FROM runs WHERE step = ? AND status = 'done' ORDER BY id DESC LIMIT 1", [step]
        ).fetchone()
        return (int(row[0]), str(row[1])) if row else None

    def record_failure(
        self,
        run_id: int,
        step: str,
        error: str,
        detail: str = "",
        *,
        document_id: int | None = None,
        url: str | None = None,
    ) -> None:
        """Keeps a failure on one document or page. `error` is the class, `detail` one line (cut at 2,000 characters)."""
        with self._write() as connection:
            insert_failure(connection, run_id, step, error, detail, document_id=document_id, url=url)


def insert_failure(
    connection: sqlite3.Connection,
    run_id: int,
    step: str,
    error: str,
    detail: str,
    *,
    document_id: int | None = None,
    url: str | None = None,
) -> None:
    """Adds a row to `failures` within the caller's transaction."""
    connection.execute(
        "INSERT INTO failures (run_id, step, document_id, url, error, detail, failed_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [run_id, step, document_id, url, error, detail[:2000], to_iso(utc_now())],
    )


def _versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result, for `runs.versions`."""
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for package in ("debatewatch", *_RECORDED_PACKAGES):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _delete_unnamed(connection: sqlite3.Connection, table: str, named: Sequence[str], unless: str) -> None:
    marks = ", ".join("?" * len(named)) or "''"
    connection.execute(f"DELETE FROM {table} WHERE id NOT IN ({marks}) {unless}", list(named))
