"""Every export: EXPORTS maps its name to the function that makes it. Read-only but for the file it writes.

A new export is one function here with its entry in EXPORTS, and a line in the README (a test demands it).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from db import tables
from db.dna_file import dna_bytes
from db.feed import atom
from db.models import InputError, UnknownNameError
from db.network import gexf, graphml, network
from db.queries import Row, change_evidence, nearest_evidence, open_read, rows
from db.tables import Table
from db.timelines import By, Kind, Timeline, bounds, timeline

Options = Mapping[str, Any]
Make = Callable[[sqlite3.Connection, str, Options], Table | bytes]
"""(connection, format, options) -> a table for any table format, or the finished file."""

TIMELINE_FORMATS = ("csv", "json", "jsonl", "parquet", "html", "png", "svg")
_PERIOD = ("since", "until")


@dataclass(frozen=True, slots=True)
class Export:
    """One export. `formats`: the first is the default; `options`: the names it understands."""

    name: str
    summary: str
    make: Make
    formats: tuple[str, ...] = tables.FORMATS
    options: tuple[str, ...] = _PERIOD


def find_export(name: str) -> Export:
    """The export of that name. Raises UnknownNameError, which lists the names."""
    if name not in EXPORTS:
        raise UnknownNameError(f"no export {name!r}; there are {', '.join(EXPORTS)}")
    return EXPORTS[name]


def write_export(
    db_path: Path, export: Export, *, format: str, output: Path | None, options: Options | None = None
) -> None:
    """Writes an export to a file, or to standard output. Raises InputError for a format or an option it does not know."""
    if format not in export.formats:
        raise InputError(f"export {export.name}: no format {format!r}; there are {', '.join(export.formats)}")
    given = {name: value for name, value in (options or {}).items() if value is not None}
    for name in given:
        if name not in export.options:
            raise InputError(
                f"export {export.name}: no option {name!r}; there are {', '.join(export.options) or 'none'}"
            )
    with open_read(db_path) as connection:
        made = export.make(connection, format, given)
    tables.write(made if isinstance(made, bytes) else tables.encode(made, format), format, output)


def write_timeline(
    db_path: Path,
    kind: str,
    *,
    by: str = "month",
    zone: str = "UTC",
    format: str = "csv",
    output: Path | None = None,
    filters: Options | None = None,
) -> None:
    """Writes a timeline (topics, stances, actors, terms, polarisation) by day, week, month or quarter to a file or standard output.

    filters: those of `db.timelines.timeline`, with since and until (datetimes). Raises InputError for unknown names.
    """
    if kind not in get_args(Kind) or by not in get_args(By):
        known = f"{', '.join(get_args(Kind))} by {', '.join(get_args(By))}"
        raise InputError(f"timeline: no {kind} by {by}; there are {known}")
    chosen = dict(filters or {})
    since, until = chosen.pop("since", None), chosen.pop("until", None)
    with open_read(db_path) as connection:
        counted = timeline(
            connection, cast(Kind, kind), by=cast(By, by), zone=zone, since=since, until=until, filters=chosen
        )
    tables.write(timeline_bytes(counted, format), format, output)


def timeline_bytes(counted: Timeline, format: str) -> bytes:
    """A timeline as a file: a table, or a chart (html: chart and table)."""
    table = Table(counted.columns, counted.rows)
    if format in ("png", "svg", "html"):
        from db.charts import draw

        drawn = draw(counted, format)
        if format == "html":
            # The last one: the library that is inlined in the page has a </body> of its own.
            page, _, rest = drawn.rpartition(b"</body>")
            below = f"<style>{tables.STYLE}</style>\n{tables.html_table(table)}\n"
            return page + below.encode() + b"</body>" + rest
        return drawn
    return tables.encode(table, format)


def _period(options: Options) -> dict[str, str]:
    """since (a day, included) and until (included) as texts that compare with the database's."""
    since, before = bounds(options.get("since"), options.get("until"))
    return {"since": since, "before": before}


def _in_period(column: str) -> str:
    """Undated rows belong to no period: they are there only while none is asked for."""
    return f"(:since = '' OR {column} >= :since) AND (:before = '9999' OR {column} < :before)"


def _table(connection: sqlite3.Connection, title: str, sql: str, parameters: Mapping[str, Any]) -> Table:
    cursor = connection.execute(sql, parameters)
    names = [column[0] for column in cursor.description]
    found: list[Row] = [dict(zip(names, row, strict=True)) for row in cursor]
    for row in found:
        for name in ("authors", "keywords", "aliases", "positions", "config", "counts"):
            if isinstance(row.get(name), str):
                row[name] = json.loads(row[name])
    return Table(names, found, title)


