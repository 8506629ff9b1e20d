"""Reprints are the same document; two articles on one subject are not."""

# ruff: noqa: E501 (paragraphs of articles stand on one line, as in their sources)

from __future__ import annotations

import gzip
import json
import re
import unicodedata
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.duplicates import BANDS, containment, find_duplicate, is_near_duplicate, signature, similarity

DATA = Path(__file__).parents[3] / "shared" / "data"
SHARED = DATA / "neardup"

WIRE = """WASHINGTON (Harbour Wire) - A Senate committee on Wednesday voted down a bill that would have required an export licence before the weights of large models are published.

The Model Weights Control Act failed by 13 votes to 9, with members of both parties on each side. Its sponsor, Senator Dale Whitcombe, said that he would attach the bill to the defence authorisation in the summer.

"I wrote a bill like this one in 2023, and I was wrong about who it would stop," said Senator Marian Holt, who led the opposition. "It would not stop anybody in Shenzhen. It would stop a hospital in Duluth."

Retired General Paul Stavros, who testified for the bill last month, said the vote was a gift to rivals and urged the House to take the matter up on its own.

Industry is no longer of one mind. Corvid Labs, which backed licensing in 2024, sent the committee a letter against it; a group of eleven insurers wrote in favour.

The White House has not taken a position."""

SAME_SUBJECT = """The idea that Washington should license the publication of large models suffered a defeat on Wednesday that few in the Commerce Committee had expected in January.

Senator Marian Holt, once the author of such a bill herself, brought enough of her colleagues round to send the Model Weights Control Act home. Thirteen voted with her and nine for the sponsor.

"I was wrong about who it would stop," she told the room, and then spoke for some minutes about a hospital in Minnesota that had written to her.

General Paul Stavros watched from the second row. He called the outcome a present, and did not say to whom. Mr. Whitcombe, the sponsor, left without taking questions; an aide said that the summer was long."""

TEMPLATE = "Shares of {0} closed at {1} dollars on {2}, {3} percent {4} than the day before. Trading was {5}. The company, based in {6}, is valued at {7} billion dollars after the session, and analysts expect a profit of {8} million for the quarter that ends in {9}. The next report is due in the first week of the month after that."


def reprint(text: str) -> str:
    text = (
        text.replace("WASHINGTON (Harbour Wire) - ", "WASHINGTON — ")
        .replace("licence", "license")
        .replace("favour", "favor")
    )
    text = text.replace("Retired General", "Ret. Gen.").replace("the defence authorisation", "the defense bill")
    return text.rsplit("\n\n", 1)[0]


def test_a_reprint_cut_and_edited_is_a_near_duplicate() -> None:
    copy = reprint(WIRE)
    assert is_near_duplicate(WIRE, copy)
    assert find_duplicate(copy, [(3, SAME_SUBJECT), (7, WIRE)]) == 7
    assert set(signature(WIRE).bands) & set(signature(copy).bands)


def test_a_reprint_cut_by_half_is_a_near_duplicate() -> None:
    paragraphs = WIRE.split("\n\n")
    assert is_near_duplicate(WIRE, "\n\n".join(paragraphs[:3]))
    assert containment(WIRE, "\n\n".join(paragraphs[:3])) == 1.0


def test_two_reports_of_one_event_are_not() -> None:
    assert not is_near_duplicate(WIRE, SAME_SUBJECT)
    assert find_duplicate(SAME_SUBJECT, [(7, WIRE)]) is None


def test_an_article_that_quotes_a_paragraph_of_another_is_not() -> None:
    quotation = WIRE.split("\n\n")[2]
    own = " ".join(
        f"Sentence {word} of a column that thinks for itself about the vote."
        for word in ["one", "two", "three", "four", "five", "six", "seven"]
    )
    assert not is_near_duplicate(WIRE, quotation + " " + own)
    assert not is_near_duplicate(WIRE, quotation)


def test_a_template_filled_with_other_figures_is_not() -> None:
    monday = TEMPLATE.format("Corvid Labs", "41.20", "Monday", "3", "lower", "thin", "Boston", "11", "97", "March")
    friday = TEMPLATE.format("Lattice AI", "12.85", "Friday", "5", "higher", "brisk", "Austin", "4", "31", "June")
    assert similarity(monday, friday) > 0.2
    assert not is_near_duplicate(monday, friday)
    tuesday = TEMPLATE.format("Corvid Labs", "43.70", "Tuesday", "6", "higher", "thin", "Boston", "12", "98", "March")
    assert not is_near_duplicate(monday, tuesday)


