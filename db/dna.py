"""Reads Discourse Network Analyzer files (.dna, version 3) into the database, beside what the machine reads.

A file holds documents and statements of a person and an organisation on a concept, with agreement yes or no
(github.com/leifeld/dna). Its offsets count UTF-16 units, as Java does; ours count characters. db.dna_file writes such files.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from db.coding import IMPORTED, CodedStatement
from db.models import ActorRow, AffiliationRow, Article, InputError, PropositionRow, SourceRow
from db.store import Store

VERSION = "1"
_NEEDED = {"documents", "statements", "statementtypes", "variables", "entities", "datashorttext", "databoolean"}


@dataclass(frozen=True, slots=True)
class DnaDocument:
    """A document of a file. `published_at` is None for second 0, which stands for "not known" in files that we write."""

    id: int
    title: str
    text: str
    author: str
    source: str
    section: str
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class DnaStatement:
    """A statement of a file; offsets in characters. Person or organisation may be empty."""

    document_id: int
    start: int
    end: int
    person: str
    organisation: str
    concept: str
    agreement: bool


@dataclass(frozen=True, slots=True)
class DnaReport:
    """What an import took in."""

    file: str
    source_id: str
    documents: int
    statements: int
    added: int
    removed: int
    people: int
    organisations: int
    propositions: int
    new_propositions: tuple[str, ...]
    left_out: int
    """Annotations and statements of other types, without a concept, or outside their text, also as it was collected before."""

    def to_json(self) -> dict[str, object]:
        """The report as plain values."""
        return asdict(self) | {"new_propositions": list(self.new_propositions)}

    def to_text(self) -> str:
        """The report for a person."""
        lines = [
            f"{self.file}: {self.documents} documents, {self.statements} hand-coded statements by {self.people} people of "
            f"{self.organisations} organisations on {self.propositions} propositions",
            f"  {self.added} statements new, {self.removed} no longer there; source {self.source_id}",
        ]
        if self.new_propositions:
            lines.append(f"  propositions that debate.toml does not name: {', '.join(self.new_propositions)}")
        if self.left_out:
            lines.append(f"  {self.left_out} annotations or incomplete statements left out")
        return "\n".join(lines)


def import_dna(store: Store, path: Path | str) -> DnaReport:
    """Takes in a .dna file. Doing it again adds nothing; doing it with a newer version of the file (same name) makes the hand-coded
    statements equal to that version.

    Speakers whom debate.toml knows by name or alias become those actors (with the affiliations given there); the others become
    actors of their own. Concepts that are the id, label or text of a proposition become that one; the others become new ones.
    Raises InputError with one line when the file is not of DNA 3 or has no statements with concept and agreement.
    """
    path = Path(path)
    documents, statements, left_out = read_dna(path)
    stem = _slug(path.stem)
    source_id = f"import:dna:{stem}"
    store.add_source(SourceRow(source_id, f"{path.stem} (hand-coded)", f"dna:{stem}", "dna"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    run_id = store.start_run(
        "import-dna", VERSION, parameters={"source": source_id, "file": path.name, "sha256": digest}
    )
    ids = {}
    for document in documents:
        article = Article(
            url=f"dna:{stem}/{quote(str(document.id))}",
            title=document.title,
            text=document.text,
            authors=(document.author,) if document.author else (),
            published_at=document.published_at,
            section=document.section or None,
            sitename=document.source or None,
        )
        ids[document.id] = store.save_article(run_id, source_id, article).document_id
    speakers = _Speakers(store)
    concepts = _Concepts(store)
    authors = {document.id: document.author for document in documents}
    texts = {document.id: document.text for document in documents}
    places = [_place(store, ids[s.document_id], texts[s.document_id], s.start, s.end) for s in statements]
    coded = [
        CodedStatement(
            ids[s.document_id],
            start,
            start + s.end - s.start,
            s.person or s.organisation or authors[s.document_id] or "unknown",
            speakers.id_of(s.person, s.organisation),
            concepts.id_of(s.concept),
            "agree" if s.agreement else "disagree",
        )
        for s, start in zip(statements, places, strict=True)
        if start is not None
    ]
    added, removed = store.save_coding(
        run_id,
        source_id,
        actors=speakers.new,
        affiliations=speakers.affiliations,
        propositions=concepts.new,
        statements=coded,
    )
    report = DnaReport(
        path.name,
        source_id,
        len(documents),
        len(coded),
        added,
        removed,
        len({s.person for s in statements if s.person}),
        len({s.organisation for s in statements if s.organisation}),
        len({s.proposition_id for s in coded}),
        tuple(p.id for p in concepts.new),
        left_out + places.count(None),
    )
    store.finish_run(run_id, "done", {"documents": report.documents, "statements": report.statements})
    return report


def read_dna(path: Path) -> tuple[list[DnaDocument], list[DnaStatement], int]:
    """Documents, statements, and the number of statements left out of a .dna file, which is opened read-only."""
    try:
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
        try:
            return _read(connection, path)
        finally:
            connection.close()
    except sqlite3.Error as error:
        why = str(error)[:100]  # SQLite quotes a text that is not UTF-8 in full.
        raise InputError(f"{path}: cannot be read as a Discourse Network Analyzer file ({why})") from error


def _read(connection: sqlite3.Connection, path: Path) -> tuple[list[DnaDocument], list[DnaStatement], int]:
    tables = {str(row[0]).lower() for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables >= _NEEDED:
        raise InputError(f"{path}: not a file of Discourse Network Analyzer 3; open it there once and save it anew")
    variables: dict[int, dict[str, int]] = {}
    for type_id, variable, identity in connection.execute(
        "SELECT StatementTypeId, lower(Variable), ID FROM VARIABLES WHERE DataType IN ('short text', 'boolean')"
    ):
        variables.setdefault(type_id, {})[{"organisation": "organization"}.get(variable, variable)] = identity
    usable = {type_id: named for type_id, named in variables.items() if {"concept", "agreement"} <= named.keys()}
    if not usable:
        raise InputError(
            f"{path}: no statement type has the variables concept and agreement; there is nothing to import"
        )
    # Columns of SQLite hold values of any type, whatever the file's schema says.
    documents = [
        DnaDocument(row[0], row[1], _text(row[2]), row[3], row[4], row[5], _moment(row[6]))
        for row in connection.execute(
            f"""SELECT ID, {_texts("Title", "Text", "Author", "Source", "Section")}, CAST(Date AS INTEGER)
                FROM DOCUMENTS ORDER BY ID"""
        )
    ]
    texts = {document.id: document.text for document in documents}
    words: dict[tuple[int, int], str] = {
        (row[0], row[1]): row[2]
        for row in connection.execute(
            f"""SELECT d.StatementId, d.VariableId, {_texts("e.Value")}
                FROM DATASHORTTEXT AS d JOIN ENTITIES AS e ON e.ID = d.Entity"""
        )
    }
    agreed: dict[tuple[int, int], int] = {
        (row[0], row[1]): row[2]
        for row in connection.execute("SELECT StatementId, VariableId, CAST(Value AS INTEGER) FROM DATABOOLEAN")
    }
    statements, left_out = [], 0
    for identity, type_id, document_id, start, stop in connection.execute(
        "SELECT ID, StatementTypeId, DocumentId, Start, Stop FROM STATEMENTS ORDER BY ID"
    ):
        named = usable.get(type_id, {})
        concept = words.get((identity, named.get("concept", 0)), "").strip()
        text = texts.get(document_id, "")
        first, last = _characters(text, start, stop) if isinstance(start, int) and isinstance(stop, int) else (-1, -1)
        if not concept or not 0 <= first < last <= len(text):
            left_out += 1
            continue
        person = words.get((identity, named.get("person", 0)), "").strip()
        organisation = words.get((identity, named.get("organization", 0)), "").strip()
        agreement = bool(agreed.get((identity, named["agreement"]), 1))
        statements.append(DnaStatement(document_id, first, last, person, organisation, concept, agreement))
    return documents, statements, left_out


def _place(store: Store, document_id: int, text: str, start: int, end: int) -> int | None:
    """Where text[start:end] begins in the document: a text that was collected before as a reprint may stand there with another's
    head or foot. The nearest place of several; None when the document does not say it."""
    [there] = store.db.conn.execute("SELECT text FROM documents WHERE id = ?", [document_id]).fetchone()
    if there == text:
        return start
    found = [match.start() for match in re.finditer(re.escape(text[start:end]), there)]
    return min(found, key=lambda place: abs(place - start), default=None)


def _texts(*columns: str) -> str:
    return ", ".join(f"coalesce(CAST({column} AS TEXT), '')" for column in columns)


def _text(text: str) -> str:
    """Without the sign at which SQLite's functions end a text; every other character keeps its place."""
    return text.replace("\0", " ")