_FIRST_ARTICLE = (
    """(SELECT id FROM articles WHERE document_id = d.id ORDER BY published_at IS NULL, published_at, id LIMIT 1)"""
)
_ARCHIVED = """(SELECT max(f.id) FROM fetches AS f WHERE f.article_id = a.id AND f.warc_file IS NOT NULL)"""


def _statements(connection: sqlite3.Connection, _format: str, options: Options) -> Table:
    return _table(
        connection,
        "Statements",
        f"""SELECT s.id, s.text, s.kind, s.side, round(s.score, 4) AS score, coalesce(x.name, s.speaker_name) AS speaker,
                   s.speaker AS speaker_as_written, s.actor_id, x.kind AS actor_kind,
                   (SELECT json_group_array(json_object('id', p.proposition_id, 'stance', p.stance, 'score', round(p.score, 4)))
                    FROM (SELECT * FROM positions WHERE statement_id = s.id ORDER BY id) AS p) AS positions,
                   d.published_at, d.title, a.url, a.source_id, o.name AS outlet, d.language,
                   (SELECT count(*) FROM articles AS r WHERE r.document_id = d.id) AS articles,
                   s.document_id, s.start, s."end", w.warc_file, w.warc_offset, w.warc_length, s.rule, s.run_id, s.stance_run_id
            FROM statements AS s JOIN documents AS d ON d.id = s.document_id JOIN articles AS a ON a.id = {_FIRST_ARTICLE}
            JOIN sources AS o ON o.id = a.source_id LEFT JOIN actors AS x ON x.id = s.actor_id
            LEFT JOIN fetches AS w ON w.id = {_ARCHIVED}
            WHERE {_in_period("d.published_at")} ORDER BY d.published_at, s.document_id, s.start, s.id""",
        _period(options),
    )


def _articles(connection: sqlite3.Connection, _format: str, options: Options) -> Table:
    return _table(
        connection,
        "Articles",
        f"""SELECT a.id, a.url, a.title, a.authors, a.published_at, a.modified_at, a.source_id, o.name AS outlet, o.country,
                   a.language, a.kind, a.section, a.paywalled, a.sponsored, a.agency, a.parent_url, a.document_id, d.words,
                   CASE WHEN a.id != {_FIRST_ARTICLE} THEN (SELECT url FROM articles WHERE id = {_FIRST_ARTICLE}) END AS reprint_of,
                   (SELECT count(*) FROM statements AS s WHERE s.document_id = d.id) AS statements, t.label AS topic,
                   w.warc_file, w.warc_offset, w.warc_length, a.added_at, a.updated_at
            FROM articles AS a JOIN documents AS d ON d.id = a.document_id JOIN sources AS o ON o.id = a.source_id
            LEFT JOIN current_document_topics AS c ON c.document_id = d.id LEFT JOIN topics AS t ON t.id = c.topic_id
            LEFT JOIN fetches AS w ON w.id = {_ARCHIVED}
            WHERE {_in_period("a.published_at")} ORDER BY a.published_at, a.id""",
        _period(options),
    )


def _documents(connection: sqlite3.Connection, _format: str, options: Options) -> Table:
    text = "d.text," if options.get("text") else ""
    return _table(
        connection,
        "Documents",
        f"""SELECT d.id, d.title, d.authors, d.published_at, d.language, d.kind, d.words, {text} a.url AS first_url,
                   (SELECT count(*) FROM articles AS r WHERE r.document_id = d.id) AS articles,
                   (SELECT count(*) FROM statements AS s WHERE s.document_id = d.id) AS statements,
                   c.topic_id, t.label AS topic, round(c.score, 4) AS topic_score, d.sha256, d.added_at
            FROM documents AS d JOIN articles AS a ON a.id = {_FIRST_ARTICLE}
            LEFT JOIN current_document_topics AS c ON c.document_id = d.id LEFT JOIN topics AS t ON t.id = c.topic_id
            WHERE {_in_period("d.published_at")} ORDER BY d.published_at, d.id""",
        _period(options),
    )


def _mentions(connection: sqlite3.Connection, _format: str, options: Options) -> Table:
    return _table(
        connection,
        "Mentions",
        f"""SELECT m.id, m.actor_id, coalesce(x.name, m.name) AS name, m.type, m.document_id,
                   substr(d.text, m.start + 1, m."end" - m.start) AS text,
                   m.start, m."end", d.published_at, d.title, a.url, a.source_id, m.run_id
            FROM mentions AS m JOIN documents AS d ON d.id = m.document_id JOIN articles AS a ON a.id = {_FIRST_ARTICLE}
            LEFT JOIN actors AS x ON x.id = m.actor_id
            WHERE {_in_period("d.published_at")} ORDER BY d.published_at, m.document_id, m.start, m.id""",
        _period(options),
    )


