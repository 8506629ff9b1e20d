"""Writes what was found as a Discourse Network Analyzer file (.dna, version 3), which the reference tool opens. Read-only.

The reference tool asks for the coder's password when it opens a file; that of files written here is "debatewatch". The hash is
that of the tool's own encryptor (Jasypt's StrongPasswordEncryptor: SHA-256, 16 bytes of salt, 100,000 rounds).
"""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from datetime import UTC, date, datetime

from db.dna import utf16
from db.models import from_iso
from db.network import positions_taken
from db.queries import rows

PASSWORD = "debatewatch"  # noqa: S105 - a file format's formality, told to every user: it protects nothing
_FORMAT = "3.0.7"
_LONGEST = 190
"""Characters that a name, a title or a value may have."""

_VARIABLES = ("person", "organization", "concept", "agreement")
_PERMISSIONS = (
    *("AddDocuments", "EditDocuments", "DeleteDocuments", "ImportDocuments", "AddStatements", "EditStatements"),
    *("DeleteStatements", "EditAttributes", "EditRegex", "EditStatementTypes", "EditCoders", "EditCoderRelations"),
    *("ViewOthersDocuments", "EditOthersDocuments", "ViewOthersStatements", "EditOthersStatements"),
)


def _flag(name: str, default: int) -> str:
    return f"{name} INTEGER NOT NULL CHECK ({name} BETWEEN 0 AND 1) DEFAULT {default}"


def _short(name: str, default: str = "") -> str:
    return f"{name} TEXT NOT NULL {default} CHECK (LENGTH({name}) < 191)"


def _color(optional: bool = False) -> str:
    kind = "INTEGER" if optional else "INTEGER NOT NULL DEFAULT 0"
    return ", ".join(f"{name} {kind} CHECK ({name} BETWEEN 0 AND 255)" for name in ("Red", "Green", "Blue"))


def _reference(column: str, table: str) -> str:
    return f"FOREIGN KEY({column}) REFERENCES {table}(ID) ON DELETE CASCADE"


_ID = "ID INTEGER NOT NULL PRIMARY KEY"
_DATA = f"{_ID}, StatementId INTEGER NOT NULL, VariableId INTEGER NOT NULL"
_DATA_KEYS = f"{_reference('StatementId', 'STATEMENTS')}, {_reference('VariableId', 'VARIABLES')}, UNIQUE (StatementId, VariableId)"
_EMPTY = "DEFAULT ''"

