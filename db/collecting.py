"""Writes what a crawl or an import brings: fetches, articles, their versions, and the documents they share."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from db.connection import Connection, as_json
from db.models import (
    Article,
    FailedTries,
    Fetch,
    Outcome,
    PageState,
    SavedArticle,
    from_iso,
    to_iso,
    utc_now,
)
from db.reprints import document_of_text, join_documents, keep_text, settle_document


class Collecting(Connection):
    """The part of the store that pipelines use."""

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

    def failed_tries(self, url: str) -> FailedTries | None:
        """The tries of an address that failed since the last one that did not; None when the last one did not."""
        for row in self._rows(
            """SELECT min(fetched_at) AS first, max(fetched_at) AS last, (
                   SELECT outcome = 'disallowed' OR coalesce(status < 500 AND status NOT IN (408, 425, 429), FALSE)
                   FROM fetches WHERE url = :url ORDER BY id DESC LIMIT 1) AS final
               FROM fetches WHERE url = :url AND id > coalesce((SELECT max(id) FROM fetches
                   WHERE url = :url AND outcome NOT IN ('failed', 'disallowed')), 0)""",
            {"url": url},
        ):
            first, last = from_iso(row["first"]), from_iso(row["last"])
            return FailedTries(first, last, bool(row["final"])) if first and last else None
        return None

    def record_fetch(self, run_id: int, fetch: Fetch, *, article_id: int | None = None) -> int:
        """Writes the row of one fetch and returns its id."""
        with self._write() as connection:
            return _insert_fetch(connection, run_id, fetch, article_id)

    def settle_listing(self, fetch_id: int, fetch: Fetch) -> None:
        """Lets later crawls ask conditionally, and not before it is due, for what this fetch brought: called once everything that
        it led to was had."""
        with self._write() as connection:
            connection.execute(
                "UPDATE fetches SET etag = ?, last_modified = ?, due_at = ? WHERE id = ?",
                [fetch.etag, fetch.last_modified, to_iso(fetch.due_at), fetch_id],
            )

    def archived_evidence(self) -> set[tuple[str, int]]:
        """Records of the archive (file, offset) that statements rest on: the pages of their texts in every version, and the pages
        under which comments with statements stand. A text that was not read yet counts, for it may hold statements."""
        return {
            (str(row[0]), int(row[1]))
            for row in self.db.conn.execute(
                """WITH telling AS (
                       SELECT document_id FROM statements UNION
                       SELECT id FROM documents WHERE id NOT IN
                           (SELECT document_id FROM document_steps WHERE step = 'read' AND status != 'failed')
                   ), needed AS (
                       SELECT article_id FROM article_versions WHERE document_id IN (SELECT document_id FROM telling) UNION
                       SELECT id FROM articles WHERE document_id IN (SELECT document_id FROM telling)
                   )
                   SELECT warc_file, warc_offset FROM fetches
                   WHERE warc_file IS NOT NULL AND warc_offset IS NOT NULL AND article_id IN (
                       SELECT article_id FROM needed UNION
                       SELECT page.id FROM articles AS page JOIN articles AS comment ON comment.parent_url = page.url
                       WHERE comment.id IN (SELECT article_id FROM needed))"""
            )
        }

    def move_archived(self, file: str, to_file: str, offsets: Mapping[int, int]) -> None:
        """Records of a file of the archive now lie in another (offset -> offset); those not named are there no more."""
        with self._write() as connection:
            connection.executemany(
                "UPDATE fetches SET warc_file = ?, warc_offset = ? WHERE warc_file = ? AND warc_offset = ?",
                [(to_file, after, file, before) for before, after in offsets.items()],
            )
            connection.execute(
                "UPDATE fetches SET warc_file = NULL, warc_offset = NULL, warc_length = NULL WHERE warc_file = ?",
                [file],
            )

    def due_at(self, url: str, *, refused: bool = False) -> datetime | None:
        """From when on an address may be asked for again, by its last fetch; None when nothing speaks against it. With `refused`
        only what its site demanded when it gave no answer (Retry-After)."""
        for row in self._rows("SELECT due_at, outcome FROM fetches WHERE url = ? ORDER BY id DESC LIMIT 1", [url]):
            return from_iso(row["due_at"]) if row["outcome"] == "failed" or not refused else None
        return None

    def last_new_at(self, source_id: str) -> datetime | None:
        """When a source last brought a text, else when it was first asked; None before that."""
        for row in self._rows(
            """SELECT coalesce(max(CASE WHEN target = 'page' AND outcome IN ('stored', 'duplicate') THEN fetched_at END),
                               min(fetched_at)) AS moment
               FROM fetches WHERE source_id = ?""",
            [source_id],
        ):
            return from_iso(row["moment"])
        return None

    def documents_sharing_bands(self, bands: Sequence[int]) -> list[tuple[int, str]]:
        """Documents that share at least one MinHash band (band number, hash) with a text: (id, text), oldest first, a document once
        for each text of its reprints. Candidates only: the caller compares the texts."""
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
            for row in self.db.conn.execute(
                """SELECT text, 0 AS place FROM documents WHERE id = :id UNION
                   SELECT t.text, 1 FROM article_texts AS t JOIN documents AS d ON d.id = t.document_id
                   WHERE t.document_id = :id AND t.sha256 != d.sha256 ORDER BY place, text""",
                {"id": document_id},
            ):
                found.append((document_id, str(row[0])))
        return found

    def save_article(
        self,
        run_id: int,
        source_id: str,
        article: Article,
        *,
        bands: Sequence[int] = (),
        near: Sequence[int] = (),
        fetch: Fetch | None = None,
    ) -> SavedArticle:
        """Keeps an article, its document and the row of its fetch, in one transaction.

        `near` names known documents whose text is nearly the same, the nearest first (the caller compared them); they become
        one. A text that is exactly known joins its document anyway. A known address with another text is an update: it gets a
        document of its own, even when that is nearly the old one, so that what was added is read too; the old version stays in
        `article_versions`.
        `fetch.outcome` is replaced by what came of the article. Pass `fetch=None` for comments of a page already recorded.
        """
        digest = hashlib.sha256(article.text.encode()).hexdigest()
        now = to_iso(utc_now())
        with self._write() as connection:
            known = connection.execute(
                "SELECT id, document_id, sha256 FROM articles WHERE url = ?", [article.url]
            ).fetchone()
            same = document_of_text(connection, digest)
            outcome: Outcome
            if known and (known[2] == digest or same == known[1]):
                outcome, target = "unchanged", int(known[1])
            elif same is not None:
                outcome, target = ("stored" if known else "duplicate"), same
            elif near and known is None:
                outcome, target = "duplicate", join_documents(connection, near)
                keep_text(connection, target, digest, article.text, bands)
            else:
                outcome, target = "stored", _insert_document(connection, run_id, article, digest, bands, now)
            if known is None:
                article_id = _insert_article(connection, run_id, source_id, article, target, digest, now)
            else:
                article_id = int(known[0])
                if outcome != "unchanged":
                    connection.execute(
                        """UPDATE articles SET document_id = ?, sha256 = ?, title = ?, authors = ?, modified_at = ?, paywalled = ?,
                           sponsored = ?, language = ?, updated_at = ?, published_at = coalesce(published_at, ?) WHERE id = ?""",
                        [
                            target,
                            digest,
                            article.title,
                            as_json(article.authors),
                            to_iso(article.modified_at),
                            int(article.paywalled),
                            int(article.sponsored),
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
            settle_document(connection, target)
            return SavedArticle(outcome, article_id, target, updated=known is not None and outcome != "unchanged")


def _with_outcome(fetch: Fetch, outcome: Outcome, article: Article) -> Fetch:
    return replace(fetch, outcome=outcome, published_at=fetch.published_at or article.published_at)


def _insert_fetch(connection: sqlite3.Connection, run_id: int, fetch: Fetch, article_id: int | None) -> int:
    cursor = connection.execute(
        """INSERT INTO fetches (run_id, source_id, article_id, url, final_url, target, outcome, reason, status, bytes, seconds,
               etag, last_modified, warc_file, warc_offset, warc_length, published_at, fetched_at, due_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
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
            to_iso(fetch.due_at),
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
            as_json(article.authors),
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
    connection: sqlite3.Connection,
    run_id: int,
    source_id: str,
    article: Article,
    document_id: int,
    digest: str,
    now: str | None,
) -> int:
    cursor = connection.execute(
        """INSERT INTO articles (url, source_id, document_id, title, authors, published_at, modified_at, language, kind, paywalled,
               sponsored, section, sitename, agency, parent_url, run_id, added_at, sha256)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            article.url,
            source_id,
            document_id,
            article.title,
            as_json(article.authors),
            to_iso(article.published_at),
            to_iso(article.modified_at),
            article.language,
            article.kind,
            int(article.paywalled),
            int(article.sponsored),
            article.section,
            article.sitename,
            article.agency,
            article.parent_url,
            run_id,
            now,
            digest,
        ],
    )
    return int(cursor.lastrowid or 0)
