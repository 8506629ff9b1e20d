"""Polarisation: the number means what its definition says, and is the same everywhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.models import PropositionRow, SideRow, SourceRow
from db.polarisation import polarisation
from db.queries import open_read, rows
from db.store import Store
from db.timelines import timeline

Said = Sequence[tuple[str, str, int]]
"""(actor, question, position)."""


def _measure(said: Said) -> tuple[int, int, float | None]:
    values = ", ".join(f"('x', '{actor}', 0, '{question}', {position})" for actor, question, position in said)
    query = polarisation(
        f"SELECT column1 AS period, column2 AS actor, column4 AS question, column5 AS position FROM (VALUES {values})"
    )
    [(_, actors, pairs, value)] = sqlite3.connect(":memory:").execute(query).fetchall()
    return actors, pairs, value


def _expected(said: Said) -> tuple[int, int, float | None]:
    """The definition, word by word."""
    positions: dict[tuple[str, str], list[int]] = {}
    for actor, question, position in said:
        positions.setdefault((actor, question), []).append(position)
    held = {key: sum(values) / len(values) for key, values in positions.items()}
    actors = sorted({actor for actor, _ in held})
    opposed, pairs = 0.0, 0
    for one, other in product(actors, actors):
        shared = [q for actor, q in held if actor == one and (other, q) in held]
        if shared:
            pairs += 1
            opposed += max(0.0, -sum(held[one, q] * held[other, q] for q in shared) / len(shared))
    known = pairs > len(actors)
    return len(actors), (pairs - len(actors)) // 2, round(min(1.0, 2 * opposed / pairs), 4) if known else None


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefg"), st.sampled_from("pqr"), st.sampled_from([-1, 0, 1])),
        min_size=1,
        max_size=30,
    )
)
def test_the_number_follows_its_definition(said: list[tuple[str, str, int]]) -> None:
    actors, pairs, value = _measure(said)
    expected = _expected(said)
    assert (actors, pairs) == expected[:2]
    assert value == pytest.approx(expected[2], abs=2e-4) if expected[2] is not None else value is None


def test_two_equal_camps_are_one_consensus_is_zero_and_a_lone_dissenter_in_between() -> None:
    camps = [
        (f"{side}{n}", question, position)
        for side, position in (("a", 1), ("b", -1))
        for n in range(5)
        for question in "pq"
    ]
    assert _measure(camps) == (10, 45, 1.0)
    assert _measure([(f"a{n}", "p", 1) for n in range(10)]) == (10, 45, 0.0)
    assert _measure([(f"a{n}", "p", 1) for n in range(9)] + [("b", "p", -1)]) == (10, 45, 0.36)


def test_disagreement_without_camps_is_no_polarisation_and_repetition_changes_nothing() -> None:
    crossed = [("a", "p", 1), ("a", "q", 1), ("b", "p", 1), ("b", "q", -1), ("c", "p", -1), ("c", "q", 1)]
    opposed = [("a", "p", 1), ("b", "p", -1)]
    assert _measure([*crossed, ("d", "p", -1), ("d", "q", -1)])[2] == pytest.approx(0.5)
    assert _measure(crossed[:4])[2] == 0.0
    assert _measure(opposed) == _measure(opposed * 3) == (2, 1, 1.0)


def test_nobody_to_compare_with_is_no_number() -> None:
    assert _measure([("a", "p", 1), ("b", "q", -1)]) == (2, 0, None)


def test_sides_are_questions_and_propositions_of_neither_side_too(tmp_path: Path) -> None:
    """Who argues for openness with one proposition opposes who argues against it with another."""
    path = tmp_path / "debate.db"
    with Store.open(path) as store:
        store.sync_sources([SourceRow("s", "S", "https://s.example/", "feed")])
        store.sync_debate(
            [SideRow(name, name, "#000000", n) for n, name in enumerate(("open", "closed", "mixed", "neutral"))],
            [PropositionRow("safer", "x", "x", "open", 0), PropositionRow("misuse", "y", "y", "closed", 1)],
            [],
            [],
        )
        run = store.start_run("crawl", "1")
        for number, (month, speaker, side) in enumerate(
            [
                ("01", "A", "open"),
                ("01", "B", "closed"),
                ("01", "AUTHOR", "closed"),
                ("01", "C", "neutral"),
                ("02", "A", "mixed"),
            ],
            1,
        ):
            store.db.execute(
                "INSERT INTO documents (id, title, text, sha256, words, run_id, added_at) VALUES (?, 't', 'x', ?, 1, ?, '')",
                [number, str(number), run],
            )
            store.db.execute(
                """INSERT INTO articles (url, source_id, document_id, title, published_at, kind, run_id, added_at)
                   VALUES (?, 's', ?, 't', ?, 'article', ?, '')""",
                [f"https://s.example/{number}", number, f"2024-{month}-05T00:00:00Z", run],
            )
            store.db.execute(
                """INSERT INTO statements (document_id, text, start, "end", speaker, speaker_name, kind, side, run_id)
                   VALUES (?, 'x', 0, 1, ?, ?, 'direct', ?, ?)""",
                [number, speaker, speaker, side, run],
            )
        store.db.conn.commit()
    with open_read(path) as connection:
        view = rows(connection, "SELECT month, actors, pairs, polarisation FROM polarisation_timeline")
        counted = timeline(connection, "polarisation").rows
    assert [tuple(row.values()) for row in view] == [("2024-01", 2, 1, 1.0), ("2024-02", 1, 0, None)]
    assert [(row["period"], row["actors"], row["pairs"], row["polarisation"]) for row in counted] == [
        tuple(r.values()) for r in view
    ]
    assert [row["statements"] for row in counted] == [2, 1]


def test_the_view_and_the_timeline_agree_and_a_proposition_can_be_asked_alone(reading: sqlite3.Connection) -> None:
    names = ("actors", "pairs", "polarisation", "healthy_sources")
    view = {row["month"]: tuple(row[n] for n in names) for row in rows(reading, "SELECT * FROM polarisation_timeline")}
    counted = {row["period"]: tuple(row[n] for n in names) for row in timeline(reading, "polarisation").rows}
    assert {month: row for month, row in counted.items() if row[0] is not None} == {
        month: row for month, row in view.items() if row[0] is not None
    }
    assert counted.keys() == view.keys()
    alone = timeline(reading, "polarisation", by="quarter", filters={"proposition": "misuse"}).rows
    assert [(row["actors"], row["pairs"], row["polarisation"]) for row in alone] == [(2, 1, 1.0), (1, 0, None)]