_SCHEMA = {
    "SETTINGS": "Property TEXT PRIMARY KEY, Value TEXT NOT NULL",
    "CODERS": f"{_ID}, {_short('Name')}, {_color()}, Refresh INTEGER NOT NULL CHECK (Refresh BETWEEN 0 AND 9999) DEFAULT 0, "
    f"FontSize INTEGER NOT NULL CHECK (FontSize BETWEEN 1 AND 99) DEFAULT 14, {_short('Password')}, "
    "PopupWidth INTEGER CHECK (PopupWidth BETWEEN 100 AND 9999) DEFAULT 300, "
    + ", ".join(
        _flag(name, value) for name, value in (("ColorByCoder", 0), ("PopupDecoration", 0), ("PopupAutoComplete", 1))
    )
    + ", "
    + ", ".join(_flag(f"Permission{name}", 1) for name in _PERMISSIONS),
    "DOCUMENTS": f"{_ID}, {_short('Title')}, Text TEXT NOT NULL, Coder INTEGER, "
    + ", ".join(_short(name, _EMPTY) for name in ("Author", "Source", "Section"))
    + f", Notes TEXT NOT NULL {_EMPTY}, {_short('Type', _EMPTY)}, Date INTEGER NOT NULL, {_reference('Coder', 'CODERS')}",
    "STATEMENTTYPES": f"{_ID}, {_short('Label')}, {_color()}",
    "VARIABLES": f"{_ID}, {_short('Variable')}, DataType TEXT NOT NULL CHECK (DataType = 'boolean' OR DataType = 'integer' "
    "OR DataType = 'long text' OR DataType = 'short text') DEFAULT 'short text', StatementTypeId INTEGER, "
    f"{_reference('StatementTypeId', 'STATEMENTTYPES')}, UNIQUE (Variable, StatementTypeId)",
    "VARIABLELINKS": f"{_ID}, SourceVariableId INTEGER, TargetVariableId INTEGER, CHECK (TargetVariableId != SourceVariableId), "
    f"{_reference('SourceVariableId', 'VARIABLES')}, {_reference('TargetVariableId', 'VARIABLES')}",
    "REGEXES": f"Label TEXT PRIMARY KEY CHECK (LENGTH(Label) < 191), {_color()}",
    "CODERRELATIONS": f"{_ID}, Coder INTEGER CHECK(Coder > 0), OtherCoder INTEGER CHECK(OtherCoder > 0), "
    + ", ".join(
        f"{name} INTEGER NOT NULL DEFAULT 1 CHECK({name} BETWEEN 0 AND 1)"
        for name in ("viewStatements", "editStatements", "viewDocuments", "editDocuments")
    )
    + f", CHECK (Coder != OtherCoder), {_reference('Coder', 'CODERS')}, {_reference('OtherCoder', 'CODERS')}",
    "STATEMENTS": f"{_ID}, StatementTypeId INTEGER, DocumentId INTEGER, Start INTEGER NOT NULL CHECK(Start >= 0), "
    "Stop INTEGER NOT NULL CHECK(Stop >= 0), Coder INTEGER, CHECK (Start < Stop), "
    f"{_reference('StatementTypeId', 'STATEMENTTYPES')}, {_reference('Coder', 'CODERS')}, "
    f"{_reference('DocumentId', 'DOCUMENTS')}",
    "DATABOOLEAN": f"{_DATA}, Value INTEGER NOT NULL DEFAULT 1, {_DATA_KEYS}",
    "DATAINTEGER": f"{_DATA}, Value INTEGER NOT NULL DEFAULT 0, {_DATA_KEYS}",
    "ENTITIES": f"{_ID}, VariableId INTEGER NOT NULL, {_short('Value', _EMPTY)}, {_color(optional=True)}, "
    f"ChildOf INTEGER CHECK(ChildOf > 0), UNIQUE (VariableId, Value), {_reference('ChildOf', 'ENTITIES')}, "
    f"{_reference('VariableId', 'VARIABLES')}",
    "DATASHORTTEXT": f"{_DATA}, Entity INTEGER NOT NULL, {_reference('Entity', 'ENTITIES')}, {_DATA_KEYS}",
    "DATALONGTEXT": f"{_DATA}, Value TEXT {_EMPTY}, {_DATA_KEYS}",
    "ATTRIBUTEVARIABLES": f"{_ID}, VariableId INTEGER NOT NULL, {_short('AttributeVariable')}, "
    f"UNIQUE(VariableId, AttributeVariable), {_reference('VariableId', 'VARIABLES')}",
    "ATTRIBUTEVALUES": f"{_ID}, EntityId INTEGER NOT NULL, AttributeVariableId INTEGER NOT NULL, "
    f"{_short('AttributeValue', _EMPTY)}, UNIQUE (EntityId, AttributeVariableId), {_reference('EntityId', 'ENTITIES')}, "
    f"{_reference('AttributeVariableId', 'ATTRIBUTEVARIABLES')}",
}


def dna_bytes(connection: sqlite3.Connection, since: str, before: str) -> bytes:
    """All positions of the period as a .dna file: a statement there has one concept, so a statement here with two positions
    becomes two with the same offsets. Documents without a position are left out; one without a date gets second 0."""
    taken = positions_taken(connection, since, before)
    with sqlite3.connect(":memory:") as target:
        target.execute("PRAGMA foreign_keys = ON")
        for name, columns in _SCHEMA.items():
            target.execute(f"CREATE TABLE {name}({columns})")
        _head(target)
        texts = _documents(connection, target, {row["document_id"] for row in taken})
        entities: dict[tuple[int, str], int] = {}
        for variable in (1, 2, 3):
            _entity(target, entities, variable, "", "")
        for number, row in enumerate(taken, 1):
            text = texts[row["document_id"]]
            target.execute(
                "INSERT INTO STATEMENTS (ID, StatementTypeId, DocumentId, Start, Stop, Coder) VALUES (?, 1, ?, ?, ?, 1)",
                [number, row["document_id"], utf16(text, row["start"]), utf16(text, row["end"])],
            )
            values = (row["person"], row["organisation"], row["proposition"])
            kinds = ("person", row["actor_kind"] if row["person"] is None else "", row["proposition_id"])
            for variable, (value, kind) in enumerate(zip(values, kinds, strict=True), 1):
                target.execute(
                    "INSERT INTO DATASHORTTEXT (StatementId, VariableId, Entity) VALUES (?, ?, ?)",
                    [number, variable, _entity(target, entities, variable, value or "", kind or "")],
                )
            target.execute(
                "INSERT INTO DATABOOLEAN (StatementId, VariableId, Value) VALUES (?, 4, ?)", [number, int(row["agree"])]
            )
        target.commit()
        content = target.serialize()
    target.close()
    return content


