"""Whether a unit carries a view on the subject: the features of that question. Pure: a scene in, numbers out.

What a unit means is in its embedding; what it does (quotes, reports, pleads, narrates) is in the features named here.
"""

import math
import re
from itertools import pairwise

from db.models import AUTHOR
from nlp.expressions import strength, unnamed_group_speaks
from nlp.lexicon import lexicon
from nlp.quotes import covered
from nlp.scene import Features, Scene
from nlp.speakers import speaker_features

_MODAL = re.compile(
    r"\b(?:should|shouldn't|must|mustn't|ought|need|needs|cannot|can't|would|let|let's|never|always|only|"
    r"nobody|everyone|anyone|better|worse|right|wrong|why)\b",
    re.I,
)
_NEGATION = re.compile(r"\b(?:not|no|never|n't|nothing|nobody|without|neither|nor|cannot)\b|n't\b", re.IGNORECASE)
_FIRST = re.compile(r"\b(?:I|I'm|I've|I'd|I'll|my|me|we|our|us|i)\b")
_SECOND = re.compile(r"\b(?:you|your|you're)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d")
_EVENT = re.compile(
    r"\b(?:on (?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)|million|billion|percent|"
    r"per cent|shares|round|raised|hearing|session|vote|votes|scheduled|launched|"
    r"announced|expected|benchmark|hours|weeks|plans to|declined to|did not (?:reply|answer|respond|"
    r"comment|say)|meets|return|next (?:week|month))\b",
    re.IGNORECASE,
)
_PAST = re.compile(r"\b(?:was|were|had|did|went|came|took|met|sat|rose|fell)\b")


_ABOUT_AI = re.compile(
    r"\bAI\b|\bA\.I\.|artificial intelligence|machine learning|\bLLMs?\b|chat ?bots?|\bGPT|(?:language|"
    r"open|closed|frontier|foundation|generative|trained) models?\b|"
    r"open[- ](?:source|weight)|\bweights\b|neural|\bparameters\b|algorithm|deepfake|checkpoints?\b|"
    r"training run|fine-?tun|superintelligence|\bGPUs?\b|supercomputer|"
    r"\blaborator(?:y|ies)\b|\blabs?\b|\bthe frontier\b|download",
    re.IGNORECASE,
)
_LONG = 500
"""Characters; a shorter text may speak of models without a word that says so, as a comment under an article does."""


def off_subject(scene: Scene) -> bool:
    ""
    """Whether a text of some length has no word and no name of the field: whatever is said in it is said of something else."""
    named = any(
        party.actor_id and party.type in ("model", "company", "product", "law") for party in scene.parties.values()
    )
    return len(scene.text) > _LONG and not named and not _ABOUT_AI.search(scene.text)


def _is_host(scene: Scene, number: int) -> bool:
    """Whether a transcript's unit is the interviewer's: whoever only asks holds no view."""
    label = scene.units[number].label
    return label is not None and scene.text[slice(*label)].casefold() in lexicon()["names"]["hosts"]


def terms_in(text: str) -> float:
    """How many different words of the lexicon's subject list stand in the text, on a logarithmic scale."""
    lowered = f" {re.sub(r'[^a-z -]', ' ', text.casefold())} "
    lowered = re.sub(r"\s+", " ", lowered)
    return math.log1p(sum(f" {term} " in lowered for term in lexicon()["subject"]["terms"]))