def _topics(connection: sqlite3.Connection, _format: str, options: Options) -> Table:
    return _table(
        connection,
        "Topics",
        f"""SELECT t.id, t.label, t.label_edited, t.keywords, count(DISTINCT a.document_id) AS documents, count(a.id) AS articles,
                   min(a.published_at) AS first_at, max(a.published_at) AS last_at, d.title AS typical_title,
                   t.run_id AS born_run_id, t.ended_run_id
            FROM topics AS t LEFT JOIN current_document_topics AS c ON c.topic_id = t.id
            LEFT JOIN articles AS a ON a.document_id = c.document_id AND {_in_period("a.published_at")}
            LEFT JOIN documents AS d ON d.id = t.document_id
            GROUP BY t.id ORDER BY t.ended_run_id IS NOT NULL, documents DESC, t.id""",
        _period(options),
    )


def _sources(connection: sqlite3.Connection, _format: str, _options: Options) -> Table:
    return _table(
        connection,
        "Sources",
        """SELECT h.source_id, h.source, s.url, s.kind, s.country, s.language, h.state, h.why, h.since, h.articles,
                  h.articles_7_days, h.week, h.usual_week, h.fetches, h.failed, h.disallowed, h.failed_share, h.refused_share,
                  h.paywalled_share, h.undated_share, h.mean_words, h.last_published_at,
                  h.last_fetch_at, h.last_success_at, s.added_at,
                  s.removed_at
           FROM source_health AS h JOIN sources AS s ON s.id = h.source_id ORDER BY h.source_id""",
        {},
    )


def _changes(connection: sqlite3.Connection, _format: str, options: Options) -> Table:
    found = rows(
        connection,
        f"""SELECT c.id, coalesce(x.name, c.speaker_name) AS speaker, c.actor_id, c.proposition_id,
                  coalesce(p.label, 'side as a whole') AS about, c.before, c.after, c.not_before, c.changed_at,
                  round(c.strength, 4) AS strength, c.method, c.run_id
            FROM position_changes AS c LEFT JOIN actors AS x ON x.id = c.actor_id
            LEFT JOIN propositions AS p ON p.id = c.proposition_id
            WHERE {_in_period("c.changed_at")} ORDER BY c.changed_at, c.id""",
        _period(options),
    )
    for row in found:
        evidence = change_evidence(connection, row["id"])
        for moment, nearest in zip(("before", "after"), nearest_evidence(evidence), strict=True):
            row[f"statements_{moment}"] = [s["statement_id"] for s in evidence if s["moment"] == moment]
            row[f"text_{moment}"] = nearest["text"] if nearest else None
            row[f"url_{moment}"] = nearest["url"] if nearest else None
    names = [
        "id",
        "speaker",
        "actor_id",
        "proposition_id",
        "about",
        "before",
        "after",
        "not_before",
        "changed_at",
        "strength",
    ]
    names += ["method", "run_id"]
    names += [f"{what}_{moment}" for moment in ("before", "after") for what in ("statements", "text", "url")]
    return Table(names, found, "Changes of position")


def _network(connection: sqlite3.Connection, format: str, options: Options) -> Table | bytes:
    net = network(connection, options, **_period(options))
    if format == "graphml":
        return graphml(net)
    return gexf(net) if format == "gexf" else net.table()


def _dna(connection: sqlite3.Connection, _format: str, options: Options) -> bytes:
    return dna_bytes(connection, **_period(options))


def _atom(connection: sqlite3.Connection, _format: str, options: Options) -> bytes:
    period = _period(options)
    return atom(connection, since=period["since"], before=period["before"])


EXPORTS: dict[str, Export] = {
    export.name: export
    for export in (
        Export("statements", "every statement: evidence, speaker, side, positions, and where it stands", _statements),
        Export("articles", "every article, with its outlet, reprints, topic and archived page", _articles),
        Export("documents", "every unique text, without the text itself", _documents, options=(*_PERIOD, "text")),
        Export("mentions", "every name found, with its actor and its place", _mentions),
        Export("topics", "topics with keywords, sizes and first and last date", _topics),
        Export("changes", "changes of position with the evidence before and after", _changes),
        Export("sources", "sources and how they are doing", _sources, options=()),
        Export(
            "network",
            "a discourse network, as Discourse Network Analyzer computes it",
            _network,
            ("csv", "graphml", "gexf", "json"),
            (*_PERIOD, "mode", "rows", "columns", "qualifier", "normalization", "duplicates", "isolates", "exclude"),
        ),
        Export("dna", "a file for Discourse Network Analyzer (the coder's password is debatewatch)", _dna, ("dna",)),
        Export("atom", "changes of position, bursts of topics and new actors as an Atom feed", _atom, ("atom", "xml")),
    )
}
