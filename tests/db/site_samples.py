"""A small database for the tests of the site: two sources, a reprint, a change of position, an archive, and hostile text.

Everything in it is made up. Built through the store, as the program does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

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
    TermRow,
    TermUse,
    Topic,
    TopicAssignment,
    TopicBurst,
)
from db.store import Store

START = datetime(2024, 3, 14, 9, 30, tzinfo=UTC)
EVIDENCE_BEFORE = "“We will never publish weights,” Brandvik said."
EVIDENCE_AFTER = "“Openness makes our models safer,” Brandvik said."
EVIDENCE_OTHER = "Priya Raman argues that open models drive innovation."
HOSTILE = '<script>window.hacked=1</script><img src=x onerror="window.hacked=1">"\'&'
HOSTILE_URLS = ("javascript:window.hacked=1", 'https://evil.test/"onmouseover="window.hacked=1', "data:text/html,x")


@dataclass(frozen=True)
class Sample:
    """Where it lies, and the ids that tests ask for."""

    path: Path
    before: int
    after: int
    other: int
    document: int
    archived: int


def _warc(folder: Path, body: bytes, content_type: str, url: str) -> tuple[str, int, int]:
    folder.mkdir(exist_ok=True)
    with (folder / "sample-00000.warc.gz").open("ab") as file:
        writer = WARCWriter(file, gzip=True)
        writer.write_record(writer.create_warcinfo_record("sample-00000.warc.gz", {"software": "tests"}))
        offset = file.tell()
        headers = StatusAndHeaders("200 OK", [("Content-Type", content_type)], protocol="HTTP/1.1")
        writer.write_record(writer.create_warc_record(url, "response", payload=BytesIO(body), http_headers=headers))
        return "sample-00000.warc.gz", offset, file.tell() - offset


def _statement(text: str, evidence: str, surface: str, name: str, actor: str | None, kind: str = "direct") -> Statement:
    start = text.index(evidence)
    spoken = text.find(surface, start) if surface else -1
    speaker = Speaker(
        surface or name, name, actor, spoken if spoken >= 0 else None, spoken + len(surface) if spoken >= 0 else None
    )
    return Statement(start, start + len(evidence), speaker, kind, rule="test")  # type: ignore[arg-type]


def _judge(store: Store, run: int, sides: Sequence[tuple[str, tuple[Position, ...]]]) -> list[int]:
    waiting = store.statements_to_judge("1")
    store.save_judgements(
        run, "1", [(s.id, Judgement(side, 0.91, held)) for s, (side, held) in zip(waiting, sides, strict=True)]
    )
    return [s.id for s in waiting]


def build_sample(folder: Path, *, hostile: bool = False) -> Sample:
    """Builds `sample.db` and `archive/` in a folder."""
    path = folder / "sample.db"
    with Store.open(path) as store:
        store.sync_sources(
            [
                SourceRow("meridian", "The Meridian Courier", "http://127.0.0.1:9/rss", "feed", "US", "en"),
                SourceRow(
                    "harbour",
                    HOSTILE if hostile else "Harbour Wire",
                    "http://127.0.0.1:9/news.xml",
                    "sitemap",
                    "GB",
                    "en",
                ),
            ]
        )
        store.sync_debate(
            [
                SideRow("open", "Open", "#0072B2", 0),
                SideRow("closed", "Closed", "#D55E00", 1),
                SideRow("mixed", "Mixed", "#8C6BB1", 2),
                SideRow("neutral", "Neutral", "#8A8A8A", 3),
            ],
            [
                PropositionRow(
                    "open-safer", "Openness makes AI safer.", HOSTILE if hostile else "Openness is safer", "open", 0
                ),
                PropositionRow("open-innovation", "Open models drive innovation.", "Innovation", "open", 1),
            ],
            [
                ActorRow(
                    "brandvik",
                    HOSTILE if hostile else "Tomas Brandvik",
                    "person",
                    ("Brandvik",),
                    "Q42",
                    "chief executive of Corvid Labs",
                ),
                ActorRow("raman", "Priya Raman", "person", (), "javascript:alert(1)" if hostile else None, "founder"),
                ActorRow("corvid", "Corvid Labs", "company"),
            ],
            [AffiliationRow("brandvik", "corvid", "chief executive", "2019")],
        )
        crawl = store.start_run("crawl", "1")
        texts = [
            f"Brandvik spoke on Thursday.\n\nAt Corvid Labs the tone was firm. {EVIDENCE_BEFORE} Nobody asked why."
            "\n\nThe hall emptied.",
            f"A year on, the tone has changed.\n\n{EVIDENCE_AFTER} He smiled.\n\n{EVIDENCE_OTHER}",
        ]
        if hostile:
            texts = [f"{HOSTILE}\n\n{text} {HOSTILE}" for text in texts]
        title = HOSTILE if hostile else "Corvid Labs"
        urls = HOSTILE_URLS if hostile else tuple(f"http://127.0.0.1:9/{n}.html" for n in range(3))
        page = (
            b"<html><head><script>top.hacked=1</script></head><body><h1>Kept page</h1>"
            b"<form action=/x><button>go</button></form></body></html>"
        )
        documents, fetch_ids = [], []
        for n, (source, text, days) in enumerate(
            [("meridian", texts[0], 0), ("harbour", texts[0], 1), ("meridian", texts[1], 550)]
        ):
            kept = _warc(
                folder / "archive", page, "text/html; charset=utf-8", urls[n] if not hostile else "http://127.0.0.1/x"
            )
            moment = START + timedelta(days=days)
            article = Article(urls[n], f"{title} {n}", text, ("Noor Castellan",), moment, language="en")
            fetch = Fetch(
                source,
                urls[n],
                "stored",
                START + timedelta(days=600),
                status=200,
                warc_file=kept[0],
                warc_offset=kept[1],
                warc_length=kept[2],
            )
            saved = store.save_article(crawl, source, article, fetch=fetch)
            documents.append(saved.document_id)
            fetch_ids.append(store.db.execute("SELECT max(id) FROM fetches").fetchone()[0])
        store.finish_run(crawl, "done", {"stored": 3})
        reading = store.start_run("statements", "1")
        first, second = (next(store.documents([number])) for number in (documents[0], documents[2]))
        store.save_readings(reading, "statements", "1", [_first(first), _second(second)])
        judging = store.start_run("stance", "1")
        safer, innovation = "open-safer", "open-innovation"
        before, after, other = _judge(
            store,
            judging,
            [
                ("closed", (Position(safer, "disagree", 0.8),)),
                ("open", (Position(safer, "agree", 0.9),)),
                ("open", (Position(innovation, "agree", 0.9), Position(safer, "agree", 0.7))),
            ],
        )
        topics = store.start_run("topics", "1")
        store.save_topics(
            topics,
            [
                Topic(
                    1,
                    HOSTILE if hostile else "Corvid and its weights",
                    ("weights", HOSTILE if hostile else "corvid"),
                    2,
                    b"\0" * 8,
                    documents[0],
                )
            ],
            [TopicAssignment(documents[0], 1, 0.8), TopicAssignment(documents[2], 1, 0.7)],
        )
        changes = store.start_run("changes", "1")
        store.replace_position_changes(
            changes,
            [
                PositionChange(
                    "Tomas Brandvik",
                    "brandvik",
                    None,
                    "closed",
                    "open",
                    START,
                    START + timedelta(days=550),
                    0.9,
                    (before,),
                    (after,),
                    "test",
                )
            ],
        )
        store.replace_topic_bursts(changes, [TopicBurst(1, date(2024, 1, 1), date(2024, 1, 7), 4, 0.5, 6.0, "test")])
        store.sync_terms([TermRow("open", "open", (), ("open-source",), (), 0)])
        name = HOSTILE if hostile else "Corvid-1"
        store.db.execute(
            "INSERT INTO actors (id, name, kind, licence) VALUES ('corvid-1', ?, 'model', 'restricted')", [name]
        )
        store.save_term_uses(changes, "1", [(documents[0], [TermUse("open", 3, 7, "corvid-1", sentence=name)])])
        store.record_failure(
            reading, "statements", "ValueError", HOSTILE if hostile else "nothing to read", url=urls[0]
        )
    return Sample(path, before, after, other, documents[0], fetch_ids[0])


def _first(document: Document) -> tuple[Document, list[Mention], list[Statement]]:
    at = document.text.index("Corvid Labs")
    return (
        document,
        [Mention(at, at + 11, "ORG", "Corvid Labs", "corvid")],
        [_statement(document.text, EVIDENCE_BEFORE, "Brandvik", "Tomas Brandvik", "brandvik")],
    )


def _second(document: Document) -> tuple[Document, list[Mention], list[Statement]]:
    return (
        document,
        [],
        [
            _statement(document.text, EVIDENCE_AFTER, "Brandvik", "Tomas Brandvik", "brandvik"),
            _statement(document.text, EVIDENCE_OTHER, "Priya Raman", "Priya Raman / guest", None, "indirect"),
        ],
    )
