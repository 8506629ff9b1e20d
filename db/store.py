"""Opens the database, brings its schema up to date, and does every write. Reads that the site and the exports show live in
db.queries; the few reads here are those that a write or a step needs to select its own work.

Each public method that writes is one short transaction, so that a crawl, an analysis and a reader can share the file and a kill at
any moment loses at most the page in hand.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlite_utils

from db.migrations import migrations
from db.models import (
    ActorRow,
    AffiliationRow,
    Article,
    Document,
    Fetch,
    Judgement,
    Mention,
    Outcome,
    PageState,
    Position,
    PositionChange,
    PropositionRow,
    RunStatus,
    SavedArticle,
    SideRow,
    SourceRow,
    Speaker,
    Statement,
    StoredStatement,
    StoreError,
    Topic,
    TopicAssignment,
    TopicEvent,
    from_iso,
    to_iso,
    utc_now,
)

BUSY_SECONDS = 30
"""How long a write waits for another process's write before it gives up."""

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


class Store:
    """A Debatewatch database, open for writing. Use as a context manager, or call `close`."""

    def __init__(self, path: Path, db: sqlite_utils.Database) -> None:
        self.path = path
        self.db = db

    @classmethod
    def open(cls, path: Path | str, *, create: bool = True) -> Store:
        """Opens (and with `create` makes) the database, in WAL mode with foreign keys on and the newest schema.

        Raises StoreError with one line when the file is missing, is not a database, is of a newer version, or is locked.
        """
        path = Path(path)
        if not create and not path.exists():
            raise StoreError(f"{path}: no such database; `debatewatch crawl` or `debatewatch import` makes one")
        if not path.parent.exists():
            raise StoreError(
                f"{path}: the folder {path.parent} does not exist; make it, or name another file with --db"
            )
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            db = sqlite_utils.Database(connection)
            newer = {m.name for m in migrations.applied(db)} - {m.name for m in migrations._migrations}
            if newer:
                raise StoreError(f"{path}: made by a newer Debatewatch ({', '.join(sorted(newer))}); upgrade this one")
            if migrations.pending(db):
                migrations.apply(db)
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise StoreError(f"{path}: cannot be opened as a Debatewatch database ({error})") from error
        except StoreError:
            if connection is not None:
                connection.close()
            raise
        return cls(path, db)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; what was committed stays."""
        self.db.conn.close()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """One write transaction. IMMEDIATE, because a deferred one that must upgrade fails at once under WAL when another
        process has written since (https://www.sqlite.org/isolation.html)."""
        connection = self.db.conn
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self.path}: cannot be written ({error}); is another process holding it?") from error
        try:
            yield connection
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise StoreError(f"{self.path}: a write failed ({error}); nothing of it was kept") from error
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _rows(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> Iterator[dict[str, Any]]:
        cursor = self.db.conn.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))

    # --- what is configured ---------------------------------------------------------------------------------------------

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
                _json(source.config),
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
                [(a.id, a.name, a.kind, a.role, a.wikidata, a.licence, _json(a.aliases)) for a in actor_rows],
            )
            connection.execute("DELETE FROM affiliations")
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
                "AND id NOT IN (SELECT actor_id FROM mentions WHERE actor_id IS NOT NULL) "
                "AND id NOT IN (SELECT actor_id FROM statements WHERE actor_id IS NOT NULL) "
                "AND id NOT IN (SELECT actor_id FROM position_changes WHERE actor_id IS NOT NULL)",
            )

    # --- runs and failures ----------------------------------------------------------------------------------------------

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
                [step, version, _json(parameters or {}), _json(_versions()), _json(models or {}), to_iso(utc_now())],
            )
            return int(cursor.lastrowid or 0)

    def finish_run(self, run_id: int, status: RunStatus, counts: Mapping[str, object] | None = None) -> None:
        """Closes a run with its status and what it counted."""
        with self._write() as connection:
            connection.execute(
                "UPDATE runs SET status = ?, counts = ?, finished_at = ? WHERE id = ?",
                [status, _json(counts or {}), to_iso(utc_now()), run_id],
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
            _insert_failure(connection, run_id, step, error, detail, document_id=document_id, url=url)

    # --- collecting -----------------------------------------------------------------------------------------------------

    def page_state(self, url: str) -> PageState | None:
        """What the last successful fetch of an address left for a conditional request; None when never fetched."""
        for row in self._rows(
            """SELECT url, etag, last_modified, fetched_at, outcome FROM fetches
               WHERE url = ? AND outcome NOT IN ('failed', 'disallowed') ORDER BY id DESC LIMIT 1""",
            [url],
        ):
            fetched_at = from_iso(row["fetched_at"])
            if fetched_at is None:
                return None
            return PageState(row["url"], row["etag"], row["last_modified"], fetched_at, row["outcome"])
        return None

    def record_fetch(self, run_id: int, fetch: Fetch, *, article_id: int | None = None) -> int:
        """Writes the row of one fetch and returns its id."""
        with self._write() as connection:
            return _insert_fetch(connection, run_id, fetch, article_id)

    def documents_sharing_bands(self, bands: Sequence[int]) -> list[tuple[int, str]]:
        """Documents that share at least one MinHash band (band number, hash) with a text: (id, text), oldest first.
        Candidates only: the caller compares the texts."""
        ids: set[int] = set()
        for number, value in enumerate(bands):
            ids.update(
                row[0]
                for row in self.db.conn.execute(
                    "SELECT document_id FROM document_bands WHERE band = ? AND hash = ?", [number, value]
                )
            )
        found = []
        for document_id in sorted(ids):
            row = self.db.conn.execute("SELECT text FROM documents WHERE id = ?", [document_id]).fetchone()
            found.append((document_id, str(row[0])))
        return found

    def save_article(
        self,
        run_id: int,
        source_id: str,
        article: Article,
        *,
        bands: Sequence[int] = (),
        document_id: int | None = None,
        fetch: Fetch | None = None,
    ) -> SavedArticle:
        """Keeps an article, its document and the row of its fetch, in one transaction.

        `document_id` names a known document whose text is nearly the same (the caller compared them). A text that is exactly
        known joins its document anyway. A known address with another text is an update: it gets a document of its own, even
        when that is nearly the old one, so that what was added is read too; the old version stays in `article_versions`.
        `fetch.outcome` is replaced by what came of the article. Pass `fetch=None` for comments of a page already recorded.
        """
        digest = hashlib.sha256(article.text.encode()).hexdigest()
        now = to_iso(utc_now())
        with self._write() as connection:
            known = connection.execute(
                "SELECT id, document_id, title, published_at FROM articles WHERE url = ?", [article.url]
            ).fetchone()
            same = connection.execute("SELECT id FROM documents WHERE sha256 = ?", [digest]).fetchone()
            outcome: Outcome
            if known and same and same[0] == known[1]:
                outcome, target = "unchanged", int(known[1])
            elif same:
                outcome, target = ("stored" if known else "duplicate"), int(same[0])
            elif document_id is not None and known is None:
                outcome, target = "duplicate", document_id
            else:
                outcome, target = "stored", _insert_document(connection, run_id, article, digest, bands, now)
            if known is None:
                article_id = _insert_article(connection, run_id, source_id, article, target, now)
            else:
                article_id = int(known[0])
                if outcome != "unchanged":
                    connection.execute(
                        """UPDATE articles SET document_id = ?, title = ?, authors = ?, modified_at = ?, paywalled = ?,
                           language = ?, updated_at = ?, published_at = coalesce(published_at, ?) WHERE id = ?""",
                        [
                            target,
                            article.title,
                            _json(article.authors),
                            to_iso(article.modified_at),
                            int(article.paywalled),
                            article.language,
                            now,
                            to_iso(article.published_at),
                            article_id,
                        ],
                    )
            fetch_id = None
            if fetch is not None:
                fetch_id = _insert_fetch(connection, run_id, _with_outcome(fetch, outcome, article), article_id)
            connection.execute(
                """INSERT INTO article_versions (article_id, document_id, fetch_id, title, seen_at) VALUES (?, ?, ?, ?, ?)
                   ON CONFLICT (article_id, document_id) DO NOTHING""",
                [article_id, target, fetch_id, article.title, now],
            )
            _refresh_document_dates(connection, target)
            return SavedArticle(outcome, article_id, target, updated=known is not None and outcome != "unchanged")

    # --- the steps select their own work ----------------------------------------------------------------------------------

    def documents_to_do(
        self, step: str, version: str, *, after: int = 0, limit: int = 32, retry_run: int | None = None
    ) -> list[Document]:
        """The next documents with id > `after`, carried by an article, that this version of the step has not seen.

        A document on which this version failed is tried again, unless it failed in the run `retry_run` (the present one).
        """
        return [
            _document(row)
            for row in self._rows(
                """SELECT d.id, d.text, d.title, d.language, d.published_at, d.authors, d.kind FROM documents AS d
                   LEFT JOIN document_steps AS s ON s.document_id = d.id AND s.step = :step
                   WHERE d.id > :after AND EXISTS (SELECT 1 FROM articles AS a WHERE a.document_id = d.id)
                     AND (s.document_id IS NULL OR s.version != :version
                          OR (s.status = 'failed' AND s.run_id IS NOT :retry_run))
                   ORDER BY d.id LIMIT :limit""",
                {"step": step, "version": version, "after": after, "limit": limit, "retry_run": retry_run},
            )
        ]

    def count_to_do(self, step: str, version: str) -> int:
        """How many documents `documents_to_do` would give in all."""
        row = self.db.conn.execute(
            """SELECT count(*) FROM documents AS d LEFT JOIN document_steps AS s ON s.document_id = d.id AND s.step = ?
               WHERE EXISTS (SELECT 1 FROM articles AS a WHERE a.document_id = d.id)
                 AND (s.document_id IS NULL OR s.version != ? OR s.status = 'failed')""",
            [step, version],
        ).fetchone()
        return int(row[0])

    def mark_steps(
        self, run_id: int, step: str, version: str, document_ids: Iterable[int], status: str = "done"
    ) -> None:
        """Marks documents as seen by this version of a step, without other rows (skipped ones, and steps over vectors)."""
        with self._write() as connection:
            for document_id in document_ids:
                _mark(connection, document_id, step, version, status, run_id)

    def fail_document(
        self, run_id: int, step: str, version: str, document_id: int, error: str, detail: str = ""
    ) -> None:
        """A document that the step could not read: a row in `failures`, and tried again by the next run."""
        with self._write() as connection:
            _insert_failure(connection, run_id, step, error, detail, document_id=document_id)
            _mark(connection, document_id, step, version, "failed", run_id)

    def save_readings(
        self,
        run_id: int,
        step: str,
        version: str,
        readings: Iterable[tuple[Document, Sequence[Mention], Sequence[Statement]]],
    ) -> None:
        """Replaces mentions and statements of each document, and marks it done: one transaction for the batch.

        Raises StoreError when an offset does not lie in its text: a programming error that must not be stored.
        """
        with self._write() as connection:
            for document, mentions, statements in readings:
                for start, end in [(m.start, m.end) for m in mentions] + [(s.start, s.end) for s in statements]:
                    if not 0 <= start < end <= len(document.text):
                        raise StoreError(f"document {document.id}: offsets {start}-{end} are not in its text")
                connection.execute("DELETE FROM mentions WHERE document_id = ?", [document.id])
                connection.execute("DELETE FROM statements WHERE document_id = ?", [document.id])
                connection.executemany(
                    """INSERT INTO mentions (document_id, actor_id, name, type, start, "end", run_id)
                       VALUES (?, ?, ?, ?, ?, ?, ?)""",
                    [(document.id, m.actor_id, m.name, m.type, m.start, m.end, run_id) for m in mentions],
                )
                connection.executemany(
                    """INSERT INTO statements (document_id, text, start, "end", speaker, speaker_name, actor_id, speaker_start,
                           speaker_end, kind, rule, run_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                    [
                        (
                            document.id,
                            document.text[s.start : s.end],
                            s.start,
                            s.end,
                            s.speaker.text,
                            s.speaker.name,
                            s.speaker.actor_id,
                            s.speaker.start,
                            s.speaker.end,
                            s.kind,
                            s.rule,
                            run_id,
                        )
                        for s in statements
                    ],
                )
                _mark(connection, document.id, step, version, "done", run_id)

    def statements_to_judge(self, version: str, *, limit: int = 256) -> list[StoredStatement]:
        """The next statements whose stance this version has not judged."""
        rows = self._rows(
            f"""{_STATEMENT_SQL} WHERE s.stance_version IS NOT ? ORDER BY s.id LIMIT ?""", [version, limit]
        )
        return [_stored_statement(row) for row in rows]

    def count_to_judge(self, version: str) -> int:
        """How many statements this version of the stance step has not judged."""
        row = self.db.conn.execute(
            "SELECT count(*) FROM statements WHERE stance_version IS NOT ?", [version]
        ).fetchone()
        return int(row[0])

    def save_judgements(self, run_id: int, version: str, judgements: Iterable[tuple[int, Judgement]]) -> None:
        """Writes side and positions of statements, replacing earlier ones: one transaction for the batch."""
        with self._write() as connection:
            for statement_id, judgement in judgements:
                connection.execute("DELETE FROM positions WHERE statement_id = ?", [statement_id])
                connection.execute(
                    "UPDATE statements SET side = ?, score = ?, stance_run_id = ?, stance_version = ? WHERE id = ?",
                    [judgement.side, float(judgement.score), run_id, version, statement_id],
                )
                connection.executemany(
                    "INSERT INTO positions (statement_id, proposition_id, stance, score, run_id) VALUES (?, ?, ?, ?, ?)",
                    [(statement_id, p.proposition_id, p.stance, float(p.score), run_id) for p in judgement.positions],
                )

    def judged_statements(self) -> list[StoredStatement]:
        """All statements with a side, of texts that an article still carries, with their positions, by date and id."""
        positions: dict[int, list[Position]] = {}
        for row in self._rows("SELECT statement_id, proposition_id, stance, score FROM positions ORDER BY id"):
            positions.setdefault(row["statement_id"], []).append(
                Position(row["proposition_id"], row["stance"], row["score"])
            )
        rows = self._rows(
            f"""{_STATEMENT_SQL} WHERE s.side IS NOT NULL
                AND EXISTS (SELECT 1 FROM articles AS a WHERE a.document_id = s.document_id)
                ORDER BY d.published_at, s.id"""
        )
        return [_stored_statement(row, tuple(positions.get(row["id"], ()))) for row in rows]

    # --- embeddings and topics --------------------------------------------------------------------------------------------

    def embeddings(self, model: str) -> dict[int, bytes]:
        """Vectors (float32 bytes) of the documents that an article carries, by document id, for one embedding model."""
        return {
            int(row[0]): bytes(row[1])
            for row in self.db.conn.execute(
                """SELECT document_id, vector FROM embeddings WHERE model = ?
                   AND EXISTS (SELECT 1 FROM articles AS a WHERE a.document_id = embeddings.document_id)
                   ORDER BY document_id""",
                [model],
            )
        }

    def save_embeddings(self, model: str, vectors: Iterable[tuple[int, bytes]]) -> None:
        """Keeps vectors (float32 bytes) by document id."""
        with self._write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO embeddings (document_id, model, vector) VALUES (?, ?, ?)",
                [(document_id, model, vector) for document_id, vector in vectors],
            )

    def topics(self) -> list[Topic]:
        """The standing topics, by id."""
        return [
            Topic(
                row["id"],
                row["label"],
                tuple(json.loads(row["keywords"])),
                row["size"],
                bytes(row["centroid"]),
                row["document_id"],
            )
            for row in self._rows("SELECT * FROM topics WHERE ended_run_id IS NULL ORDER BY id")
        ]

    def next_topic_id(self) -> int:
        """The id that the next new topic gets; ids are never used twice."""
        return int(self.db.conn.execute("SELECT coalesce(max(id), 0) + 1 FROM topics").fetchone()[0])

    def save_topics(
        self,
        run_id: int,
        topics: Iterable[Topic],
        assignments: Iterable[TopicAssignment],
        events: Iterable[TopicEvent] = (),
    ) -> None:
        """A fit: makes the standing topics equal to `topics` (others end with this run; labels that a user edited stay) and
        adds this run's assignments. Earlier assignments stay readable under their own run."""
        with self._write() as connection:
            named = []
            for topic in topics:
                named.append(topic.id)
                connection.execute(
                    """INSERT INTO topics (id, label, keywords, size, document_id, centroid, run_id)
                       VALUES (?, ?, ?, ?, ?, ?, ?)
                       ON CONFLICT (id) DO UPDATE SET
                           label = CASE WHEN label_edited = 1 THEN label ELSE excluded.label END,
                           keywords = excluded.keywords, size = excluded.size, document_id = excluded.document_id,
                           centroid = excluded.centroid, ended_run_id = NULL""",
                    [
                        topic.id,
                        topic.label,
                        _json(topic.keywords),
                        topic.size,
                        topic.document_id,
                        topic.centroid,
                        run_id,
                    ],
                )
            marks = ", ".join("?" * len(named)) or "0"
            connection.execute(
                f"UPDATE topics SET ended_run_id = ? WHERE ended_run_id IS NULL AND id NOT IN ({marks})",
                [run_id, *named],
            )
            _insert_assignments(connection, run_id, assignments)
            connection.executemany(
                "INSERT INTO topic_events (run_id, kind, topic_id, other_topic_id, similarity) VALUES (?, ?, ?, ?, ?)",
                [(run_id, e.kind, e.topic_id, e.other_topic_id, e.similarity) for e in events],
            )

    def save_assignments(self, run_id: int, assignments: Iterable[TopicAssignment]) -> None:
        """New documents assigned to the standing topics without a refit; topic sizes follow."""
        with self._write() as connection:
            _insert_assignments(connection, run_id, assignments)
            connection.execute(
                """UPDATE topics SET size = (SELECT count(*) FROM current_document_topics AS c WHERE c.topic_id = topics.id)
                   WHERE ended_run_id IS NULL"""
            )

    def documents(self, ids: Iterable[int] | None = None) -> Iterator[Document]:
        """Documents that an article carries (or those of the given ids), by id."""
        if ids is None:
            rows = self._rows(
                """SELECT id, text, title, language, published_at, authors, kind FROM documents AS d
                   WHERE EXISTS (SELECT 1 FROM articles AS a WHERE a.document_id = d.id) ORDER BY id"""
            )
            yield from map(_document, rows)
            return
        for document_id in ids:
            for row in self._rows(
                "SELECT id, text, title, language, published_at, authors, kind FROM documents WHERE id = ?",
                [document_id],
            ):
                yield _document(row)

    def replace_position_changes(self, run_id: int, changes: Iterable[PositionChange]) -> None:
        """Makes `position_changes` equal to what this run found."""
        with self._write() as connection:
            connection.execute("DELETE FROM position_changes")
            for change in changes:
                cursor = connection.execute(
                    """INSERT INTO position_changes (actor_id, speaker_name, proposition_id, before, after, not_before,
                           changed_at, strength, method, run_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                    [
                        change.actor_id,
                        change.speaker,
                        change.proposition_id,
                        change.before,
                        change.after,
                        to_iso(change.not_before),
                        to_iso(change.changed_at),
                        float(change.strength),
                        change.method,
                        run_id,
                    ],
                )
                connection.executemany(
                    "INSERT INTO position_change_statements (change_id, statement_id, moment) VALUES (?, ?, ?)",
                    [(cursor.lastrowid, s, "before") for s in change.before_statements]
                    + [(cursor.lastrowid, s, "after") for s in change.after_statements],
                )


# --- helpers of one transaction -------------------------------------------------------------------------------------------

_STATEMENT_SQL = """
SELECT s.id, s.document_id, s.text, s.start, s."end" AS finish, s.speaker, s.speaker_name, s.actor_id, s.speaker_start,
       s.speaker_end, s.kind, s.side, s.score, d.published_at, d.title, d.text AS document_text
FROM statements AS s JOIN documents AS d ON d.id = s.document_id
"""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


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


def _with_outcome(fetch: Fetch, outcome: Outcome, article: Article) -> Fetch:
    return replace(fetch, outcome=outcome, published_at=fetch.published_at or article.published_at)


def _insert_fetch(connection: sqlite3.Connection, run_id: int, fetch: Fetch, article_id: int | None) -> int:
    cursor = connection.execute(
        """INSERT INTO fetches (run_id, source_id, article_id, url, final_url, target, outcome, reason, status, bytes, seconds,
               etag, last_modified, warc_file, warc_offset, warc_length, published_at, fetched_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            run_id,
            fetch.source_id,
            article_id,
            fetch.url,
            fetch.final_url,
            fetch.target,
            fetch.outcome,
            fetch.reason,
            fetch.status,
            fetch.bytes,
            fetch.seconds,
            fetch.etag,
            fetch.last_modified,
            fetch.warc_file,
            fetch.warc_offset,
            fetch.warc_length,
            to_iso(fetch.published_at),
            to_iso(fetch.fetched_at),
        ],
    )
    return int(cursor.lastrowid or 0)


def _insert_document(
    connection: sqlite3.Connection, run_id: int, article: Article, digest: str, bands: Sequence[int], now: str | None
) -> int:
    cursor = connection.execute(
        """INSERT INTO documents (title, text, sha256, language, kind, authors, published_at, words, run_id, added_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            article.title,
            article.text,
            digest,
            article.language,
            article.kind,
            _json(article.authors),
            to_iso(article.published_at),
            len(article.text.split()),
            run_id,
            now,
        ],
    )
    document_id = int(cursor.lastrowid or 0)
    connection.executemany(
        "INSERT OR IGNORE INTO document_bands (band, hash, document_id) VALUES (?, ?, ?)",
        [(number, value, document_id) for number, value in enumerate(bands)],
    )
    return document_id


def _insert_article(
    connection: sqlite3.Connection, run_id: int, source_id: str, article: Article, document_id: int, now: str | None
) -> int:
    cursor = connection.execute(
        """INSERT INTO articles (url, source_id, document_id, title, authors, published_at, modified_at, language, kind, paywalled,
               section, sitename, agency, parent_url, run_id, added_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            article.url,
            source_id,
            document_id,
            article.title,
            _json(article.authors),
            to_iso(article.published_at),
            to_iso(article.modified_at),
            article.language,
            article.kind,
            int(article.paywalled),
            article.section,
            article.sitename,
            article.agency,
            article.parent_url,
            run_id,
            now,
        ],
    )
    return int(cursor.lastrowid or 0)


def _refresh_document_dates(connection: sqlite3.Connection, document_id: int) -> None:
    """A document carries the date of its earliest article (also when that one is found later), and its names with it."""
    connection.execute(
        """UPDATE documents SET published_at = earliest.published_at, title = earliest.title, authors = earliest.authors
           FROM (SELECT published_at, title, authors FROM articles WHERE document_id = :id
                 ORDER BY published_at IS NULL, published_at, id LIMIT 1) AS earliest
           WHERE documents.id = :id AND (documents.published_at IS NOT earliest.published_at
                 OR documents.title IS NOT earliest.title OR documents.authors IS NOT earliest.authors)""",
        {"id": document_id},
    )


def _mark(connection: sqlite3.Connection, document_id: int, step: str, version: str, status: str, run_id: int) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO document_steps (document_id, step, version, status, run_id) VALUES (?, ?, ?, ?, ?)",
        [document_id, step, version, status, run_id],
    )


def _insert_failure(
    connection: sqlite3.Connection,
    run_id: int,
    step: str,
    error: str,
    detail: str,
    *,
    document_id: int | None = None,
    url: str | None = None,
) -> None:
    connection.execute(
        "INSERT INTO failures (run_id, step, document_id, url, error, detail, failed_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [run_id, step, document_id, url, error, detail[:2000], to_iso(utc_now())],
    )


def _insert_assignments(connection: sqlite3.Connection, run_id: int, assignments: Iterable[TopicAssignment]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO document_topics (document_id, run_id, topic_id, score) VALUES (?, ?, ?, ?)",
        [(a.document_id, run_id, a.topic_id, float(a.score)) for a in assignments],
    )


def _document(row: Mapping[str, Any]) -> Document:
    return Document(
        id=row["id"],
        text=row["text"],
        title=row["title"],
        language=row["language"],
        published_at=from_iso(row["published_at"]),
        authors=tuple(json.loads(row["authors"])),
        kind=row["kind"],
    )


def _stored_statement(row: Mapping[str, Any], positions: tuple[Position, ...] = ()) -> StoredStatement:
    text: str = row["document_text"]
    start = text.rfind("\n\n", 0, row["start"])
    end = text.find("\n\n", row["finish"])
    return StoredStatement(
        id=row["id"],
        document_id=row["document_id"],
        text=row["text"],
        context=text[start + 2 if start >= 0 else 0 : end if end >= 0 else len(text)],
        speaker=Speaker(row["speaker"], row["speaker_name"], row["actor_id"], row["speaker_start"], row["speaker_end"]),
        kind=row["kind"],
        published_at=from_iso(row["published_at"]),
        title=row["title"],
        side=row["side"],
        score=row["score"],
        positions=positions,
    )
