"""Terms in the database: counted by month and outlet, and set against the licences of the models they are said of."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from db.models import ActorRow, Mention, TermRow, TermUse
from db.publish import publish
from db.queries import open_read, rows
from db.serve import build
from db.store import Store
from db.timelines import timeline
from tests.db.samples import ACTORS, AFFILIATIONS, PROPOSITIONS, SIDES, fill

MODELS = [
    ActorRow("llama-2", "Llama 2", "model", licence="restricted"),
    ActorRow("olmo", "OLMo", "model", licence="open-source"),
]
TERMS = [
    TermRow("open-source", "open source", ("weights",), ("open-source",), ("open-weights",), 0),
    TermRow("frontier", "frontier", (), (), (), 1),
]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The hand-made sample; d1 (three articles) says "weights" in a statement, which stands for the term here."""
    path = fill(tmp_path / "debate.db")
    with Store.open(path) as store:
        store.sync_debate(SIDES, PROPOSITIONS, [*ACTORS, *MODELS], AFFILIATIONS)
        store.sync_terms(TERMS)
        run = store.start_run("terms", "1")
        store.save_term_uses(
            run,
            "1",
            [
                (
                    1,
                    [
                        TermUse("open-source", 22, 29, "llama-2", False, "Llama 2 is open source."),
                        TermUse("frontier", 150, 155),
                    ],
                ),
                (4, [TermUse("open-source", 1, 8, "olmo"), TermUse("open-source", 60, 70, "llama-2", True)]),
            ],
        )
    return path


def test_terms_are_counted_by_month_and_by_who_says_them(database: Path) -> None:
    with open_read(database) as connection:
        counted = timeline(connection, "terms")
        view = rows(connection, "SELECT * FROM term_timeline")
        mine = timeline(connection, "terms", filters={"actor": "okafor"})
    names = ("documents", "articles", "uses", "uses_in_statements", "collected", "share", "healthy_sources", "state")
    expected = {(row["period"], row["id"]): tuple(row[name] for name in names) for row in counted.rows}
    assert expected["2024-01", "open-source"] == (1, 3, 1, 1, 5, 0.6, 3, "counted")
    assert expected["2024-01", "frontier"] == (1, 3, 1, 0, 5, 0.6, 3, "counted")
    assert expected["2024-03", "open-source"][:4] == (1, 1, 2, 2)
    assert expected["2024-02", "open-source"] == (None, None, None, None, 0, None, 0, "no data")
    assert {(row["month"], row["term_id"]): tuple(row[name] for name in names) for row in view} == expected
    assert {row["id"]: row["uses"] for row in mine.rows if row["period"] == "2024-01"} == {
        "open-source": 1,
        "frontier": 0,
    }


def test_a_licence_that_does_not_bear_a_term_out_is_misuse_and_a_denial_is_none(database: Path) -> None:
    with open_read(database) as connection:
        found = rows(connection, "SELECT term_id, model_id, licence, verdict FROM term_verdicts ORDER BY use_id")
    assert [tuple(row.values()) for row in found] == [
        ("open-source", "llama-2", "restricted", "misuse"),
        ("open-source", "olmo", "open-source", "right"),
        ("open-source", "llama-2", "restricted", "denied"),
    ]


def test_the_site_shows_misuse_with_who_said_it_and_words_by_outlet(database: Path) -> None:
    async def get(query: str) -> Any:
        return (await build(database).client.get(f"/debatewatch/{query}_shape=array")).json()

    [misuse] = asyncio.run(get("term_misuse.json?"))
    assert (misuse["model"], misuse["said_by"], misuse["outlet"]) == ("Llama 2", "Ines Okafor", "Harbour Wire")
    assert len(asyncio.run(get("term_misuse.json?verdict=all&"))) == 3
    speakers = asyncio.run(get("terms_by_speaker.json?"))
    assert {(row["speaker"], row["uses"]) for row in speakers} == {("Lena Moss", 2), ("Ines Okafor", 1)}
    models = asyncio.run(get("terms_of_models.json?model=llama&"))
    assert {(row["verdict"], row["uses"]) for row in models} == {("misuse", 1), ("denied", 1)}
    outlets = asyncio.run(get("terms_by_outlet.json?term=source&"))
    assert {(row["outlet"], row["uses"], row["in_open_statements"]) for row in outlets} == {
        ("Harbour Wire", 1, 1),
        ("The Courier", 1, 1),
        ("The Ledger", 3, 3),
    }


def test_a_term_that_is_no_longer_named_goes_with_its_uses_and_a_second_pass_replaces(database: Path) -> None:
    with Store.open(database) as store:
        store.sync_terms(TERMS[:1])
        assert store.db.execute("SELECT count(*) FROM term_uses WHERE term_id = 'frontier'").fetchone() == (0,)
        run = store.start_run("terms", "2")
        store.save_term_uses(run, "2", [(1, [])])
        assert store.db.execute("SELECT count(*) FROM term_uses").fetchone() == (2,)


def test_only_mentions_of_models_count_as_models(database: Path) -> None:
    with Store.open(database) as store:
        run = store.start_run("read", "2")
        document = next(store.documents([1]))
        names = [Mention(0, 4, "PERSON", "Ines Okafor", "okafor"), Mention(5, 9, "PRODUCT", "Llama 2", "llama-2")]
        store.save_readings(run, "read", "2", [(document, names, [])])
        assert [m.actor_id for m in store.model_mentions([1, 4])[1]] == ["llama-2"]


def test_the_public_copy_keeps_the_counts(database: Path, tmp_path: Path) -> None:
    publish(database, tmp_path / "public.db")
    with open_read(database) as one, open_read(tmp_path / "public.db") as other:
        assert timeline(one, "terms") == timeline(other, "terms")
