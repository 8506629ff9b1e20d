"""Discourse networks as Discourse Network Analyzer computes them: same variables, choices, defaults and figures. Read-only.

Definitions: Leifeld, "Discourse Network Analysis" (2017), and the reference tool's export (github.com/leifeld/dna), which this
follows to the figure, its cosine normalisation (the product of both activities) included. A statement counts once for every
proposition it takes a position on; agreeing is qualifier 1, disagreeing 0.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from xml.etree import ElementTree

from db.models import AUTHOR, InputError
from db.queries import Row, rows
from db.tables import Table, xml_bytes, xml_text

MODES = ("twomode", "onemode")
VARIABLES = (
    *("organisation", "person", "actor", "proposition", "side"),
    *("author", "source", "section", "type", "id", "title"),
)
"""Those of statements, then the reference tool's variables of documents."""
QUALIFIERS = {"twomode": ("ignore", "combine", "subtract"), "onemode": ("ignore", "congruence", "conflict", "subtract")}
NORMALIZATIONS = {"twomode": ("no", "activity", "prominence"), "onemode": ("no", "average", "jaccard", "cosine")}
DUPLICATES = ("include", "document", "week", "month", "year", "acrossrange")
_SYNONYMS = {"organization": "organisation", "concept": "proposition"}
"""Names that users of the reference tool know."""

Counts = list[list[tuple[int, int]]]
"""rows x columns: (times disagreed, times agreed)."""


@dataclass(frozen=True, slots=True)
class Network:
    """A weighted network: `weights[i][j]` is the tie from `row_names[i]` to `column_names[j]`. One-mode is square, symmetric."""

    mode: str
    rows: str
    columns: str
    row_names: tuple[str, ...]
    column_names: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]

    def table(self) -> Table:
        """The matrix with its labels."""
        names = [self.rows, *self.column_names]
        content = [
            dict(zip(names, [label, *map(_plain, line)], strict=True))
            for label, line in zip(self.row_names, self.weights, strict=True)
        ]
        return Table(names, content, f"{self.rows} x {self.columns if self.mode == 'twomode' else self.rows}")


def positions_taken(connection: sqlite3.Connection, since: str, before: str) -> list[Row]:
    """Every position of every statement that an article still carries, by date: statement_id, document_id, date, actor, person,
    organisation, proposition, proposition_id, side, agree (0, 1), and of the document author, source, section, type, id, title
    (those of its first article). Undated ones only when the period is open."""
    found = rows(
        connection,
        """SELECT s.id AS statement_id, s.document_id, s.start, s."end", s.speaker_name, s.actor_id, s.side, a.kind AS actor_kind,
                  a.name AS actor_name, p.id AS proposition_id, p.label AS proposition, x.stance = 'agree' AS agree,
                  d.published_at AS date, d.authors, r.section, d.title,
                  CASE WHEN o.kind = 'dna' THEN coalesce(r.sitename, o.name) ELSE o.name END AS source,
                  d.kind AS type, CAST(d.id AS TEXT) AS id
           FROM positions AS x JOIN statements AS s ON s.id = x.statement_id JOIN propositions AS p ON p.id = x.proposition_id
           JOIN documents AS d ON d.id = s.document_id LEFT JOIN actors AS a ON a.id = s.actor_id
           JOIN articles AS r ON r.id = (SELECT id FROM articles WHERE document_id = d.id
                                         ORDER BY published_at IS NULL, published_at, id LIMIT 1)
           JOIN sources AS o ON o.id = r.source_id
           WHERE (:since = '' OR d.published_at >= :since) AND (:before = '9999' OR d.published_at < :before)
           ORDER BY d.published_at, s.id, p.position, p.id""",
        {"since": since, "before": before},
    )
    employers = _Employers(connection)
    for row in found:
        row["author"] = ", ".join(json.loads(row.pop("authors")))
        # Authors without a name are many people, not one node.
        row["actor"] = row["actor_name"] or (row["speaker_name"] if row["speaker_name"] != AUTHOR else None)
        is_person = row["actor_id"] is None or row["actor_kind"] == "person"
        row["person"] = row["actor"] if is_person else None
        row["organisation"] = employers.at(row["actor_id"], row["date"]) if is_person else row["actor"]
    return found


