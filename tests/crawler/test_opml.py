"""Sources to and from feed readers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from crawler.opml import add_sources, read_opml, write_opml
from crawler.sources import load_sources
from db.models import InputError
from tests.crawler.test_sources import ENTRY, write

OPML = """<?xml version="1.0"?><opml version="1.0"><head><title>mine</title></head><body>
<outline text="News"><outline type="rss" text="AT&T \"One\"" xmlUrl="https://example.org/one" language="de-AT"/>
<outline type="rss" title="Eff again" xmlUrl="https://example.org/rss#x"/><outline TEXT="Deep"><outline xmlurl="feed://example.org/two"/>
</outline></outline><outline type="link" text="no feed" url="https://example.org/"/><outline text="bad" xmlUrl="file:///etc/passwd"/>
<outline text="One" xmlUrl="https://example.org/one/"/><outline text="One" xmlUrl="https://example.org/one"/></body></opml>""".replace(
    'AT&T "One"', "AT&amp;T &quot;One&quot;"
)


def opml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "feeds.opml"
    path.write_text(text, encoding="utf-8")
    return path


def test_feeds_are_added_once_and_the_file_keeps_its_comments(tmp_path: Path) -> None:
    target = write(tmp_path, "# mine\n" + ENTRY)
    found = read_opml(opml(tmp_path, OPML))
    added = add_sources(target, found)
    assert [(source.id, source.url, source.language) for source in added] == [
        ("at-t-one", "https://example.org/one", "de"),
        ("https-example-org-two", "https://example.org/two", None),
        ("one", "https://example.org/one/", None),
    ]
    loaded = load_sources(target)
    assert target.read_text().startswith("# mine\n[[source]]")
    assert [source.name for source in loaded.sources] == ["EFF", 'AT&T "One"', "https://example.org/two", "One"]
    assert loaded.sources[1].note == "From News."
    assert add_sources(target, found) == []


def test_a_feed_with_a_password_in_its_address_is_left_out(tmp_path: Path) -> None:
    assert (
        read_opml(opml(tmp_path, '<opml><body><outline text="F" xmlUrl="https://me:hidden@a.org/f"/></body></opml>'))
        == []
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "out.opml"
    path.write_bytes(write_opml(load_sources()))
    feeds = [(source.name, source.url) for source in load_sources().sources if source.kind == "feed"]
    assert [(found.name, found.url) for found in read_opml(path)] == feeds


@pytest.mark.parametrize("text", ["", "no xml", "<html/>", "<opml", '{"a": 1}'])
def test_what_is_no_opml_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    if text == "<opml":
        assert read_opml(opml(tmp_path, text)) == []
        return
    with pytest.raises(InputError, match="not an OPML file"):
        read_opml(opml(tmp_path, text))


def test_entities_are_neither_expanded_nor_loaded(tmp_path: Path) -> None:
    bomb = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    for head, name in ((f'<!ENTITY a "aaaaaaaaaa">{bomb}', "j"), ('<!ENTITY x SYSTEM "file:///etc/passwd">', "x")):
        text = f'<!DOCTYPE opml [{head}]><opml><body><outline text="&{name};" xmlUrl="https://example.org/a"/></body></opml>'
        try:
            found = read_opml(opml(tmp_path, text))
        except InputError:
            continue
        assert all(len(one.name) < 100 and "root:" not in one.name for one in found)


def test_thirty_thousand_subscriptions_are_read(tmp_path: Path) -> None:
    outlines = "".join(f'<outline text="F" xmlUrl="https://example.org/{n}"/>' for n in range(30_000))
    started = time.process_time()
    assert len(read_opml(opml(tmp_path, f"<opml><body>{outlines}</body></opml>"))) == 30_000
    assert time.process_time() - started < 30


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("UTF-8", "utf-8-sig"),
        ("UTF-8", "utf-16"),
        ("UTF-16", "utf-8"),
        ("UTF-8", "latin-1"),
        ("ISO-8859-2", "iso-8859-2"),
    ],
)
def test_what_readers_write_wrongly_is_read_all_the_same(tmp_path: Path, declared: str, encoding: str) -> None:
    path = tmp_path / "odd.opml"
    xml = f"""<?xml version="1.0" encoding="{declared}"?><OPML xmlns="http://opml.org/spec2"><body><outline text="Outer">
        <Outline text="Inner"><outline text="Caf\u00e9 AT&T&nbsp;&eacute;" XMLURL="https://example.org/f?a=1&b=2&amp;c=3"/>
        </Outline></outline></body></OPML>"""
    path.write_bytes(xml.encode(encoding))
    (found,) = read_opml(path)
    assert (found.name, found.url, found.folder) == (
        "Caf\u00e9 AT&T \u00e9",
        "https://example.org/f?a=1&b=2&c=3",
        "Inner",
    )
