"""What one labelled passage adds to each layer of the accuracy card, and what each layer is measured by. Pure.

Two rules say when a found statement is a labelled one: "IoU" intersection over union of their evidence is 0.5 or more; "half" half
of the shorter evidence or more lies in the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from db.models import AUTHOR, Counts, Judgement, Mention, Statement
from nlp.bootstrap import Layer, Rule
from nlp.debate import Debate
from nlp.inspection import Inspection
from nlp.scoring import Overlap, Passage, match, overlap, right_speaker, same_name, share_of_shorter

RULES: Final[dict[Rule, Overlap]] = {"IoU": overlap, "half": share_of_shorter}


def _by_rule(name: str, measure: Any = "F1") -> dict[Rule, Layer]:
    return {rule: Layer(name, measure, rule) for rule in RULES}


NAMES: Final = Layer("names", "F1")
LINKS: Final = Layer("names linked to actors", "F1")
FOUND: Final = _by_rule("statements found")
SPEAKER: Final = _by_rule("statements with the right speaker")
SIDE: Final = _by_rule("statements with the right side")
BOTH: Final = _by_rule("statements with the right speaker and side")
CLAIMS: Final = _by_rule("propositions of statements")
OPEN: Final = _by_rule("open statements found, side right", "recall")
CLOSED: Final = _by_rule("closed statements found, side right", "recall")
LEANING: Final = _by_rule("recall of open minus recall of closed", "difference")
ACTOR: Final = Layer("speaker linked to the right actor, where one is known", "share", "IoU")
SIDE_GIVEN: Final = Layer("side of a labelled statement", "share")
CLAIMS_GIVEN: Final = Layer("propositions of a labelled statement", "F1")
SILENCE: Final = Layer("passages without a statement left without a side", "share")
QUOTES: Final = Layer("direct quotations found with their speaker", "recall", "half")
"""Recall alone is compared: textacy takes every quotation, whatever it is about."""

LAYERS: Final[tuple[Layer, ...]] = (
    NAMES,
    LINKS,
    *(layers[rule] for layers in (FOUND, SPEAKER, SIDE, BOTH, CLAIMS, OPEN, CLOSED) for rule in RULES),
    ACTOR,
    SILENCE,
    SIDE_GIVEN,
    CLAIMS_GIVEN,
    QUOTES,
)
"""In the order of the card; LEANING follows from OPEN and CLOSED."""

Tally = dict[Layer, Counts]


def count_passage(debate: Debate, passage: Passage, read: Inspection, given: Sequence[Judgement | None]) -> Tally:
    """The counts of every layer for one passage. given: the judgements of its labelled spans, in order."""
    counts: Tally = {
        NAMES: _names(passage, read.mentions),
        LINKS: _links(debate, passage, read.mentions),
        ACTOR: _actors(debate, passage, read.statements),
        SILENCE: _silence(passage, read.judgements),
        SIDE_GIVEN: Counts(),
        CLAIMS_GIVEN: Counts(),
        QUOTES: count_quotes(passage, [s for s in read.statements if s.kind == "direct"]),
    }
    for gold, judgement in zip(passage["statements"], given, strict=True):
        counts[SIDE_GIVEN] += Counts(int(judgement is not None and judgement.side == gold["side"]), 1, 1)
        counts[CLAIMS_GIVEN] += _positions(gold, judgement)
    for rule in RULES:
        counts |= _end_to_end(passage, read, rule)
    return counts


def count_quotes(passage: Passage, statements: Sequence[Statement]) -> Counts:
    """Direct statements of a passage that overlap by half and have the right speaker."""
    labelled = [gold for gold in passage["statements"] if gold["kind"] == "direct"]
    pairs = match(statements, labelled, share_of_shorter)
    right = sum(right_speaker(statements[one], labelled[other]) for one, other in pairs)
    return Counts(right, len(statements), len(labelled))


def _end_to_end(passage: Passage, read: Inspection, rule: Rule) -> Tally:
    labelled = passage["statements"]
    pairs = match(read.statements, labelled, RULES[rule])
    speakers = sides = both = agreed = 0
    recalled = {"open": 0, "closed": 0}
    for one, other in pairs:
        judgement, gold = read.judgements[one], labelled[other]
        spoken, right = right_speaker(read.statements[one], gold), judgement.side == gold["side"]
        speakers += spoken
        sides += right
        both += spoken and right
        agreed += _positions(gold, judgement).right
        if right and gold["side"] in recalled:
            recalled[gold["side"]] += 1
    found, wanted = len(read.statements), len(labelled)
    claims = sum(len(judgement.positions) for judgement in read.judgements)
    taken = {side: sum(gold["side"] == side for gold in labelled) for side in recalled}
    return {
        FOUND[rule]: Counts(len(pairs), found, wanted),
        SPEAKER[rule]: Counts(speakers, found, wanted),
        SIDE[rule]: Counts(sides, found, wanted),
        BOTH[rule]: Counts(both, found, wanted),
        CLAIMS[rule]: Counts(agreed, claims, sum(len(gold["propositions"]) for gold in labelled)),
        OPEN[rule]: Counts(recalled["open"], taken["open"], taken["open"]),
        CLOSED[rule]: Counts(recalled["closed"], taken["closed"], taken["closed"]),
    }


def _actors(debate: Debate, passage: Passage, statements: Sequence[Statement]) -> Counts:
    """Of the statements found whose labelled speaker is an actor of the debate file: those linked to that actor."""
    counts = Counts()
    for one, other in match(statements, passage["statements"]):
        if expected := _actor_ids(debate, passage["statements"][other]["speaker"]):
            counts += Counts(int(statements[one].speaker.actor_id in expected), 1, 1)
    return counts


def _positions(gold: Mapping[str, Any], judgement: Judgement | None) -> Counts:
    wanted = {(position["id"], position["stance"]) for position in gold["propositions"]}
    found = {(p.proposition_id, p.stance) for p in judgement.positions} if judgement else set()
    return Counts(len(wanted & found), len(found), len(wanted))


def _silence(passage: Passage, judgements: Sequence[Judgement]) -> Counts:
    if passage["statements"]:
        return Counts()
    return Counts(int(not any(judgement.side in ("open", "closed") for judgement in judgements)), 1, 1)


def _names(passage: Passage, mentions: Sequence[Mention]) -> Counts:
    """Names by what they mean, once a passage: labelled entities against the names and surfaces found."""
    text = passage["text"]
    found = {(mention.name, text[mention.start : mention.end]) for mention in mentions}
    wanted = {(entity["canonical"], entity["surface"]) for entity in passage["entities"]}

    def same(one: tuple[str, str], other: tuple[str, str]) -> bool:
        return same_name(one[0], other[0]) or same_name(one[1], other[1])

    right = sum(any(same(entity, name) for name in found) for entity in wanted)
    false = sum(not any(same(entity, name) for entity in wanted) for name in found)
    return Counts(right, right + false, len(wanted))


def _links(debate: Debate, passage: Passage, mentions: Sequence[Mention]) -> Counts:
    """Labelled entities by the actor they are linked to, and links of what is no labelled entity, each once a passage."""
    text = passage["text"]
    counts = Counts()
    expected_in_all: set[str] = set()
    labelled: list[tuple[int, int]] = []
    for entity in passage["entities"]:
        spans = _places(text, entity["surface"])
        labelled += spans
        expected = _actor_ids(debate, entity["canonical"])
        expected_in_all |= expected
        given = {m.actor_id for m in mentions if m.actor_id and _touches(m, spans)}
        counts += Counts(int(bool(given & expected)), int(bool(given)), int(bool(expected)))
    elsewhere = {m.actor_id for m in mentions if m.actor_id and not _touches(m, labelled)}
    return counts + Counts(0, len(elsewhere - expected_in_all), 0)


def _touches(mention: Mention, spans: Iterable[tuple[int, int]]) -> bool:
    return any(mention.start < end and start < mention.end for start, end in spans)


def _places(text: str, surface: str) -> list[tuple[int, int]]:
    """Every place of a surface in a text."""
    found = []
    at = text.find(surface)
    while at >= 0:
        found.append((at, at + len(surface)))
        at = text.find(surface, at + 1)
    return found


def _actor_ids(debate: Debate, name: str) -> set[str]:
    """The actors of the debate file that bear a name; none for the author of a text."""
    return set() if name == AUTHOR else {actor.id for actor in debate.actors_by_alias.get(name, ())}
