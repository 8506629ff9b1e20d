"""A small real database, filled through Store, with figures that a person can count. Other test files may use it too.

Days and what was collected (articles; d1 is a wire story with two reprints, d2 is updated, d6 undated):

  2024-01  a1 (d1, 10 Jan, harbour)  a2 (d1, 11 Jan, courier)  a3 (d1, 11 Jan, ledger)  a4 (d2, then d3, 20 Jan, courier);
           off topic: one page
  2024-02  nothing at all                                     -> no data
  2024-03  a5 (d4, 14 Mar, ledger, a post); off topic: one page
  2024-04  only an off-topic page                             -> collected, all counts zero
  2024-05  a6 (d5, 31 May 23:30 in New York = 1 June in UTC)  -> belongs to 2024-06
  2024-06  a6
  undated  a7 (d6)

Statements: see STATEMENTS. Topic 1 has d1 and d4, topic 2 has d3 (the update of a4) and d5; d6 has none.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from db.models import (
    ActorRow,
    AffiliationRow,
    Article,
    Document,
    Fetch,
    Judgement,
    Mention,
    Position,
    PositionChange,
    PropositionRow,
    SideRow,
    SourceRow,
    Speaker,
    Statement,
    Topic,
    TopicAssignment,
)
from db.store import Store

NEW_YORK = timezone(timedelta(hours=-4))

SOURCES = [
    SourceRow("harbour", "Harbour Wire", "https://harbour.example/", "sitemap", "US", "en"),
    SourceRow("courier", "The Courier", "https://courier.example/", "feed", "US", "en"),
    SourceRow("ledger", "The Ledger", "https://ledger.example/", "feed", "GB", "en"),
]
SIDES = [
    SideRow("open", "Open", "#0072B2", 0),
    SideRow("closed", "Closed", "#D55E00", 1),
    SideRow("mixed", "Mixed", "#8C6BB1", 2),
    SideRow("neutral", "Neutral", "#8A8A8A", 3),
]
PROPOSITIONS = [
    PropositionRow("open-release", "Models should be released openly.", "Release openly", "open", 0),
    PropositionRow("misuse", "Open weights help malicious actors.", "Misuse", "closed", 1),
    PropositionRow("open-washing", "Models called open are not open.", "Open-washing", None, 2),
]
ACTORS = [
    ActorRow("okafor", "Ines Okafor", "person", ("Dr. Okafor",)),
    ActorRow("brandvik", "Tomas Brandvik", "person"),
    ActorRow("corvid", "Corvid Labs", "company", ("Corvid",)),
    ActorRow("brindle", "Brindle Institute", "organisation"),
]
AFFILIATIONS = [
    AffiliationRow("brandvik", "corvid", "chief executive", "2020"),
    AffiliationRow("okafor", "brindle", "researcher", "2019", "2024-03"),
]

_FILLER = " ".join(f"Filler sentence number {number} keeps this text long." for number in range(40))
TEXTS = {
    1: f"Ines Okafor said that weights should be public.\n\nTomas Brandvik said that open weights help criminals.\n\n{_FILLER} one",
    2: f"The first version of a report, with nothing in it.\n\n{_FILLER} two",
    3: f"The second version of a report. Tomas Brandvik said that it depends 🙂 on the model.\n\n{_FILLER} three",
    4: f'=Weights should be public, wrote Lena Moss, and "criminals" have <b>other</b> tools.\n\n{_FILLER} four',
    5: f"Ines Okafor said that the best models should stay closed, for open weights help criminals.\n\n{_FILLER} five",
    6: f"Tomas Brandvik said that Corvid Labs would publish everything.\n\n{_FILLER} six",
}

STATEMENTS: list[tuple[int, str, str, str | None, str, list[tuple[str, str]]]] = [
    (1, "Ines Okafor said that weights should be public", "Ines Okafor", "okafor", "open", [("open-release", "agree")]),
    (
        1,
        "Tomas Brandvik said that open weights help criminals",
        "Tomas Brandvik",
        "brandvik",
        "closed",
        [("misuse", "agree")],
    ),
    (3, "Tomas Brandvik said that it depends 🙂 on the model", "Tomas Brandvik", "brandvik", "mixed", []),
    (
        4,
        '=Weights should be public, wrote Lena Moss, and "criminals" have <b>other</b> tools',
        "Lena Moss",
        None,
        "open",
        [("open-release", "agree"), ("misuse", "disagree")],
    ),
    (
        5,
        "Ines Okafor said that the best models should stay closed, for open weights help criminals",
        "Ines Okafor",
        "okafor",
        "closed",
        [("open-release", "disagree"), ("misuse", "agree")],
    ),
    (
        6,
        "Tomas Brandvik said that Corvid Labs would publish everything",
        "Tomas Brandvik",
        "brandvik",
        "open",
        [("open-release", "agree")],
    ),
]
"""(document, evidence, speaker, actor, side, positions), in the order of their ids."""


def fill(path: Path) -> Path:
    """Makes the database; returns its path."""
    with Store.open(path) as store:
        store.sync_sources(SOURCES)
        store.sync_debate(SIDES, PROPOSITIONS, ACTORS, AFFILIATIONS)
        crawl = store.start_run("crawl", "1")
        _collect(store, crawl)
        store.finish_run(crawl, "done", {"stored": 6})
        _read(store)
        _group(store)
    return path


def _collect(store: Store, run: int) -> None:
    first = _save(store, run, "harbour", 1, "wire", datetime(2024, 1, 10, 9, tzinfo=UTC))
    _save(store, run, "courier", 1, "reprint-1", datetime(2024, 1, 11, 9, tzinfo=UTC), join=first)
    _save(store, run, "ledger", 1, "reprint-2", datetime(2024, 1, 11, 12, tzinfo=UTC), join=first)
    _save(store, run, "courier", 2, "report", datetime(2024, 1, 20, 8, tzinfo=UTC))
    _save(store, run, "courier", 3, "report", datetime(2024, 1, 20, 8, tzinfo=UTC))
    _save(store, run, "ledger", 4, "post", datetime(2024, 3, 14, 8, tzinfo=UTC), kind="post")
    _save(store, run, "harbour", 5, "evening", datetime(2024, 5, 31, 23, 30, tzinfo=NEW_YORK))
    _save(store, run, "ledger", 6, "undated", None)
    for name, day in (
        ("gardening", datetime(2024, 1, 5, tzinfo=UTC)),
        ("football", datetime(2024, 3, 2, tzinfo=UTC)),
        ("weather", datetime(2024, 4, 2, tzinfo=UTC)),
    ):
        # Fetched twice: still one page of the denominator.
        for hour in (1, 2):
            fetched = datetime(2024, 6, 2, hour, tzinfo=UTC)
            store.record_fetch(
                run, Fetch("courier", f"https://courier.example/{name}", "off_topic", fetched, published_at=day)
            )
    store.record_fetch(
        run,
        Fetch("ledger", "https://ledger.example/gone", "failed", datetime(2024, 6, 2, tzinfo=UTC), reason="HTTP 503"),
    )
    store.record_failure(run, "crawl", "HTTPError", "HTTP 503", url="https://ledger.example/gone")


def _save(
    store: Store,
    run: int,
    source: str,
    text: int,
    slug: str,
    when: datetime | None,
    *,
    kind: str = "article",
    join: int | None = None,
) -> int:
    url = f"https://{source}.example/{slug}"
    body = TEXTS[text] if join is None else f"{TEXTS[text]} {source} added a line."
    article = Article(url, f"Title of {slug}", body, ("A. Writer",), when, language="en", kind=kind)  # type: ignore[arg-type]
    fetch = Fetch(
        source,
        url,
        "stored",
        datetime(2024, 6, 2, tzinfo=UTC),
        status=200,
        warc_file="pages.warc.gz",
        warc_offset=10 * text,
        warc_length=9,
    )
    return store.save_article(
        run, source, article, near=[join] if join else [], fetch=fetch, bands=[text, 7]
    ).document_id


def _read(store: Store) -> None:
    read = store.start_run("read", "1")
    readings = []
    for document in store.documents():
        number = _number(document)
        statements = [_statement(document, *row[1:4]) for row in STATEMENTS if row[0] == number]
        at = document.text.find("Corvid Labs")
        mentions = [Mention(at, at + 11, "ORG", "Corvid Labs", "corvid")] if at >= 0 else []
        readings.append((document, mentions, statements))
    store.save_readings(read, "read", "1", readings)
    store.finish_run(read, "done")
    judge = store.start_run("stance", "1", models={"stance.bin": "0" * 64})
    judged = []
    for stored, row in zip(store.statements_to_judge("1"), STATEMENTS, strict=True):
        assert stored.text == row[1]
        positions = tuple(Position(proposition, stance, 0.9) for proposition, stance in row[5])  # type: ignore[arg-type]
        judged.append((stored.id, Judgement(row[4], 0.8, positions)))
    store.save_judgements(judge, "1", judged)
    store.replace_position_changes(
        judge,
        [
            PositionChange("Ines Okafor", "okafor", "open-release", "agree", "disagree", datetime(2024, 1, 10, tzinfo=UTC),
                           datetime(2024, 6, 1, 3, 30, tzinfo=UTC), 0.75, (1,), (5,), "test"),
        ],
    )  # fmt: skip
    store.finish_run(judge, "done")


def _number(document: Document) -> int:
    """Which of TEXTS a document carries: ids follow the order in which texts were first seen, which is theirs."""
    return next(number for number, text in TEXTS.items() if document.text == text)


def _statement(document: Document, evidence: str, speaker: str, actor: str | None) -> Statement:
    start = document.text.index(evidence)
    at = document.text.index(speaker, start)
    return Statement(
        start, start + len(evidence), Speaker(speaker, speaker, actor, at, at + len(speaker)), "indirect", "test"
    )


def _group(store: Store) -> None:
    run = store.start_run("topics", "1")
    topics = [
        Topic(1, "Releasing weights", ("weights", "release"), 2, b"\0" * 4, 1),
        Topic(2, "Corvid's models", ("corvid", "model"), 2, b"\0" * 4, 5),
    ]
    of = {1: 1, 3: 2, 4: 1, 5: 2, 6: None}
    store.save_topics(run, topics, [TopicAssignment(document, topic, 0.7) for document, topic in of.items()])
    store.save_embeddings("test", [(1, b"\1" * 16, None)])
    store.finish_run(run, "done")
