"""Writes hand-coded statements: who said what, as a person judged it. Steps that read texts leave them alone."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from db.connection import Connection, as_json
from db.models import ActorRow, AffiliationRow, PropositionRow, Stance

HAND_CODED = "hand-coded"
"""`statements.rule` and `statements.stance_version` of what a person coded."""

IMPORTED = "dna:"
"""How ids of actors that only an imported file knows begin; debate.toml never names them, so `sync_debate` leaves them alone."""


@dataclass(frozen=True, slots=True)
class CodedStatement:
    """One hand-coded statement with its one position. Offsets count characters of the document's text."""

    document_id: int
    start: int
    end: int
    speaker: str
    actor_id: str | None
    proposition_id: str
    stance: Stance


class Coding(Connection):
    """The part of the store that imports of hand-coded files use."""

    def save_coding(
        self,
        run_id: int,
        source_id: str,
        *,
        actors: Iterable[ActorRow],
        affiliations: Sequence[AffiliationRow],
        propositions: Iterable[PropositionRow],
        statements: Sequence[CodedStatement],
    ) -> tuple[int, int]:
        """Makes the hand-coded statements of a source equal to `statements`: (added, removed). What is there already keeps its
        rows. The run's parameters name the source under `source`. Known actors and propositions stay as they are."""
        with self._write() as connection:
            actor_rows = list(actors)
            connection.executemany(
                "INSERT OR IGNORE INTO actors (id, name, kind, aliases) VALUES (?, ?, ?, ?)",
                [(a.id, a.name, a.kind, as_json(a.aliases)) for a in actor_rows],
            )
            connection.executemany("DELETE FROM affiliations WHERE actor_id = ?", [(a.id,) for a in actor_rows])
            connection.executemany(
                "INSERT INTO affiliations (actor_id, organisation_id) VALUES (?, ?)",
                [(a.actor_id, a.organisation_id) for a in affiliations],
            )
            connection.executemany(
                "INSERT OR IGNORE INTO propositions (id, label, text, supports, position) VALUES (?, ?, ?, ?, ?)",
                [(p.id, p.label, p.text, p.supports, p.position) for p in propositions],
            )
            known = _coded(connection, source_id)
            wanted = Counter(statements)
            kept: Counter[CodedStatement] = Counter()
            removed = 0
            for statement_id, statement in known:
                if kept[statement] < wanted[statement]:
                    kept[statement] += 1
                else:
                    connection.execute("DELETE FROM statements WHERE id = ?", [statement_id])
                    removed += 1
            added = 0
            for statement in statements:
                if kept[statement]:
                    kept[statement] -= 1
                else:
                    _insert(connection, run_id, statement)
                    added += 1
            return added, removed


def _coded(connection: sqlite3.Connection, source_id: str) -> list[tuple[int, CodedStatement]]:
    """The hand-coded statements that runs for this source brought, with their ids: another coder's on the same texts stay."""
    return [
        (int(row[0]), CodedStatement(*row[1:]))
        for row in connection.execute(
            """SELECT s.id, s.document_id, s.start, s."end", s.speaker_name, s.actor_id, p.proposition_id, p.stance
               FROM statements AS s JOIN positions AS p ON p.statement_id = s.id
               JOIN runs AS r ON r.id = s.run_id
               WHERE s.rule = ? AND json_extract(r.parameters, '$.source') = ? ORDER BY s.id""",
            [HAND_CODED, source_id],
        )
    ]


def _insert(connection: sqlite3.Connection, run_id: int, statement: CodedStatement) -> None:
    """Adds a statement and its position. The side follows the proposition: agreeing supports its side, disagreeing the other
    one of the debate, and a proposition for neither side gives none."""
    cursor = connection.execute(
        """INSERT INTO statements (document_id, text, start, "end", speaker, speaker_name, actor_id, kind, rule, side, score,
               run_id, stance_run_id, stance_version)
           SELECT id, substr(text, :start + 1, :end - :start), :start, :end, :speaker, :speaker, :actor, 'indirect', :rule,
               (SELECT CASE WHEN :stance = 'agree' THEN p.supports
                            ELSE (SELECT min(o.supports) FROM propositions AS o WHERE o.supports != p.supports
                                  HAVING count(DISTINCT o.supports) = 1) END
                FROM propositions AS p WHERE p.id = :proposition), 1.0, :run, :run, :rule
           FROM documents WHERE id = :document""",
        {
            "document": statement.document_id,
            "start": statement.start,
            "end": statement.end,
            "speaker": statement.speaker,
            "actor": statement.actor_id,
            "stance": statement.stance,
            "proposition": statement.proposition_id,
            "rule": HAND_CODED,
            "run": run_id,
        },
    )
    connection.execute(
        "INSERT INTO positions (statement_id, proposition_id, stance, score, run_id) VALUES (?, ?, ?, 1.0, ?)",
        [cursor.lastrowid, statement.proposition_id, statement.stance, run_id],
    )