def test_one_corrected_figure_leaves_a_reprint_a_reprint() -> None:
    assert is_near_duplicate(WIRE, WIRE.replace("13 votes to 9", "14 votes to 9"))


def test_short_texts_are_the_same_only_when_their_words_are() -> None:
    assert is_near_duplicate("Publish the weights!", "publish the weights")
    assert not is_near_duplicate("Publish the weights today, all of them.", "Publish the weights today, none of them.")
    assert not is_near_duplicate("", "")


def test_signatures_are_the_same_in_every_run() -> None:
    """Bands are stored: another seed or hash would silently end the recognition of everything collected before."""
    bands = signature("Open weights help everybody to see what a model does, said the professor.").bands
    assert len(bands) == BANDS
    assert all(-(2**63) <= band < 2**63 for band in bands)
    assert bands[:2] == (-8651595021857618759, 7936259653342280739)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=400))
def test_every_text_is_like_itself(text: str) -> None:
    assert similarity(text, text) == 1.0
    assert signature(text) == signature(text)
    if re.search(r"\w", unicodedata.normalize("NFKC", text)):
        assert is_near_duplicate(text, text)


@pytest.mark.shared
@pytest.mark.parametrize("count", [1000, 2500])
def test_planted_copies_are_found_and_nothing_else(count: int) -> None:
    """All pairs over bands and texts, as a crawl finds them: F1 1.0 (measured), floor 0.99."""
    articles, truth = SHARED / f"articles_{count}.train", SHARED / f"articles_{count}.truth"
    if not articles.exists():
        pytest.skip("../shared/data/neardup is missing")
    texts = dict(line.split(" ", 1) for line in articles.read_text(encoding="utf-8").splitlines())
    expected = {tuple(sorted(line.split())) for line in truth.read_text(encoding="utf-8").splitlines()}
    buckets: dict[tuple[int, int], list[str]] = {}
    found = set()
    for name, text in texts.items():
        for bucket in enumerate(signature(text).bands):
            for other in buckets.setdefault(bucket, []):
                if (pair := tuple(sorted((name, other)))) not in found and is_near_duplicate(text, texts[other]):
                    found.add(pair)
            buckets[bucket].append(name)
    hits = len(found & expected)
    assert 2 * hits / (len(found) + len(expected)) >= 0.99


@pytest.mark.shared
def test_no_two_texts_that_merely_share_their_subject_are_joined() -> None:
    """All 10,585 pairs of posts by one author on one subject and of news of a few days: no join (measured)."""
    posts = DATA / "posts" / "interconnects-2020-2023.jsonl.gz"
    if not posts.exists():
        pytest.skip("../shared/data/posts is missing")
    lines = gzip.decompress(posts.read_bytes()).decode().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    for records in sorted((DATA / "pages" / "publishers").glob("*/*.json")):
        for record in json.loads(records.read_text(encoding="utf-8")).values():
            texts.append("\n\n".join(line for part in record["body"]["sections"] for line in part["paragraphs"]))
    assert len(texts) >= 140
    shared = [
        (a, b)
        for (a, bands), (b, others) in combinations(
            ((text, set(enumerate(signature(text).bands))) for text in texts), 2
        )
        if bands & others
    ]
    assert not [(a[:60], b[:60]) for a, b in shared if is_near_duplicate(a, b)]


@pytest.mark.shared
def test_a_reprint_with_one_word_in_twenty_changed_and_three_tenths_added_is_found() -> None:
    """Planted on 100 articles: 99 found (measured), none joined with another text."""
    articles = SHARED / "articles_1000.train"
    if not articles.exists():
        pytest.skip("../shared/data/neardup is missing")
    texts = [line.split(" ", 1)[1] for line in articles.read_text(encoding="utf-8").splitlines()[:101]]
    found = []
    for text, neighbour in pairwise(texts):
        words, added = text.split(), neighbour.split()
        copy = [added[i % len(added)] if i % 20 == 10 else word for i, word in enumerate(words)]
        reprint = " ".join(copy + added[: len(words) * 3 // 10])
        shares_a_band = bool(set(enumerate(signature(text).bands)) & set(enumerate(signature(reprint).bands)))
        found.append(find_duplicate(reprint, [(1, neighbour), (2, text)]) if shares_a_band else None)
    assert found.count(2) >= 95
    assert 1 not in found