def _head(target: sqlite3.Connection) -> None:
    """Settings, the one coder, the statement type and its variables."""
    today = date.today().isoformat()  # noqa: DTZ011 - a day for the user's eye
    target.executemany("INSERT INTO SETTINGS VALUES (?, ?)", [("version", _FORMAT), ("date", today)])
    target.execute(
        "INSERT INTO CODERS (ID, Name, Red, Green, Blue, Password, PopupWidth) VALUES (1, 'Admin', 255, 255, 0, ?, 400)",
        [_password_hash(PASSWORD)],
    )
    target.execute("INSERT INTO STATEMENTTYPES VALUES (1, 'DNA Statement', 239, 208, 51)")
    for number, name in enumerate(_VARIABLES, 1):
        kind = "boolean" if name == "agreement" else "short text"
        target.execute("INSERT INTO VARIABLES VALUES (?, ?, ?, 1)", [number, name, kind])
    for position, attribute in enumerate(("Type", "Alias", "Notes")):
        target.executemany(
            "INSERT INTO ATTRIBUTEVARIABLES VALUES (?, ?, ?)",
            [(position * 3 + variable, variable, attribute) for variable in (1, 2, 3)],
        )


def _documents(connection: sqlite3.Connection, target: sqlite3.Connection, ids: set[int]) -> dict[int, str]:
    """Copies documents; returns their texts."""
    texts = {}
    for row in rows(
        connection,
        """SELECT d.id, d.title, d.text, d.authors, d.kind, d.published_at, a.url,
               CASE WHEN o.kind = 'dna' THEN coalesce(a.sitename, o.name) ELSE o.name END AS source,
               coalesce(a.section, '') AS section
           FROM documents AS d JOIN articles AS a ON a.id = (SELECT id FROM articles WHERE document_id = d.id
               ORDER BY published_at IS NULL, published_at, id LIMIT 1)
           JOIN sources AS o ON o.id = a.source_id ORDER BY d.id""",
    ):
        if row["id"] not in ids:
            continue
        texts[row["id"]] = row["text"]
        published = from_iso(row["published_at"]) or datetime.fromtimestamp(0, UTC)
        target.execute(
            """INSERT INTO DOCUMENTS (ID, Title, Text, Coder, Author, Source, Section, Notes, Type, Date)
               VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?)""",
            [
                row["id"],
                row["title"][:_LONGEST],
                row["text"],
                ", ".join(json.loads(row["authors"]))[:_LONGEST],
                row["source"][:_LONGEST],
                row["section"][:_LONGEST],
                row["url"],
                row["kind"],
                int(published.timestamp()),
            ],
        )
    return texts


def _entity(target: sqlite3.Connection, known: dict[tuple[int, str], int], variable: int, value: str, kind: str) -> int:
    """The id of a value of a variable, made on first use, with its type as an attribute."""
    value = value[:_LONGEST]
    if (variable, value) not in known:
        number = len(known) + 1
        known[variable, value] = number
        target.execute("INSERT INTO ENTITIES VALUES (?, ?, ?, 0, 0, 0, NULL)", [number, variable, value])
        for position, text in enumerate((kind[:_LONGEST], "", "")):
            target.execute(
                "INSERT INTO ATTRIBUTEVALUES (EntityId, AttributeVariableId, AttributeValue) VALUES (?, ?, ?)",
                [number, position * 3 + variable, text],
            )
    return known[variable, value]


def _password_hash(password: str) -> str:
    """Salt and digest as the reference tool checks them. The salt is fixed, so that the same data gives the same file."""
    salt = hashlib.sha256(b"debatewatch").digest()[:16]
    digest = hashlib.sha256(salt + password.encode()).digest()
    for _ in range(99_999):
        digest = hashlib.sha256(digest).digest()
    return base64.b64encode(salt + digest).decode()
