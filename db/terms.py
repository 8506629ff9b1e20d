"""Writes the terms of the debate and where texts use them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from db.connection import Connection, as_json
from db.models import Mention, TermRow, TermUse
from db.reading import mark_document


class Terms(Connection):
    """The part of the store that the step over terms uses."""

    def sync_terms(self, terms: Iterable[TermRow]) -> None:
        """Makes the terms equal to those of debate.toml; uses of a term that is no longer there go with it."""
        with self._write() as connection:
            rows = list(terms)
            known = {row[0] for row in connection.execute("SELECT id FROM terms")}
            gone = known - {term.id for term in rows}
            connection.executemany("DELETE FROM terms WHERE id = ?", [(term_id,) for term_id in gone])
            connection.executemany(
                """INSERT INTO terms (id, label, parts, fits, loosely, position) VALUES (?, ?, ?, ?, ?, ?)
                   ON CONFLICT (id) DO UPDATE SET label = excluded.label, parts = excluded.parts, fits = excluded.fits,
                       loosely = excluded.loosely, position = excluded.position""",
                [(t.id, t.label, as_json(t.parts), as_json(t.fits), as_json(t.loosely), t.position) for t in rows],
            )

    def model_mentions(self, document_ids: Sequence[int]) -> dict[int, list[Mention]]:
        """Mentions of models by document, in the order of the text."""
        found: dict[int, list[Mention]] = {document_id: [] for document_id in document_ids}
        marks = ", ".join("?" * len(document_ids))
        for row in self._rows(
            f"""SELECT m.document_id, m.start, m."end" AS finish, m.type, m.name, m.actor_id FROM mentions AS m
                JOIN actors AS a ON a.id = m.actor_id AND a.kind = 'model'
                WHERE m.document_id IN ({marks}) ORDER BY m.document_id, m.start, m.id""",
            list(document_ids),
        ):
            mention = Mention(row["start"], row["finish"], row["type"], row["name"], row["actor_id"])
            found[row["document_id"]].append(mention)
        return found

    def save_term_uses(self, run_id: int, version: str, found: Iterable[tuple[int, Sequence[TermUse]]]) -> None:
        """Replaces the uses in each document, and marks it done: one transaction for the batch."""
        with self._write() as connection:
            for document_id, uses in found:
                connection.execute("DELETE FROM term_uses WHERE document_id = ?", [document_id])
                connection.executemany(
                    """INSERT INTO term_uses (document_id, term_id, start, "end", model_id, denied, sentence, run_id)
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                    [
                        (document_id, u.term_id, u.start, u.end, u.model_id, int(u.denied), u.sentence, run_id)
                        for u in uses
                    ],
                )
                mark_document(connection, document_id, "terms", version, "done", run_id)
