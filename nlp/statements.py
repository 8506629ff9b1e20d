"""Who says what, with offsets: the spaCy component "debatewatch_statements", which fills `doc._.statements`.

What counts is in shared rules: a statement is a view on the subject that one identifiable speaker holds; its evidence is one
stretch of the text. Each unit gets the probability of carrying a view and of each speaker; the best path through the text
decides. No input or output, and nothing here knows the sides of the debate.
"""

import math
from dataclasses import dataclass

from spacy.language import Language
from spacy.tokens import Doc

from db.models import AUTHOR, Speaker, Statement, StatementKind
from nlp.expressions import Expression, strength, unnamed_group_speaks
from nlp.quotes import covered, find_quotes
from nlp.scene import Scene, build_scene, ranked
from nlp.speakers import speaker_features
from nlp.tagging import off_subject, unit_features, word_features
from nlp.units import split_units
from nlp.weights import Linear, ReaderWeights, load_weights

_OFF_SUBJECT = 2.5
"""What a text without any word of the field costs each of its units, in log odds; chosen so that only plain pleas survive."""
_UNNAMED = 2.5
"""What "critics say" costs a unit of unsigned text, in log odds: the view is theirs, not the text's."""
_CANDIDATES = 5
"""Speakers kept for a unit; the right one is among the first five for 99 % of the labelled units."""

