"""Reprints share a document. What that document says, and which articles share it, follows from the texts alone and not from the
order in which they came: texts that are nearly the same, directly or through others, are one document, and its text is that of
its original. No near-duplicate is decided here: the caller compares.

The original is the earliest article that everybody may read (of equal dates, the first by address). A document in which somebody
coded or reviewed statements keeps its text, to which their offsets belong; so does one that is an earlier version of an article.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from db.coding import HAND_CODED

_DERIVED = ("mentions", "statements", "term_uses", "embeddings", "document_topics", "document_steps")
"""What is read in a document's text."""
_LENDER = """
SELECT articles.sha256, article_texts.text, articles.language, articles.kind
FROM articles JOIN article_texts ON article_texts.sha256 = articles.sha256
WHERE articles.document_id = ?
ORDER BY articles.paywalled, articles.published_at IS NULL, articles.published_at, articles.url LIMIT 1
"""


def document_of_text(connection: sqlite3.Connection, digest: str) -> int | None:
    """The document that has exactly this text (by its sha256), as its own or as a reprint's."""
    row = connection.execute(
        """SELECT id FROM documents WHERE sha256 = :digest UNION ALL
           SELECT document_id FROM article_texts WHERE sha256 = :digest LIMIT 1""",
        {"digest": digest},
    ).fetchone()
    return int(row[0]) if row else None


def keep_text(connection: sqlite3.Connection, document_id: int, digest: str, text: str, bands: Sequence[int]) -> None:
    """Keeps the text of a reprint beside that of its document: it may turn out to be the original, and others are compared with
    it."""
    _keep_own_text(connection, document_id)
    connection.execute(
        "INSERT OR IGNORE INTO article_texts (sha256, document_id, text) VALUES (?, ?, ?)", [digest, document_id, text]
    )
    connection.executemany(
        "INSERT OR IGNORE INTO document_bands (band, hash, document_id) VALUES (?, ?, ?)",
        [(number, value, document_id) for number, value in enumerate(bands)],
    )


def _keep_own_text(connection: sqlite3.Connection, document_id: int) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO article_texts (sha256, document_id, text) SELECT sha256, id, text FROM documents WHERE id = ?",
        [document_id],
    )


def join_documents(connection: sqlite3.Connection, documents: Sequence[int]) -> int:
    """Makes one document of those that a new text is nearly the same as, and returns the one that stays: the best match.

    Versions of one article stay apart, and so does what somebody coded by hand.
    """
    stays = documents[0]
    for other in documents[1:]:
        if _are_versions(connection, stays, other) or _is_fixed(connection, other):
            continue
        _keep_own_text(connection, stays)
        _keep_own_text(connection, other)
        connection.execute(
            "INSERT OR IGNORE INTO document_bands SELECT band, hash, ? FROM document_bands WHERE document_id = ?",
            [stays, other],
        )
        for table in ("article_texts", "articles", "article_versions", "topics"):
            connection.execute(f"UPDATE {table} SET document_id = ? WHERE document_id = ?", [stays, other])
        connection.execute("DELETE FROM documents WHERE id = ?", [other])
    return stays


def _are_versions(connection: sqlite3.Connection, one: int, other: int) -> bool:
    return (
        connection.execute(
            """SELECT 1 FROM article_versions AS a JOIN article_versions AS b USING (article_id)
               WHERE a.document_id = ? AND b.document_id = ? LIMIT 1""",
            [one, other],
        ).fetchone()
        is not None
    )


def _is_fixed(connection: sqlite3.Connection, document_id: int) -> bool:
    """Whether the document's text must stay what it is: somebody coded or reviewed it, or it is what an article once said."""
    return (
        connection.execute(
            """SELECT 1 FROM statements WHERE document_id = :id AND rule = :coded UNION ALL
               SELECT 1 FROM reviews AS r JOIN documents AS d ON d.sha256 = r.document_sha256 WHERE d.id = :id UNION ALL
               SELECT 1 FROM article_versions AS v JOIN articles AS a ON a.id = v.article_id
               WHERE v.document_id = :id AND a.document_id != :id LIMIT 1""",
            {"id": document_id, "coded": HAND_CODED},
        ).fetchone()
        is not None
    )


def settle_document(connection: sqlite3.Connection, document_id: int) -> None:
    """Gives a document the text of its original, and the date, title and authors of its earliest article (also when either is
    found later). What was read in a text that is no longer the document's goes; the next analysis reads it anew."""
    lender = connection.execute(_LENDER, [document_id]).fetchone()
    own = connection.execute("SELECT sha256 FROM documents WHERE id = ?", [document_id]).fetchone()
    if lender is not None and lender[0] != own[0] and not _is_fixed(connection, document_id):
        digest, text, language, kind = lender
        connection.execute(
            "UPDATE documents SET text = ?, sha256 = ?, language = ?, kind = ?, words = ? WHERE id = ?",
            [text, digest, language, kind, len(text.split()), document_id],
        )
        for table in _DERIVED:
            connection.execute(f"DELETE FROM {table} WHERE document_id = ?", [document_id])
    connection.execute(
        """UPDATE documents SET published_at = earliest.published_at, title = earliest.title, authors = earliest.authors
           FROM (SELECT published_at, title, authors FROM articles WHERE document_id = :id
                 ORDER BY published_at IS NULL, published_at, url LIMIT 1) AS earliest
           WHERE documents.id = :id AND (documents.published_at IS NOT earliest.published_at
                 OR documents.title IS NOT earliest.title OR documents.authors IS NOT earliest.authors)""",
        {"id": document_id},
    )
