"""The accuracy card: every layer of the analysis scored on labelled passages that nothing was trained or tuned on.

Reads labelled passages and scores the very reader and judge that the analysis uses, with baselines in the same call; stores
nothing. Pages are scored in crawler/page_scores.py and handed in. What each layer counts: nlp/measures.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from db.models import Counts, Judgement, paragraph
from nlp import baselines
from nlp.accuracy_card import Card
from nlp.bootstrap import Bootstrap, Layer, Score
from nlp.debate import Debate, load_debate
from nlp.embeddings import Embedder
from nlp.inspection import Inspector
from nlp.measures import CLOSED, LAYERS, LEANING, OPEN, QUOTES, RULES, SIDE_GIVEN, Tally, count_passage, count_quotes
from nlp.name_scores import LabelledSentence, count_entities, count_mentions, labelled_sentences
from nlp.scoring import Passage, held_out, load_passages
from nlp.stance import StanceInput

PAGES: Final = Layer("pieces of text of a page", "F1")
CROSSNER: Final = Layer("people and organisations in CrossNER", "F1")

Progress = Callable[[int, int, str], None]


def evaluate(
    debate: Debate,
    folder: Path | None = None,
    *,
    limit: int | None = None,
    pages: Mapping[str, Sequence[Counts]] | None = None,
    names: Path | None = None,
    progress: Progress | None = None,
) -> Card:
    """Scores reader, judge and baselines on the held-out shipped passages, or on all of a folder of your own.

    limit: only the first so many passages. pages: method -> counts of each page. names: a file of CrossNER.
    Raises InputError for labels that are none, ModelError for a model that cannot be loaded.
    """
    shipped = load_passages()
    passages = load_passages(folder) if folder else [p for p in shipped if held_out(p["id"])]
    passages = passages[:limit]
    inspector = Inspector(debate)
    tallies, notes = [], []
    for number, passage in enumerate(passages, 1):
        tallies.append(_tally(debate, inspector, passage))
        if progress:
            progress(number, len(passages), passage["id"])
    draw = Bootstrap(len(passages))
    scores = [draw.score(layer, [tally[layer] for tally in tallies]) for layer in LAYERS]
    scores += [
        draw.difference(LEANING[rule], *([tally[of[rule]] for tally in tallies] for of in (OPEN, CLOSED)))
        for rule in RULES
    ]
    if debate.id != load_debate().id:
        notes.append("baselines that need training were left out: the shipped labels are of another debate")
        shipped = []
    training = [p for p in shipped if not held_out(p["id"])]
    scores += [draw.score(SIDE_GIVEN, rows, method) for method, rows in side_baselines(debate, training, passages)]
    if baselines.textacy_installed():
        scores.append(draw.score(QUOTES, _quoted_by_textacy(inspector, passages), "textacy"))
    else:
        notes.append("textacy was not compared with: it is not installed (extra `eval`)")
    scores += _pages_scores(pages, notes)
    if names:
        scores += _name_scores(inspector, labelled_sentences(names))
    else:
        notes.append("names were not scored on CrossNER: its file is not here")
    return Card(
        len(passages),
        tuple(scores),
        tuple(notes),
        {"read": inspector.reader.version, "stance": inspector.stance.version},
    )


def _tally(debate: Debate, inspector: Inspector, passage: Passage) -> Tally:
    read = inspector.inspect(passage["text"], author=passage.get("author"))
    text = passage["text"]
    spans = [
        StanceInput(gold["evidence"], gold["speaker"], paragraph(text, gold["start"], gold["end"]))
        for gold in passage["statements"]
    ]
    given: Sequence[Judgement | None] = inspector.stance.judge(spans)
    return count_passage(debate, passage, read, given)


def side_baselines(
    debate: Debate, training: Sequence[Passage], passages: Sequence[Passage]
) -> Iterator[tuple[str, list[Counts]]]:
    """The baselines for the side of a labelled span, with their counts by passage; those that learn do so from `training`."""
    methods: dict[str, baselines.Sides] = {"lexicon": baselines.lexicon_sides(debate)}
    if training:
        learned = [s for p in training for s in p["statements"]]
        texts, sides = [s["evidence"] for s in learned], [s["side"] for s in learned]
        methods["commonest side"] = baselines.commonest_side(sides)
        methods["frozen vectors, logistic regression"] = baselines.embedded_sides(Embedder(), texts, sides)
    spans = [gold["evidence"] for passage in passages for gold in passage["statements"]]
    for method, sides_of in methods.items():
        said = iter(sides_of(spans))
        rows = [
            sum((Counts(int(next(said) == gold["side"]), 1, 1) for gold in p["statements"]), Counts()) for p in passages
        ]
        yield method, rows


def _quoted_by_textacy(inspector: Inspector, passages: Sequence[Passage]) -> list[Counts]:
    docs = inspector.reader.parse(passage["text"] for passage in passages)
    return [count_quotes(passage, baselines.textacy_quotes(doc)) for passage, doc in zip(passages, docs, strict=True)]


def _pages_scores(pages: Mapping[str, Sequence[Counts]] | None, notes: list[str]) -> list[Score]:
    if not pages:
        notes.append("extraction was not scored: no labelled pages are here")
        return []
    return [Bootstrap(len(rows)).score(PAGES, rows, method) for method, rows in pages.items()]


def _name_scores(inspector: Inspector, sentences: Sequence[LabelledSentence]) -> list[Score]:
    ours = [count_mentions(sentence, inspector.inspect(sentence.text).mentions) for sentence in sentences]
    docs: list[Any] = inspector.reader.parse(sentence.text for sentence in sentences)
    plain = [count_entities(sentence, doc) for sentence, doc in zip(sentences, docs, strict=True)]
    draw = Bootstrap(len(sentences))
    return [draw.score(CROSSNER, ours), draw.score(CROSSNER, plain, "spaCy")]
