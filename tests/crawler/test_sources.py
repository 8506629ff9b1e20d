"""sources.toml: what it may say, and the one line that says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.sources import CrawlSettings, load_sources
from db.models import SourcesFileError, UnknownNameError

ENTRY = '[[source]]\nid = "eff"\nname = "EFF"\nkind = "feed"\nurl = "https://example.org/rss"\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sources.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_minimal_entry_has_the_polite_defaults(tmp_path: Path) -> None:
    loaded = load_sources(write(tmp_path, ENTRY))
    assert loaded.crawl == CrawlSettings()
    (source,) = loaded.sources
    assert (source.id, source.kind, source.relevance, source.allow_private, source.delay) == (
        "eff",
        "feed",
        True,
        False,
        None,
    )


def test_every_key_is_read(tmp_path: Path) -> None:
    text = (
        '[crawl]\ncontact = "me@example.org"\ndelay = 2\nlimit = 5\n'
        + ENTRY
        + 'country = "EU"\nlanguage = "fr"\nallow_private = true\ndelay = 0.5\nlimit = 9\ninclude = ["/ai/"]\n'
        + 'exclude = ["/sport/"]\nlinks = "h2 a"\nnext = "a.next"\nmax_pages = 3\nrelevance = false\nunverified = true\n'
        + 'allowed_domains = ["example.net"]\nnote = "x"\nhints = {body = "article .text", author = ".by", date = "time"}\n'
    )
    loaded = load_sources(write(tmp_path, text))
    (source,) = loaded.sources
    assert loaded.crawl == CrawlSettings(contact="me@example.org", delay=2.0, limit=5)
    assert source.hints == {"body": "article .text", "author": ".by", "date": "time"}
    row = source.to_row()
    assert (row.country, row.language) == ("EU", "fr")
    assert row.config["max_pages"] == 3
    assert "name" not in row.config


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no source; add a [[source]] entry"),
        ("[crawl\n", "not valid TOML"),
        ("[crawl]\nconcurency = 3\n" + ENTRY, "[crawl]: unknown key 'concurency'; did you mean 'concurrency'?"),
        ("[crawl]\ndelay = -1\n" + ENTRY, "delay must be a number from 0 upwards, not -1"),
        (ENTRY + ENTRY, "'eff' stands there twice"),
        (
            ENTRY.replace('"feed"', '"rss"'),
            "[[source]] 'eff': kind must be one of feed, sitemap, section, hackernews, arxiv, ",
        ),
        (ENTRY.replace("https://", "ftp://"), "url must be a whole http or https address"),
        (ENTRY.replace("https://", "https://me:hidden@"), "url must be an address without a user and a password"),
        (ENTRY.replace('name = "EFF"\n', ""), "name is missing"),
        (ENTRY.replace('"eff"', '"E F"'), "id must be small letters"),
        (ENTRY + 'include = ["("]\n', "not a regular expression"),
        (ENTRY + 'links = "a["\n', "not a CSS selector"),
        (ENTRY + 'hints = {bodi = "p"}\n', "did you mean 'body'?"),
        (ENTRY + 'country = "Usa"\n', "country must be a code of two capitals"),
        (ENTRY + "relevance = 1\n", "relevance must be true or false"),
        (ENTRY + "limit = 0\n", "limit must be a whole number from 1 upwards"),
        (ENTRY.replace('"feed"', '"arxiv"'), 'query is missing; kind = "arxiv" needs what to search for'),
        ('source = "x"\n', "no source; add a [[source]]"),
        ("[relevance]\nthreshhold = 1\n" + ENTRY, "[relevance] has an unknown key"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_entry_and_mend(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SourcesFileError) as caught:
        load_sources(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert says in message
    assert "\n" not in message


def test_a_missing_file_and_one_in_another_encoding_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourcesFileError, match="cannot be read"):
        load_sources(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "caf\xe9"')
    with pytest.raises(SourcesFileError, match="UTF-8"):
        load_sources(tmp_path / "latin.toml")


def test_an_unknown_id_names_the_nearest(tmp_path: Path) -> None:
    loaded = load_sources(write(tmp_path, ENTRY))
    assert loaded.pick(["eff", "eff"]) == loaded.sources == loaded.pick([])
    with pytest.raises(UnknownNameError, match="did you mean 'eff'"):
        loaded.pick(["efff"])


def test_the_shipped_file_names_both_camps_in_several_countries() -> None:
    sources = load_sources().sources
    assert len(sources) >= 80
    assert {"US", "GB", "FR", "DE", "ES", "CN", "IN", "JP", "CA", "AU", "NG", "EU"} <= {s.country for s in sources}
    assert {"feed", "sitemap", "section", "hackernews", "arxiv", "gdelt", "wayback"} <= {s.kind for s in sources}
    assert len({source.url for source in sources}) == len(sources)
    both = {"eff", "mozilla", "huggingface", "meta-newsroom", "openai", "anthropic", "future-of-life", "bengio"}
    assert both <= {source.id for source in sources}
    assert not any(source.allow_private for source in sources)
    assert all(source.country and source.language for source in sources)
