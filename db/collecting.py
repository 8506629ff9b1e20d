"""Writes what a crawl or an import brings: fetches, articles, their versions, and the documents they share."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace

from db.connection import Connection, as_json
from db.models import (
    Article,
    Fetch,
    Outcome,
    PageState,
    SavedArticle,
    from_iso,
    to_iso,
    utc_now,
)


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

    def record_fetch(self, run_id: int, fetch: Fetch, *, article_id: int | None = None) -> int:
        """Writes the row of one fetch and returns its id."""
        with self._write() as connection:
            return _insert_fetch(connection, run_id, fetch, article_id)

    def set_validators(self, fetch_id: int, etag: str | None, last_modified: str | None) -> None:
        """Lets later crawls ask conditionally for what this fetch brought: called once everything that it led to was had."""
        with self._write() as connection:
            connection.execute(
                "UPDATE fetches SET etag = ?, last_modified = ? WHERE id = ?", [etag, last_modified, fetch_id]
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
                "SELECT id, document_id, sha256 FROM articles WHERE url = ?", [article.url]
            ).fetchone()
            same = connection.execute("SELECT id FROM documents WHERE sha256 = ?", [digest]).fetchone()
            outcome: Outcome
            if known and (known[2] == digest or (same and same[0] == known[1])):
                outcome, target = "unchanged", int(known[1])
            elif same:
                outcome, target = ("stored" if known else "duplicate"), int(same[0])
            elif document_id is not None and known is None:
                outcome, target = "duplicate", document_id
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
            _refresh_document_dates(connection, target)
            return SavedArticle(outcome, article_id, target, updated=known is not None and outcome != "unchanged")


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