def unit_features(scene: Scene, number: int, speaker: str | None, margin: float) -> Features:
    ""
    """The features of one unit given its likeliest speaker (party key, AUTHOR or None) and by how much it is the likeliest."""
    unit = scene.units[number]
    text = scene.text[unit.start : unit.end]
    count = len(scene.units)
    found: Features = {
        "bias": 1.0,
        "length": math.log1p(len(text)) / 5,
        "short": float(len(text) < 30),
        "quoted": scene.quoted[number],
        "quote_some": float(0 < scene.quoted[number] < 0.5),
        "first_unit": float(number == 0),
        "last_unit": float(number == count - 1),
        "modal": float(len(_MODAL.findall(text))),
        "negation": float(bool(_NEGATION.search(text))),
        "first": float(bool(_FIRST.search(text))),
        "second": float(bool(_SECOND.search(text))),
        "digit": float(bool(_NUMBER.search(text))),
        "event": float(bool(_EVENT.search(text))),
        "past": float(bool(_PAST.search(text))),
        "question": float("?" in text),
        "colon": float(":" in text),
        "semicolon": float(";" in text),
        "exclaims": float("!" in text),
        "terms": terms_in(text),
        "terms_near": terms_in(
            scene.text[scene.units[max(0, number - 3)].start : scene.units[min(count - 1, number + 3)].end]
        ),
        "margin": min(margin, 6.0) / 6,
        "label": float(unit.label is not None),
        "label_host": float(_is_host(scene, number)),
        "group": float(unnamed_group_speaks(scene.doc, unit)),
    }
    for name, value in scene.opinion.items():
        found[f"o:{name}"] = value
    for step in (-2, -1, 1, 2):
        other = number + step
        if 0 <= other < count:
            near = scene.units[other]
            found[f"{step}:quoted"] = scene.quoted[other]
            found[f"{step}:strong"] = float(any(strength(e.relation) >= 3 for e in scene.expressions[other]))
            found[f"{step}:paragraph"] = float(near.paragraph != unit.paragraph)
            found[f"{step}:focus"] = float(scene.focus[other] == scene.focus[number])
            found[f"{step}:terms"] = terms_in(scene.text[near.start : near.end])
            found[f"{step}:question"] = float("?" in scene.text[near.start : near.end])
        else:
            found[f"{step}:none"] = 1.0
    found["strongest"] = max((strength(e.relation) for e in scene.expressions[number]), default=0) / 5
    found["focus_named"] = float(scene.focus[number] is not None)
    if speaker == AUTHOR:
        found["s:author"] = 1.0
        for name, value in scene.opinion.items():
            found[f"sa:{name}"] = value
        found["sa:terms"] = found["terms"]
        found["sa:modal"] = found["modal"]
        found["sa:first"] = found["first"]
        found["sa:named"] = float(any(e.party for e in scene.expressions[number]))
    elif speaker is not None:
        row = speaker_features(scene, number).get(speaker, {})
        for name, value in row.items():
            found[f"s:{name}"] = value
        found["s:quoted"] = scene.quoted[number]
        found["s:terms"] = found["terms"]
        for expression in scene.expressions[number]:
            if strength(expression.relation) >= 2 and expression.relation != "label":
                token = scene.doc.char_span(expression.start, expression.end, alignment_mode="expand")
                if token is not None:
                    found[f"verb:{token.root.head.lemma_.casefold()}"] = 1.0
    longest = max(
        (min(q.end, unit.end) - max(q.start, unit.start) for q in scene.quotes if covered([q], unit.start, unit.end)),
        default=0,
    )
    found["quote_long"] = float(longest > 40)
    return {name: value for name, value in found.items() if value}


_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


def _words(text: str, start: int, end: int, masked: list[tuple[int, int]]) -> list[str]:
    """Lower-case words between the offsets; names are left out, so that nobody's name weighs on what counts as a view."""
    piece = text[start:end]
    for left, right in masked:
        if left < end and start < right:
            left, right = max(left, start) - start, min(right, end) - start
            piece = piece[:left] + "|" * (right - left) + piece[right:]
    return _WORD.findall(piece.casefold().replace("’", "'"))


def word_features(scene: Scene) -> list[Features]:
    """For each unit its words and pairs of words (w:), the words of its neighbours (p:, n:) and of the whole text (d:)."""
    text = scene.text
    masked = [span for party in scene.parties.values() if party.type != "model" for span in party.spans]
    words = [_words(text, unit.start, unit.end, masked) for unit in scene.units]
    rows: list[Features] = []
    for number, own in enumerate(words):
        row: Features = {f"w:{word}": 1.0 for word in own}
        row.update({f"w:{left}_{right}": 1.0 for left, right in pairwise(own)})
        for step, label in ((-1, "p"), (1, "n")):
            if 0 <= number + step < len(words):
                row.update({f"{label}:{word}": 0.5 for word in words[number + step]})
        # The neighbourhood of a long text, not all of it: every word occurs somewhere in a long article.
        for near in words[max(0, number - 4) : number + 5]:
            row.update({f"d:{word}": 0.3 for word in near})
        rows.append(row)
    return rows
