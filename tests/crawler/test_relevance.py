"""Is this about the debate? The shipped table on clear cases and on the sample, and how a table of one's own is read."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

import crawler
from crawler.relevance import Relevance
from crawler.sample_web.content import load_articles, load_outlets
from db.models import InputError, SourcesFileError

SHIPPED = Path(crawler.__file__).parent / "sources.toml"
ARTICLES = Path(crawler.__file__).parent / "sample_web" / "articles"
LABELS = Path(__file__).parents[3] / "shared" / "data" / "labels"


@pytest.fixture(scope="module")
def shipped() -> Relevance:
    return Relevance.from_table(tomllib.loads(SHIPPED.read_text(encoding="utf-8"))["relevance"])


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (
            "Meta released the weights of Llama 3 on Thursday, and its chief scientist argued that open models are safer.",
            "en",
        ),
        ("The senator wants a licence before the weights of large AI models are published.", "en"),
        ("We should keep the most capable closed models closed; open-weight releases help criminals.", "en"),
        ("Le sénateur veut interdire la publication des poids des modèles d'intelligence artificielle.", "fr"),
        ("Die Regierung streitet über offene KI-Modelle und quelloffene Sprachmodelle.", "de"),
        ("El gobierno discute la IA de código abierto y los modelos abiertos.", "es"),
        ("Das Ministerium lobt open-weight models aus Paris.", "de"),
    ],
)
def test_a_clear_sentence_is_enough_for_a_short_text(shipped: Relevance, text: str, language: str) -> None:
    assert shipped.judge("", text, language).relevant


@pytest.mark.parametrize(
    ("title", "text"),
    [
        (
            "The Open championship begins",
            "The Open began in the rain; the leader closed with a birdie and released a sigh.",
        ),
        (
            "Llama farm opens its gates",
            "The largest llama on the farm is called Senator. The gate to the trail, closed since May, was opened.",
        ),
        (
            "An open letter to the mayor",
            "In an open letter, parents ask that the school stay open and that its closed library be opened.",
        ),
        ("Weights", "He put the weights back on the rack. The gymnasium, open since May, closed for the night."),
        (
            "Chatbot has an outage",
            "ChatGPT was unreachable for several hours. OpenAI spoke of a fault and of a fix being rolled out.",
        ),
    ],
)
def test_the_words_in_their_everyday_senses_are_not_enough(shipped: Relevance, title: str, text: str) -> None:
    assert not shipped.judge(title, text, "en").relevant


def test_a_passing_mention_does_not_carry_a_long_page(shipped: Relevance) -> None:
    sentence = "Open-weight models were mentioned too."
    filler = "The council met to talk about the roof of the swimming hall and the price of tiles. " * 300
    assert shipped.judge("", sentence, "en").relevant
    assert not shipped.judge("", filler + sentence, "en").relevant


def test_the_title_weighs_more(shipped: Relevance) -> None:
    text = "The committee met for two hours. " * 20
    assert (
        shipped.judge("Open-weight models", text, "en").score
        > shipped.judge("", "Open-weight models. " + text, "en").score
    )


def test_the_sample_is_told_apart(shipped: Relevance) -> None:
    """Recall of at least 0.97 over the sample's articles on the debate, and none of those on other things."""
    kept = missed = 0
    for outlet in load_outlets():
        for article in load_articles(ARTICLES, outlet):
            text = "\n\n".join(block.text for part in (article, *article.comments) for block in part.blocks)
            relevant = shipped.judge(article.title, text, "fr" if outlet == "rivage" else "en").relevant
            if article.off_topic:
                assert not relevant, article.name
            kept, missed = (
                kept + (relevant and not article.off_topic),
                missed + (not relevant and not article.off_topic),
            )
    assert kept / (kept + missed) >= 0.97


@pytest.mark.shared
def test_longer_labelled_passages_on_the_debate_are_mostly_kept(shipped: Relevance) -> None:
    """Passages of 100 words without a title, written to avoid the debate's own words: 0.60 are kept (measured)."""
    if not LABELS.exists():
        pytest.skip("../shared/data/labels is missing")
    texts = [
        json.loads(line)["text"]
        for name in ("long", "long-second")
        for line in (LABELS / f"{name}.jsonl").open(encoding="utf-8")
    ]
    assert sum(shipped.judge("", text, "en").relevant for text in texts) / len(texts) >= 0.55


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("OPEN-WEIGHTS and open\u00a0weights", {"open weight*"}),
        ("an AI is not an ai", {"AI"}),
        ("said", set()),
        ("A.I. is the old spelling", {"A.I."}),
        ("roof with many new panels", {"roof ... panels"}),
        ("roof with far too many quite new panels", set()),
        ("reopen weights", set()),
    ],
)
def test_terms_are_whole_words_with_wildcards(text: str, found: set[str]) -> None:
    relevance = Relevance.from_table(
        {"group": [{"name": "x", "terms": {"en": ["AI", "open weight*", "roof ... panels", "A.I."]}}]}
    )
    assert set(relevance.judge("", text, "en").terms) == found


def test_without_a_table_everything_is_relevant() -> None:
    assert Relevance.from_table({}).judge("", "anything").relevant


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"treshold": 1}, "treshold"),
        ({"threshold": "high"}, "threshold"),
        ({"group": {"name": "x"}}, r"\[\[relevance.group\]\]"),
        ({"group": [{"name": "x"}]}, "needs terms"),
        ({"group": [{"name": "x", "terms": {"en": "open"}}]}, "terms.en"),
        ({"group": [{"name": "x", "terms": {"en": ["*"]}}]}, "terms.en"),
        ({"group": [{"name": "x", "weight": -1, "terms": {"en": ["a"]}}]}, "weight"),
        ({"group": [{"name": "x", "counts_for": "ai", "terms": {"en": ["a"]}}]}, "counts_for"),
    ],
)
def test_a_wrong_table_is_refused_in_one_line(table: dict[str, object], message: str) -> None:
    with pytest.raises(SourcesFileError, match=message) as error:
        Relevance.from_table(table, "mine.toml")
    assert "mine.toml" in str(error.value)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, InputError)