_RULES = {
    "label": "transcript", "said": "reporting verb", "view": "according to", "poss_view": "somebody's view", "verb": "verb",
    "rel": "relative clause", "root": "subject", "subj": "subject of a clause", "poss": "nearby name", "other": "nearby name",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class UnitReading:
    """A unit's probability of carrying a view, and its likeliest speakers with their log probabilities, best first."""

    view: float
    speakers: tuple[tuple[str, float], ...]


def rank_speakers(scene: Scene, number: int, model: Linear) -> tuple[tuple[str, float], ...]:
    """The candidate speakers of a unit (party key or AUTHOR) with their log probabilities, best first."""
    scores = {key: model.score(row) for key, row in speaker_features(scene, number).items()}
    top = max(scores.values())
    total = top + math.log(sum(math.exp(score - top) for score in scores.values()))
    ordered = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple((key, score - total) for key, score in ordered[:_CANDIDATES])


def read_units(scene: Scene, weights: ReaderWeights) -> list[UnitReading]:
    """What the two models say of every unit."""
    readings: list[UnitReading] = []
    words = word_features(scene)
    penalty = _OFF_SUBJECT if off_subject(scene) else 0.0
    for number in range(len(scene.units)):
        speakers = rank_speakers(scene, number, weights.speaker)
        margin = speakers[0][1] - speakers[1][1] if len(speakers) > 1 else 6.0
        row = unit_features(scene, number, speakers[0][0], margin) | words[number]
        score = weights.view.score(row) - penalty
        if speakers[0][0] == AUTHOR and scene.author is None and unnamed_group_speaks(scene.doc, scene.units[number]):
            score -= _UNNAMED
        readings.append(UnitReading(1 / (1 + math.exp(-max(-30.0, min(30.0, score)))), speakers))
    return readings


def best_path(readings: list[UnitReading], settings: dict[str, float], paragraphs: list[int]) -> list[str | None]:
    """The likeliest sequence of speakers (None: no statement) through the units (Viterbi, IEEE Trans. Inf. Theory, 1967)."""
    path: list[dict[str | None, tuple[float, str | None]]] = []
    shift = math.log(settings["threshold"] / (1 - settings["threshold"]))
    for number, reading in enumerate(readings):
        view = min(max(reading.view, 1e-6), 1 - 1e-6)
        states: dict[str | None, float] = {None: math.log(1 - view) + shift}
        states.update({key: math.log(view) + logp * settings["speaker"] for key, logp in reading.speakers})
        step: dict[str | None, tuple[float, str | None]] = {}
        for state, emission in states.items():
            if not path:
                step[state] = (emission, None)
                continue
            apart = paragraphs[number] != paragraphs[number - 1]
            options = [
                (score - _cost(before, state, settings, apart), before) for before, (score, _) in path[-1].items()
            ]
            score, before = max(options, key=lambda option: (option[0], option[1] or ""))
            step[state] = (score + emission, before)
        path.append(step)
    if not path:
        return []
    state = max(path[-1], key=lambda key: (path[-1][key][0], key or ""))
    states_back: list[str | None] = []
    for step in reversed(path):
        states_back.append(state)
        state = step[state][1]
    return states_back[::-1]


def _cost(before: str | None, after: str | None, settings: dict[str, float], apart: bool) -> float:
    if before == after:
        return 0.0
    if before is None or after is None:
        return settings["edge"] * (0.5 if apart else 1.0)
    return settings["change"] * (0.5 if apart else 1.0)


def find_statements(scene: Scene, weights: ReaderWeights) -> tuple[Statement, ...]:
    """The statements of a scene, in order."""
    readings = read_units(scene, weights)
    return assemble(scene, readings, dict(weights.settings))


def assemble(scene: Scene, readings: list[UnitReading], settings: dict[str, float]) -> tuple[Statement, ...]:
    """Joins neighbouring units of one speaker into statements with evidence, surface and kind."""
    states = best_path(readings, settings, [unit.paragraph for unit in scene.units])
    found: list[Statement] = []
    number = 0
    while number < len(states):
        speaker = states[number]
        last = number
        while (
            last + 1 < len(states)
            and states[last + 1] == speaker
            and scene.units[last + 1].label == scene.units[number].label
        ):
            last += 1
        # A stretch of lukewarm units is no view: one of them must be.
        if speaker is not None and max(r.view for r in readings[number : last + 1]) >= settings["peak"]:
            found.append(_statement(scene, speaker, number, last, settings))
        number = last + 1
    return tuple(found)


def _statement(scene: Scene, key: str, first: int, last: int, settings: dict[str, float]) -> Statement:
    start, end = scene.units[first].start, scene.units[last].end
    if key == AUTHOR:
        return Statement(start, end, Speaker(AUTHOR, scene.author or AUTHOR), "authorial", "author")
    party = scene.parties[key]
    expression = _surface(scene, key, first, last)
    quoted = covered(scene.quotes, start, end) / (end - start)
    labelled = scene.units[first].label is not None
    kind: StatementKind = "direct" if labelled or quoted >= settings["direct"] else "indirect"
    if expression is None:
        left, right = min(party.spans, key=lambda span: abs(span[0] - start))
        rule = "nearby name"
    else:
        left, right, rule = expression.start, expression.end, _RULES[expression.relation]
        if expression.form in ("he", "she", "they", "it"):
            rule += ", pronoun"
        elif expression.form in ("person", "group"):
            rule += ", description"
    name = party.name.removeprefix("the ").removeprefix("The ")
    return Statement(start, end, Speaker(scene.text[left:right], name, party.actor_id, left, right), kind, rule)


def _surface(scene: Scene, key: str, first: int, last: int) -> Expression | None:
    """The expression by which the text names the speaker of these units: the strongest within, else the nearest around."""
    inside = [
        (strength(e.relation), -e.start, e)
        for n in range(first, last + 1)
        for e in scene.expressions[n]
        if _means(scene, e, key)
    ]
    inside = [item for item in inside if item[0] > 0] or inside
    if inside:
        return max(inside, key=lambda item: (item[0], item[1]))[2]
    for away in (1, 2, 3):
        for number in (last + away, first - away):
            if 0 <= number < len(scene.units):
                around = [
                    (strength(e.relation), e.start, e) for e in scene.expressions[number] if _means(scene, e, key)
                ]
                if around:
                    return max(around, key=lambda item: (item[0], item[1]))[2]
    return None


def _means(scene: Scene, expression: Expression, key: str) -> bool:
    if expression.party is not None:
        return expression.party == key
    options = ranked(scene, expression)
    return key in options[:2]


def scene_of(doc: Doc) -> Scene:
    """The scene of a parsed document whose mentions have been found."""
    return build_scene(doc, split_units(doc.text), find_quotes(doc.text), doc._.mentions, doc._.author, doc._.kind)


class StatementFinder:
    """The component: reads `doc._.mentions`, `doc._.author` and `doc._.kind`, and sets `doc._.statements`."""

    def __call__(self, doc: Doc) -> Doc:
        """Sets the extension and hands the document on."""
        doc._.statements = find_statements(scene_of(doc), load_weights())
        return doc


@Language.factory("debatewatch_statements")
def create_statement_finder(nlp: Language, name: str) -> StatementFinder:
    """The component with the shipped weights; it wants "debatewatch_actors" before it."""
    for extension, default in (("mentions", ()), ("statements", ()), ("author", None), ("kind", "article")):
        if not Doc.has_extension(extension):
            Doc.set_extension(extension, default=default)
    return StatementFinder()
