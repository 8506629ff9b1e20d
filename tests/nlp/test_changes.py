"""Changes of position are found where the statements turn, with a minimum of evidence, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.models import Position, PositionChange, Speaker, StoredStatement
from nlp.changes import find_changes

START = datetime(2023, 1, 1, tzinfo=UTC)
LETTERS = {"o": "open", "c": "closed", "m": "mixed", "n": "neutral"}


def _statement(number: int, side: str, day: int, speaker: str = "Ada", stance: str | None = None) -> StoredStatement:
    positions = (Position("open-release", stance, 0.9),) if stance in ("agree", "disagree") else ()  # type: ignore[arg-type]
    return StoredStatement(
        id=number,
        document_id=number,
        text="",
        context="",
        speaker=Speaker(speaker, speaker),
        kind="direct",
        published_at=START + timedelta(days=day),
        side=side,
        positions=positions,
    )


def _read(letters: str) -> list[PositionChange]:
    """One statement a month, each letter a side."""
    return find_changes([_statement(i, LETTERS[letter], 30 * i) for i, letter in enumerate(letters)])


@pytest.mark.parametrize(
    "letters",
    ["", "o", "oooooo", "ooocc", "oooccc", "oooocc", "ccccooo", "ococococ", "ooocooo", "ococooco", "nnnnnn", "nnnooo"],
)
def test_no_change_without_evidence_enough(letters: str) -> None:
    assert _read(letters) == []


@pytest.mark.parametrize(
    ("letters", "turns"),
    [
        ("ccccoooo", [(4, "closed", "open")]),
        ("cccccmooooo", [(6, "closed", "open")]),
        ("ooooocccccooooo", [(5, "open", "closed"), (10, "closed", "open")]),
        ("oooonncccc", [(6, "open", "closed")]),
        ("ooooocoooocccccccc", [(10, "open", "closed")]),
        ("cccccmmmmmooooo", [(5, "closed", "mixed"), (10, "mixed", "open")]),
    ],
)
def test_a_change_is_dated_by_the_statements_around_it(letters: str, turns: list[tuple[int, str, str]]) -> None:
    found = _read(letters)
    got = [((change.changed_at - START).days // 30, change.before, change.after) for change in found]
    assert got == turns


def test_the_evidence_before_and_after_is_named_and_dated() -> None:
    (change,) = _read("oooocccc")
    assert change.before_statements == (0, 1, 2, 3)
    assert change.after_statements == (4, 5, 6, 7)
    assert change.not_before == START + timedelta(days=90)
    assert change.changed_at == START + timedelta(days=120)
    assert change.strength == 1.0


def test_statements_of_one_day_count_once() -> None:
    loud = [_statement(i, "closed", 300) for i in range(10, 20)]
    assert find_changes([_statement(i, "open", 30 * i) for i in range(5)] + loud) == []


def test_speakers_are_kept_apart_and_unnamed_authors_left_out() -> None:
    ada = [_statement(i, "open", 30 * i) for i in range(5)]
    bob = [_statement(10 + i, "closed", 300 + 30 * i, "Bob") for i in range(5)]
    assert find_changes(ada + bob) == []
    nobody = [_statement(20 + i, "open" if i < 4 else "closed", 30 * i, "AUTHOR") for i in range(8)]
    assert find_changes(nobody) == []


def test_a_change_on_one_proposition_is_found_apart_from_the_side() -> None:
    statements = [_statement(i, "mixed", 30 * i, stance="agree" if i < 4 else "disagree") for i in range(8)]
    (change,) = find_changes(statements)
    assert (change.proposition_id, change.before, change.after) == ("open-release", "agree", "disagree")


@given(st.lists(st.sampled_from("ocmn"), max_size=14))
def test_the_same_statements_in_any_order_give_the_same_changes(letters: list[str]) -> None:
    statements = [_statement(i, LETTERS[letter], 30 * i) for i, letter in enumerate(letters)]
    found = find_changes(statements)
    assert found == find_changes(list(reversed(statements)))
    for change in found:
        assert change.before != change.after
        assert change.not_before < change.changed_at
        assert min(len(change.before_statements), len(change.after_statements)) >= 3


def test_a_few_days_of_exceptions_in_a_long_sequence_are_no_change() -> None:
    """In a hundred days that mix both sides, some run of one of them is to be expected; a lasting change is found all the same."""
    mixed = "ooooc" * 10 + "ccccc" + "ooooc" * 10
    assert _read(mixed) == []
    [change] = _read(mixed + "cccco" * 10)
    assert (change.before, change.after) == ("open", "closed")