def _moment(seconds: int | None) -> datetime | None:
    """A moment of a file; None when it is not known, or lies beyond the years that dates have."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (ValueError, OverflowError, OSError):
        return None


def _characters(text: str, start: int, stop: int) -> tuple[int, int]:
    """UTF-16 offsets as character offsets; past the end of the text they stay past it."""
    if text.isascii() or max(text, default="") <= "\uffff":
        return start, stop
    encoded = text.encode("utf-16-le")
    if stop * 2 > len(encoded):
        return start, len(text) + 1
    return tuple(len(encoded[: offset * 2].decode("utf-16-le", "ignore")) for offset in (start, stop))  # type: ignore[return-value]


def utf16(text: str, offset: int) -> int:
    """A character offset as UTF-16 units, as the reference tool counts."""
    return len(text[:offset].encode("utf-16-le")) // 2


class _Speakers:
    """Finds the actor of a person and an organisation, and names new ones."""

    def __init__(self, store: Store) -> None:
        self.new: list[ActorRow] = []
        self.affiliations: list[AffiliationRow] = []
        self._made: dict[str, str] = {}
        known: dict[str, set[str]] = {}
        for actor_id, name, aliases in store.db.conn.execute(
            "SELECT id, name, aliases FROM actors WHERE id NOT LIKE ?", [f"{IMPORTED}%"]
        ):
            for form in (name, *json.loads(aliases)):
                known.setdefault(form.casefold(), set()).add(actor_id)
        self._known = {form: next(iter(ids)) for form, ids in known.items() if len(ids) == 1}

    def id_of(self, person: str, organisation: str) -> str | None:
        """The actor who speaks: the person, else the organisation, else nobody. A person who speaks for several organisations
        is one actor for each (with the same name), because an affiliation says whom a statement counts for."""
        at = self._actor(organisation, "organisation") if organisation else None
        if not person:
            return at
        if person.casefold() in self._known:
            return self._known[person.casefold()]
        actor_id = self._actor(person, "person", at)
        if at and not any(a.actor_id == actor_id for a in self.affiliations):
            self.affiliations.append(AffiliationRow(actor_id, at))
        return actor_id

    def _actor(self, name: str, kind: str, at: str | None = None) -> str:
        if name.casefold() in self._known:
            return self._known[name.casefold()]
        key = f"{kind} {name} {at or ''}"
        if key not in self._made:
            wanted = f"{IMPORTED}{_slug(name)}"
            if wanted in self._made.values():
                wanted += f"@{(at or kind).removeprefix(IMPORTED)}"
            while wanted in self._made.values():
                wanted += "-2"
            self._made[key] = wanted
            self.new.append(ActorRow(wanted, name, kind))
        return self._made[key]


class _Concepts:
    """Finds the proposition of a concept, and names new ones."""

    def __init__(self, store: Store) -> None:
        self.new: list[PropositionRow] = []
        self._known: dict[str, str] = {}
        self._ids: set[str] = set()
        self._next = 0
        for identity, label, text, position in store.db.conn.execute(
            "SELECT id, label, text, position FROM propositions ORDER BY position DESC, id DESC"
        ):
            self._ids.add(identity)
            self._known |= {form.casefold(): identity for form in (text, label, identity)}
            self._next = max(self._next, position + 1)

    def id_of(self, concept: str) -> str:
        """The id of the proposition that a concept means."""
        form = concept.casefold()
        if form not in self._known:
            identity = _unused(_slug(concept), self._ids)
            self._ids.add(identity)
            self._known[form] = identity
            self.new.append(PropositionRow(identity, concept, concept, None, self._next))
            self._next += 1
        return self._known[form]


def _unused(wanted: str, taken: Iterable[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name


def _slug(text: str) -> str:
    """Letters and digits of a text as an id, at most 60 characters."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "unnamed"