class _Employers:
    """Who works for whom, when."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._of: dict[str, list[Row]] = {}
        for row in rows(
            connection,
            """SELECT f.actor_id, f.start, f."end", o.name FROM affiliations AS f JOIN actors AS o ON o.id = f.organisation_id
               ORDER BY f.actor_id, f.start DESC, f.id""",
        ):
            self._of.setdefault(row["actor_id"], []).append(row)

    def at(self, actor_id: str | None, moment: str | None) -> str | None:
        """The organisation of an actor at a time: of several, the one joined last. Without a date, the last one known."""
        for row in self._of.get(actor_id or "", []):
            # Partial dates ("2024", "2024-03") compare as text when the moment is cut to the same length.
            started = moment is None or row["start"] is None or row["start"] <= moment[: len(row["start"])]
            if started and (moment is None or row["end"] is None or moment[: len(row["end"])] <= row["end"]):
                return str(row["name"])
        return None


def network(connection: sqlite3.Connection, options: Mapping[str, Any], since: str, before: str) -> Network:
    """Computes a network. options: mode, rows, columns, qualifier, normalization, duplicates; left out, the reference tool's
    defaults hold (twomode, organisation, proposition, ignore, no, include). isolates: True keeps the nodes of the whole data
    that have no tie in the period. exclude: ("variable=value", ...) leaves out what has that value.

    In a one-mode network the rows are tied by the columns that they share. Raises InputError for a choice that is not there.
    """
    mode = _choice(options, "mode", MODES)
    row_variable = _choice(options, "rows", VARIABLES)
    column_variable = _choice(options, "columns", VARIABLES, "proposition")
    qualifier = _choice(options, "qualifier", QUALIFIERS[mode])
    normalization = _choice(options, "normalization", NORMALIZATIONS[mode])
    duplicates = _choice(options, "duplicates", DUPLICATES)
    if row_variable == column_variable:
        raise InputError(f"network: rows and columns are both {row_variable!r}; a network ties two different variables")
    excluded = [_exclusion(text) for text in options.get("exclude") or ()]
    everything = positions_taken(connection, "", "9999") if excluded or options.get("isolates") else []
    for name, value in excluded:
        if not any(row[name] == value for row in everything):
            raise InputError(f"network: nothing has the {name} {value!r}, so that it cannot be excluded")

    def usable(found: list[Row]) -> list[Row]:
        return [
            row
            for row in found
            if row[row_variable] and row[column_variable] and all(row[name] != value for name, value in excluded)
        ]

    taken = usable(positions_taken(connection, since, before))
    named = usable(everything) if options.get("isolates") else taken
    taken = _without_duplicates(taken, row_variable, column_variable, duplicates, qualifier == "ignore")
    row_names = sorted({str(row[row_variable]) for row in named})
    column_names = sorted({str(row[column_variable]) for row in named})
    at_row = {name: position for position, name in enumerate(row_names)}
    at_column = {name: position for position, name in enumerate(column_names)}
    array = [[[0, 0] for _ in column_names] for _ in row_names]
    for row in taken:
        array[at_row[row[row_variable]]][at_column[row[column_variable]]][int(row["agree"])] += 1
    counts: Counts = [[(cell[0], cell[1]) for cell in line] for line in array]
    if mode == "twomode":
        weights = _two_mode(counts, qualifier, normalization)
        names = column_names
    else:
        weights = _one_mode(counts, qualifier, normalization)
        names = row_names
    return Network(
        mode, row_variable, column_variable, tuple(row_names), tuple(names), tuple(tuple(line) for line in weights)
    )


def _choice(options: Mapping[str, Any], name: str, allowed: Sequence[str], default: str | None = None) -> str:
    value = options.get(name) or default or allowed[0]
    value = _SYNONYMS.get(value, value)
    if value not in allowed:
        raise InputError(f"network: no {name} {value!r}; there are {', '.join(allowed)}")
    return str(value)


def _exclusion(text: str) -> tuple[str, str]:
    """(variable, value) of "variable=value"."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f'network: exclude {text!r} names no value; write it as "organisation=Corvid Labs"')
    return _choice({"exclude": name.strip()}, "exclude", VARIABLES), value.strip()


def _without_duplicates(
    taken: list[Row], row_variable: str, column_variable: str, duplicates: str, ignore_qualifier: bool
) -> list[Row]:
    """Of positions with the same row, column and (unless ignored) qualifier, the first one of each document or period."""
    if duplicates == "include":
        return taken
    seen = set()
    kept = []
    for row in taken:
        within = {
            "document": row["document_id"],
            "week": date.fromisoformat(row["date"][:10]).isocalendar()[:2] if row["date"] else None,
            "month": (row["date"] or "")[:7],
            "year": (row["date"] or "")[:4],
            "acrossrange": None,
        }[duplicates]
        key = (within, row[row_variable], row[column_variable], None if ignore_qualifier else row["agree"])
        if key not in seen:
            seen.add(key)
            kept.append(row)
    return kept


def _two_mode(counts: Counts, qualifier: str, normalization: str) -> list[list[float]]:
    if qualifier == "subtract":
        matrix = [[float(yes - no) for no, yes in line] for line in counts]
    elif qualifier == "combine":
        # The reference tool's ranking of what was found: 0 nothing, 1 agreed, 2 disagreed, 3 both.
        matrix = [[float((yes > 0) + 2 * (no > 0)) for no, yes in line] for line in counts]
    else:
        matrix = [[float(no + yes) for no, yes in line] for line in counts]
    if normalization == "no" or not counts:
        return matrix
    totals = [[(no > 0 or yes > 0) if qualifier == "combine" else no + yes for no, yes in line] for line in counts]
    if normalization == "activity":
        return [[_divide(value, sum(total)) for value in line] for line, total in zip(matrix, totals, strict=True)]
    prominence = [sum(column) for column in zip(*totals, strict=True)]
    return [[_divide(value, total) for value, total in zip(line, prominence, strict=True)] for line in matrix]


