"""The site's own pages: takes a request, reads in one snapshot, and renders a template. Templates escape everything."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from datasette.database import QueryInterrupted
from datasette.utils import sqlite_timelimit
from datasette.utils.asgi import NotFound, Response
from markupsafe import Markup

from db.models import ArchiveError, from_iso
from db.queries import Row
from db.site import cells, figures, marks, reads
from db.site.marks import Span
from db.site.security import ARCHIVED_PAGE_POLICY
from db.timelines import Timeline

Result = TypeVar("Result")

PAGE_LIMIT_MS = 10_000
"""For all reads of one page together; those of the front page of 20,000 articles take well under a second."""
_MAX_ID = 2**63 - 1


def database_of(datasette: Any) -> Any:
    """The Debatewatch database: the one called so, else the first with statements in front of it."""
    if "debatewatch" in datasette.databases:
        return datasette.databases["debatewatch"]
    return next(database for name, database in datasette.databases.items() if not name.startswith("_"))


async def read(datasette: Any, reader: Callable[[sqlite3.Connection], Result]) -> Result:
    """Runs all reads of a page in one snapshot (a crawl may be writing), within the time limit."""

    def in_thread(connection: sqlite3.Connection) -> Result:
        with sqlite_timelimit(connection, PAGE_LIMIT_MS):
            connection.execute("BEGIN")
            try:
                return reader(connection)
            except sqlite3.OperationalError as error:
                if error.args == ("interrupted",):
                    raise QueryInterrupted(error, "page", {}) from error
                raise
            finally:
                connection.rollback()

    found: Result = await database_of(datasette).execute_fn(in_thread)
    return found


async def home_variables(datasette: Any) -> dict[str, Any]:
    """What the template of the front page needs."""
    found = await read(datasette, reads.home)
    found["stance_figure"] = bars(found["stances"], "Statements by side and quarter", value="statements")
    for topic in found["topics"]:
        topic["figure"] = figures.sparkline(topic.pop("values"), title=f"Texts by quarter: {topic['label']}")
    return found


async def statement(request: Any, datasette: Any) -> Any:
    """One statement in its text, with everything it rests on."""
    number = _number(request, "statement")
    found = await read(datasette, lambda connection: reads.statement(connection, number))
    if found is None:
        raise NotFound(f"No statement {number}")
    said, text = found["statement"], found["document"]["text"]
    there = text[said["start"] : said["finish"]] == said["text"]
    if there:
        spans = [
            Span(
                said["start"], said["finish"], f"evidence side-{_css(said['side'])}", "the evidence", anchor="evidence"
            )
        ]
        if said["speaker_start"] is not None:
            spans.append(Span(said["speaker_start"], said["speaker_end"], "speaker", "the speaker"))
        start, end = marks.paragraph_around(text, said["start"], said["finish"])
        if said["speaker_start"] is not None:
            start = min(start, marks.paragraph_around(text, said["speaker_start"], said["speaker_end"])[0])
        found["passage"] = marks.paragraphs(text, spans, start=start, end=end)
    found["there"] = there
    return await _render(datasette, request, "dw_statement.html", found)


async def document(request: Any, datasette: Any) -> Any:
    """A whole text with its statements and names marked."""
    number = _number(request, "document")
    found = await read(datasette, lambda connection: reads.document(connection, number))
    if found is None:
        raise NotFound(f"No document {number}")
    text, path = found["document"]["text"], datasette.urls.path
    spans = [
        Span(
            said["start"],
            said["finish"],
            f"evidence side-{_css(said['side'])}",
            f"{said['name']}: {said['side'] or 'not judged'}",
            path(f"/-/statement/{said['id']}"),
            f"s{said['id']}",
        )
        for said in found["statements"]
    ]
    spans += [
        Span(
            name["start"],
            name["finish"],
            "mention",
            f"{name['actor'] or name['name']} ({name['type']})",
            path(f"/-/actor/{quote(name['actor_id'], safe='')}") if name["actor_id"] else None,
        )
        for name in found["mentions"]
    ]
    found["paragraphs"] = marks.paragraphs(text, spans)
    return await _render(datasette, request, "dw_document.html", found)


async def actor(request: Any, datasette: Any) -> Any:
    """An actor: who they are, what they said, what changed."""
    key = unquote(request.url_vars["id"])
    found = await read(datasette, lambda connection: reads.actor(connection, key))
    if found is None:
        raise NotFound(f"No actor {key!r}")
    return await _spoken(datasette, request, found["profile"]["name"], found)


async def speaker(request: Any, datasette: Any) -> Any:
    """A speaker who is linked to no actor."""
    name = unquote(request.url_vars["name"])
    found = await read(datasette, lambda connection: reads.speaker(connection, name))
    if found is None:
        raise NotFound(f"Nobody called {name!r} has said anything here")
    return await _spoken(datasette, request, name, {**found, "profile": None})


async def _spoken(datasette: Any, request: Any, name: str, found: dict[str, Any]) -> Any:
    path = datasette.urls.path
    points = [
        (moment, said["side"], f"{said['published_at'][:10]}: {said['text'][:160]}", path(f"/-/statement/{said['id']}"))
        for said in found["statements"]
        if said["side"] and (moment := from_iso(said["published_at"])) is not None
    ]
    found["figure"] = figures.lanes(
        points,
        [(side["id"], side["name"]) for side in found["sides"]],
        colors={side["id"]: side["color"] for side in found["sides"]},
        title=f"Statements of {name} by side and date",
    )
    return await _render(datasette, request, "dw_actor.html", {**found, "name": name})


async def topic(request: Any, datasette: Any) -> Any:
    """A topic: its words, its timeline, its documents."""
    number = _number(request, "topic")
    found = await read(datasette, lambda connection: reads.topic(connection, number))
    if found is None:
        raise NotFound(f"No topic {number}")
    found["figure"] = bars(found["timeline"], "Texts by month", value="documents") if found["timeline"] else Markup("")
    return await _render(datasette, request, "dw_topic.html", found)


async def search(request: Any, datasette: Any) -> Any:
    """Statements, texts and actors with some words."""
    words = (request.args.get("q") or "")[:200]
    found = await read(datasette, lambda connection: reads.search(connection, words))
    return await _render(datasette, request, "dw_search.html", {**found, "q": words})


async def about(request: Any, datasette: Any) -> Any:
    """How it is made, and its limits."""
    return await _render(datasette, request, "dw_about.html", await read(datasette, reads.about))


async def archive(request: Any, datasette: Any) -> Any:
    """An archived page in a frame, under a banner that says what it is."""
    number = _number(request, "archived page")
    where, answer, problem = await _answer(datasette, number)
    variables = {
        "where": where,
        "answer": answer,
        "problem": problem,
        "shown": answer is not None and _is_text(answer.content_type),
    }
    return await _render(datasette, request, "dw_archive.html", variables)


async def archived_page(request: Any, datasette: Any) -> Any:
    """The archived page itself, in a sandbox: no scripts, no forms, nothing loaded. For the frame of `archive`."""
    number = _number(request, "archived page")
    _, answer, problem = await _answer(datasette, number)
    if answer is None:
        raise NotFound(problem)
    if not _is_text(answer.content_type):
        raise NotFound(f"The archived answer is {answer.content_type or 'of unknown type'}, which is not shown")
    kind, _, rest = answer.content_type.partition(";")
    charset = next(
        (p.strip()[8:].strip("\"' ") for p in rest.split(";") if p.strip().lower().startswith("charset=")), ""
    )
    is_page = kind.strip().lower() in ("text/html", "application/xhtml+xml")
    content_type = "text/html" if is_page else "text/plain"
    if charset.replace("-", "").replace("_", "").isalnum() and charset.isascii():
        content_type += f"; charset={charset}"
    return Response(answer.body, headers={"content-security-policy": ARCHIVED_PAGE_POLICY}, content_type=content_type)


async def _answer(datasette: Any, number: int) -> tuple[Row, Any, str]:
    from db.archive_reader import read_answer

    where = await read(datasette, lambda connection: reads.archived(connection, number))
    if where is None:
        raise NotFound(f"Request {number} has no archived page here")
    folder = Path(database_of(datasette).path).parent / "archive"
    try:
        return where, read_answer(folder, where["warc_file"], where["warc_offset"]), ""
    except ArchiveError as error:
        return where, None, str(error)


def _is_text(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in ("application/xhtml+xml", "application/json", "application/xml")


def bars(counted: Timeline, title: str, *, value: str) -> Markup:
    """A timeline as stacked bars; periods without data are hatched."""
    periods = list(dict.fromkeys(row["period"] for row in counted.rows))
    counts = {(row["period"], row["id"]): row[value] for row in counted.rows}
    return figures.stacked_bars(periods, counted.series, counts, colors=counted.colors, title=title)


def _number(request: Any, what: str) -> int:
    number = int(request.url_vars["id"])
    if number > _MAX_ID:
        raise NotFound(f"No {what} {number}")
    return number


def _css(side: str | None) -> str:
    return side if side in ("open", "closed", "mixed", "neutral") else "other"


async def _render(datasette: Any, request: Any, template: str, variables: Mapping[str, Any]) -> Any:
    return Response.html(await datasette.render_template(template, dict(variables), request=request))


ROUTES: Sequence[tuple[str, Callable[..., Any]]] = (
    (r"^/-/statement/(?P<id>\d+)$", statement),
    (r"^/-/document/(?P<id>\d+)$", document),
    (r"^/-/actor/(?P<id>.+)$", actor),
    (r"^/-/speaker/(?P<name>.+)$", speaker),
    (r"^/-/topic/(?P<id>\d+)$", topic),
    (r"^/-/archive/(?P<id>\d+)$", archive),
    (r"^/-/archive/(?P<id>\d+)/page$", archived_page),
    (r"^/-/search$", search),
    (r"^/-/about$", about),
)

FILTERS: Mapping[str, Callable[..., Any]] = {
    "day": lambda value: cells.moment(value, day_only=True),
    "moment": cells.moment,
    "side": cells.side_label,
    "side_css": _css,
    "outside": cells.outside,
    "wikidata": lambda value: cells.wikidata(value) or value,
    "quoted": lambda value: quote(str(value), safe=""),
}
"""Filters of the templates."""
