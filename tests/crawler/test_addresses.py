"""One address for one article."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.addresses import canonical_url, is_web_url, registrable_domain


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTPS://Example.COM:443/A/Story", "https://example.com/A/Story"),
        ("http://example.com:80", "http://example.com/"),
        ("https://example.com/a//b/../c/./d#part", "https://example.com/a/c/d"),
        ("https://example.com/a?utm_source=x&id=4&fbclid=y", "https://example.com/a?id=4"),
        ("https://example.com/a?page=2&lang=fr", "https://example.com/a?page=2&lang=fr"),
        ("https://user:secret@example.com/a", "https://example.com/a"),
        ("https://example.com/story/amp/", "https://example.com/story/"),
        ("https://example.com/story.amp.html?amp=1", "https://example.com/story.html"),
        ("https://m.example.co.uk/a", "https://www.example.co.uk/a"),
        ("https://en.m.wikipedia.org/wiki/A", "https://en.m.wikipedia.org/wiki/A"),
        ("https://exämple.de/ä", "https://xn--exmple-cua.de/%C3%A4"),
        ("http://127.0.0.1:8711/a", "http://127.0.0.1:8711/a"),
        ("http://[::1]:80/a", "http://[::1]/a"),
    ],
)
def test_an_address_has_one_form(url: str, expected: str) -> None:
    assert canonical_url(url) == expected


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("https://www.example.com/2024/story-long-title", "https://www.example.com/2024/story-long-title"),
        ("/2024/story-long-title", "https://example.com/2024/story-long-title"),
        ("https://other.example/2024/story", "https://example.com/2024/story?id=4"),
        ("https://example.com/", "https://example.com/2024/story?id=4"),
        ("https://example.com/2024", "https://example.com/2024/story?id=4"),
        ("https://example.com/politics", "https://example.com/2024/story?id=4"),
        ("https://example.com/2024/story", "https://example.com/2024/story"),
        ("javascript:void(0)", "https://example.com/2024/story?id=4"),
        ("http://[broken", "https://example.com/2024/story?id=4"),
    ],
)
def test_a_declared_address_is_believed_only_when_it_is_plausible(declared: str, expected: str) -> None:
    assert canonical_url("https://example.com/2024/story?id=4", declared=declared) == expected


@pytest.mark.parametrize(
    "url", ["", "mailto:a@b.example", "ftp://example.com/a", "//example.com/a", "http://", "http://a b/c", "http://[x"]
)
def test_what_is_not_on_the_web_is_left_alone(url: str) -> None:
    assert not is_web_url(url)
    assert canonical_url(url) == url


def test_the_registrable_domain_knows_public_suffixes() -> None:
    assert registrable_domain("https://news.bbc.co.uk/a") == "bbc.co.uk"
    assert registrable_domain("http://127.0.0.1:80/") == "127.0.0.1"


@given(
    st.text(max_size=60),
    st.text(max_size=60),
    st.sampled_from(["https://example.com", "http://m.example.co.uk:8080", "https://amp.a.example"]),
)
def test_the_canonical_form_is_its_own_canonical_form(path: str, query: str, base: str) -> None:
    once = canonical_url(f"{base}/{path}?{query}")
    assert canonical_url(once) == once


@given(st.text(max_size=80))
def test_any_text_is_taken_without_an_exception(text: str) -> None:
    once = canonical_url(text, declared=text)
    assert canonical_url(once) == once