def _one_mode(counts: Counts, qualifier: str, normalization: str) -> list[list[float]]:
    size = len(counts)
    matrix = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for k in range(size):
            if i != k:
                tie = _tie(counts[i], counts[k], qualifier)
                matrix[i][k] = _divide(tie, _norm(counts[i], counts[k], normalization))
    return matrix


def _tie(one: list[tuple[int, int]], other: list[tuple[int, int]], qualifier: str) -> float:
    """How strongly two rows are tied over all columns."""
    congruence = sum(a[0] * b[0] + a[1] * b[1] for a, b in zip(one, other, strict=True))
    conflict = sum(a[0] * b[1] + a[1] * b[0] for a, b in zip(one, other, strict=True))
    if qualifier == "congruence":
        return congruence
    if qualifier == "conflict":
        return conflict
    return congruence - conflict if qualifier == "subtract" else congruence + conflict


def _norm(one: list[tuple[int, int]], other: list[tuple[int, int]], normalization: str) -> float:
    first, second = sum(map(sum, one)), sum(map(sum, other))
    if normalization == "average":
        return (first + second) / 2
    if normalization == "cosine":
        return first * second
    if normalization == "jaccard":
        pairs = [(a[k], b[k]) for a, b in zip(one, other, strict=True) for k in (0, 1)]
        return sum(a * b if a and b else a + b for a, b in pairs)
    return 1


def _divide(value: float, by: float) -> float:
    return value / by if by else 0.0


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else round(value, 6)


def edges(net: Network) -> list[tuple[str, str, float]]:
    """The ties that are not zero, by node id: rows are r0, r1 ..., columns of a two-mode network c0, c1 ...; each tie once."""
    found = []
    for i, line in enumerate(net.weights):
        for j, weight in enumerate(line):
            if weight and (net.mode == "twomode" or i < j):
                found.append((f"r{i}", f"c{j}" if net.mode == "twomode" else f"r{j}", weight))
    return found


def nodes(net: Network) -> list[tuple[str, str, str]]:
    """The nodes: id, label, variable."""
    found = [(f"r{i}", name, net.rows) for i, name in enumerate(net.row_names)]
    if net.mode == "twomode":
        found += [(f"c{j}", name, net.columns) for j, name in enumerate(net.column_names)]
    return found


def graphml(net: Network) -> bytes:
    """The network as GraphML (http://graphml.graphdrawing.org/specification.html)."""
    root = ElementTree.Element("graphml", xmlns="http://graphml.graphdrawing.org/xmlns")
    for identity, target, name, kind in (
        ("label", "node", "label", "string"),
        ("variable", "node", "variable", "string"),
        ("weight", "edge", "weight", "double"),
    ):
        ElementTree.SubElement(root, "key", {"id": identity, "for": target, "attr.name": name, "attr.type": kind})
    graph = ElementTree.SubElement(root, "graph", id="network", edgedefault="undirected")
    for node_id, label, variable in nodes(net):
        node = ElementTree.SubElement(graph, "node", id=node_id)
        ElementTree.SubElement(node, "data", key="label").text = xml_text(label)
        ElementTree.SubElement(node, "data", key="variable").text = variable
    for position, (start, end, weight) in enumerate(edges(net)):
        edge = ElementTree.SubElement(graph, "edge", id=f"e{position}", source=start, target=end)
        ElementTree.SubElement(edge, "data", key="weight").text = repr(weight)
    return xml_bytes(root)


def gexf(net: Network) -> bytes:
    """The network as GEXF 1.3 (https://gexf.net)."""
    root = ElementTree.Element("gexf", xmlns="http://gexf.net/1.3", version="1.3")
    graph = ElementTree.SubElement(root, "graph", mode="static", defaultedgetype="undirected")
    kinds = ElementTree.SubElement(graph, "attributes", {"class": "node"})
    ElementTree.SubElement(kinds, "attribute", id="variable", title="variable", type="string")
    listed = ElementTree.SubElement(graph, "nodes")
    for node_id, label, variable in nodes(net):
        node = ElementTree.SubElement(listed, "node", id=node_id, label=xml_text(label))
        values = ElementTree.SubElement(node, "attvalues")
        ElementTree.SubElement(values, "attvalue", {"for": "variable", "value": variable})
    ties = ElementTree.SubElement(graph, "edges")
    for position, (start, end, weight) in enumerate(edges(net)):
        ElementTree.SubElement(ties, "edge", id=str(position), source=start, target=end, weight=repr(weight))
    return xml_bytes(root)
