"""Writes a table in a file format, whole or not at all. Knows no database and no export.

A CSV cell of text that starts with = + - @ or a control character gets a leading apostrophe, because spreadsheets would run it as
a formula (https://owasp.org/www-community/attacks/CSV_Injection); numbers are left alone, and no other format is touched.
"""

from __future__ import annotations

import csv
import html
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from db.models import InputError, StoreError

FORMATS = ("csv", "json", "jsonl", "parquet", "html")
BINARY = frozenset({"parquet", "png", "dna"})
"""Formats that are never written to a terminal."""

_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

STYLE = """body{font:15px/1.5 system-ui,Helvetica,Arial,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#1b1b1b}
table{border-collapse:collapse;font-size:13px;width:100%}caption{text-align:left;padding:.4rem 0;color:#555}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #e3e3e3;overflow-wrap:anywhere}
th{position:sticky;top:0;background:#fff;border-bottom:2px solid #888}td.n{text-align:right;font-variant-numeric:tabular-nums}
.scroll{overflow:auto;max-height:36rem}"""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns. A value is text, a number, None, or a list or dictionary of them."""

    columns: Sequence[str]
    rows: Sequence[dict[str, Any]]
    title: str = ""


def encode(table: Table, format: str) -> bytes:
    """The table as a file: csv (RFC 4180, UTF-8), json (an array of objects), jsonl, parquet or html (self-contained).

    Raises InputError for another format.
    """
    if format == "csv":
        return _csv(table).encode()
    if format == "json":
        return (json.dumps(_ordered(table), ensure_ascii=False, indent=1) + "\n").encode()
    if format == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _ordered(table)).encode()
    if format == "parquet":
        return _parquet(table)
    if format == "html":
        return page(table.title, html_table(table)).encode()
    raise InputError(f"no format {format!r} for a table; there are {', '.join(FORMATS)}")


def write(content: bytes, format: str, output: Path | None) -> None:
    """Puts content into a file (through a temporary one, so that a reader never sees half of it), or on standard output.

    Raises InputError when binary content would go to a terminal, StoreError when the file cannot be written.
    """
    if output is None:
        if format in BINARY and sys.stdout.isatty():
            raise InputError(f"{format} is binary and not for a terminal; name a file with -o")
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        handle, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    except OSError as error:
        raise StoreError(f"{output}: cannot be written ({error.strerror}); name another file with -o") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(output)
    except OSError as error:
        raise StoreError(f"{output}: cannot be written ({error.strerror}); name another file with -o") from error
    finally:
        temporary.unlink(missing_ok=True)


def page(title: str, body: str) -> str:
    """A self-contained HTML page around a body that is already HTML."""
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
    )
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n'
        f"<body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def html_table(table: Table) -> str:
    """The table as an HTML fragment; addresses become links, everything else is text."""
    header = "".join(f'<th scope="col">{html.escape(name.replace("_", " "))}</th>' for name in table.columns)
    lines = ["<tr>" + "".join(_html_cell(row.get(name)) for name in table.columns) + "</tr>" for row in table.rows]
    count = f"<caption>{len(lines)} row{'' if len(lines) == 1 else 's'}</caption>"
    joined = "\n".join(lines)
    return (
        f'<div class="scroll"><table>{count}<thead><tr>{header}</tr></thead><tbody>\n{joined}\n</tbody></table></div>'
    )


def flat(value: object) -> str:
    """A value as one cell of text: lists joined with "; ", positions as "proposition: stance"."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return "; ".join(flat(item) for item in value)
    if isinstance(value, dict):
        if {"id", "stance"} <= value.keys():
            return f"{value['id']}: {value['stance']}"
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value)


def xml_text(text: str) -> str:
    """The text without the characters that XML 1.0 has no place for (https://www.w3.org/TR/xml/#charsets)."""
    return _NOT_XML.sub("", text)


def xml_bytes(root: ElementTree.Element) -> bytes:
    """An XML tree as a file, UTF-8 with its declaration."""
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def _ordered(table: Table) -> list[dict[str, Any]]:
    return [{name: row.get(name) for name in table.columns} for row in table.rows]


def _csv(table: Table) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow([_harmless(name) for name in table.columns])
    for row in table.rows:
        writer.writerow([_csv_cell(row.get(name)) for name in table.columns])
    return buffer.getvalue()


def _csv_cell(value: object) -> object:
    return value if isinstance(value, int | float) else _harmless(flat(value))


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _html_cell(value: object) -> str:
    if isinstance(value, int | float):
        return f'<td class="n">{value}</td>'
    text = flat(value)
    if text.startswith(("https://", "http://")) and ";" not in text:
        return f'<td><a href="{html.escape(text)}" rel="noreferrer">{html.escape(text)}</a></td>'
    return f"<td>{html.escape(text)}</td>"


def _parquet(table: Table) -> bytes:
    import pyarrow
    import pyarrow.parquet

    columns = {}
    for name in table.columns:
        values = [row.get(name) for row in table.rows]
        array = pyarrow.array([json.dumps(v, sort_keys=True) if isinstance(v, dict) else v for v in values])
        # A column without a single value has no type of its own; text is what every reader understands.
        columns[name] = array.cast(pyarrow.string()) if pyarrow.types.is_null(array.type) else array
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def _umask() -> int:
    """The process's file mode mask: temporary files are made private, the finished file should be like any other."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
