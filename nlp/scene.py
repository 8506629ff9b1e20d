"""A text as the reader sees it: its units, its parties, the expressions for them, and who is in focus where.

Pronouns and descriptions are resolved here, within the article, as far as an order of candidates. No input or output.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spacy.tokens import Doc

from db.models import Mention
from nlp.expressions import Expression, Party, find_expressions, strength
from nlp.lexicon import lexicon, surname
from nlp.quotes import Quote, covered
from nlp.units import Unit

Features = dict[str, float]

FIRST_PERSON = re.compile(
    r"\b(?:I|I'm|I've|I'd|I'll|I’m|I’ve|I’d|I’ll|my|me|mine|myself|i|i'm|im|ive|i've|imo|imho|we|our|us)\b"
)
SECOND_PERSON = re.compile(r"\b(?:you|your|you're|yours)\b", re.IGNORECASE)


@dataclass(slots=True)
class Scene:
    """A text as the speaker model sees it."""

    doc: Doc
    text: str
    units: Sequence[Unit]
    quotes: list[Quote]
    parties: dict[str, Party]
    expressions: list[list[Expression]]
    focus: list[str | None]
    """For each unit: the party that its strongest expression means, or the one still speaking."""
    quoted: list[float]
    """For each unit: the share of its characters inside quotations."""
    author: str | None
    kind: str
    opinion: Features


def party_key(mention: Mention) -> str:
    """One key for all mentions of the same actor, or of the same unknown name."""
    return mention.actor_id or mention.name.casefold().removeprefix("the ")


def build_scene(
    doc: Doc, units: Sequence[Unit], quotes: list[Quote], mentions: Iterable[Mention], author: str | None, kind: str
) -> Scene:
    """Parties and expressions of a parsed text, pronouns and descriptions ranked but not yet decided."""
    text = doc.text
    parties: dict[str, Party] = {}
    for mention in mentions:
        party = parties.setdefault(
            party_key(mention), Party(party_key(mention), mention.name, mention.actor_id, mention.type)
        )
        party.spans.append((mention.start, mention.end))
    for match in re.finditer(r"(?<!\w)@([\w.-]*\w)", text):
        handle = parties.setdefault(
            match.group(1).casefold(), Party(match.group(1).casefold(), match.group(1), None, "person")
        )
        handle.spans.append(match.span())
    labels = {unit.label for unit in units if unit.label is not None}
    for left, right in sorted(labels):
        _label_party(text, left, right, parties)
    quoted = [covered(quotes, unit.start, unit.end) / max(1, unit.end - unit.start) for unit in units]
    expressions = [find_expressions(doc, number, unit, parties, quotes) for number, unit in enumerate(units)]
    scene = Scene(doc, text, units, quotes, parties, expressions, [], quoted, author, kind, {})
    _genders(scene)
    _set_focus(scene)
    scene.opinion = _opinion(scene)
    return scene


def _label_party(text: str, left: int, right: int, parties: dict[str, Party]) -> None:
    """The party that a transcript's label means: one already named, by its surname, or a new one."""
    name = re.sub(r"\s+", " ", text[left:right]).lstrip("@")
    bare = [
        word for word in name.split(",")[0].split() if word.rstrip(".").casefold() not in lexicon()["names"]["titles"]
    ]
    plain = " ".join(bare) or name
    if plain.isupper() and len(plain) > 2:
        plain = plain.title()
    for party in parties.values():
        if party.type == "person" and (
            party.name.casefold() == plain.casefold() or surname(party.name).casefold() == plain.split()[-1].casefold()
        ):
            if (left, right) not in party.spans:
                party.spans.append((left, right))
            if len(plain.split()) > len(party.name.split()) and party.actor_id is None:
                party.name = plain
            return
    key = plain.casefold()
    parties.setdefault(key, Party(key, plain, None, "person")).spans.append((left, right))


def _genders(scene: Scene) -> None:
    """Genders of persons, from titles before their names and from pronouns where only one person has been named."""
    names = lexicon()["names"]
    people = [party for party in scene.parties.values() if party.type == "person"]
    for party in people:
        for start, _ in party.spans:
            title = re.search(r"(\w+)\.? $", scene.text[max(0, start - 20) : start])
            word = title.group(1).casefold() if title else ""
            if word in names["masculine"]:
                party.gender = "he"
            elif word in names["feminine"]:
                party.gender = "she"
    first = sorted(((min(p.spans)[0], p) for p in people if p.spans), key=lambda pair: (pair[0], pair[1].key))
    for order, (start, party) in enumerate(first):
        following = first[order + 1][0] if order + 1 < len(first) else len(scene.text)
        if party.gender or (order and not first[order - 1][1].gender):
            continue
        forms = [
            e.form
            for unit in scene.expressions
            for e in unit
            if e.form in ("he", "she") and start < e.start < following
        ]
        if forms and len(set(forms)) == 1:
            party.gender = forms[0]


def fits(expression: Expression, party: Party) -> bool:
    """Whether a pronoun or a description can mean a party at all."""
    person = party.type == "person"
    if expression.form in ("he", "she"):
        return person and party.gender in ("", expression.form)
    if expression.form == "it" or expression.form == "group":
        return party.type in ("company", "organisation", "government", "publication", "law")
    if expression.form == "person":
        return person
    return True


def ranked(scene: Scene, expression: Expression) -> list[str]:
    """Parties that an unresolved expression can mean, best first: who was in focus, then who was named last."""
    before: list[tuple[float, str]] = []
    unit = expression.unit
    for key, party in scene.parties.items():
        if not fits(expression, party):
            continue
        earlier = [start for start, end in party.spans if end <= expression.start]
        if earlier:
            last = max(earlier)
            score = float(last)
            for back, bonus in ((0, 0.0), (1, 200.0), (2, 80.0)):
                if back and unit - back >= 0 and len(scene.focus) > unit - back and scene.focus[unit - back] == key:
                    score += bonus
            first = [e for e in scene.expressions[unit] if e.party == key and e.end <= expression.start]
            if any(strength(e.relation) >= 1 for e in first):
                score += 150.0
            before.append((score, key))
        else:
            # Named only later: "Asked what she made of it, Rosa Querini ..."
            start = min(party.spans)[0]
            if start < scene.units[unit].end:
                before.append((-float(start), key))
    return [key for _, key in sorted(before, key=lambda pair: (-pair[0], pair[1]))]


def _set_focus(scene: Scene) -> None:
    for number in range(len(scene.units)):
        best: tuple[int, int, str] | None = None
        for expression in scene.expressions[number]:
            power = strength(expression.relation)
            if power == 0:
                continue
            key = expression.party
            if key is None and expression.form in ("he", "she", "person", "they", "it", "group"):
                options = ranked(scene, expression)
                key = options[0] if options else None
                power -= expression.form in ("they", "it", "group")
            if key is None or scene.parties[key].type in ("model", "law", "product"):
                continue
            if best is None or power > best[0]:
                best = (power, -expression.start, key)
        same = number > 0 and scene.units[number].paragraph - scene.units[number - 1].paragraph <= 1
        scene.focus.append(best[2] if best is not None else (scene.focus[-1] if same else None))


def _opinion(scene: Scene) -> Features:
    """What speaks for the text's being its author's own opinion."""
    text = scene.text
    outside = list(text)
    for quote in scene.quotes:
        outside[quote.start : quote.end] = " " * (quote.end - quote.start)
    plain = "".join(outside)
    first = len(FIRST_PERSON.findall(plain))
    attributed = sum(any(strength(e.relation) >= 4 for e in unit) for unit in scene.expressions) / max(
        1, len(scene.units)
    )
    return {
        "author": float(scene.author is not None),
        "post": float(scene.kind in ("post", "comment")),
        "first": float(first > 0),
        "first_many": float(first > 2),
        "second": float(bool(SECOND_PERSON.search(plain))),
        "attributed": attributed,
        "author_and_first": float(scene.author is not None and first > 0),
        "author_not_first": float(scene.author is not None and first == 0),
        "author_long_not_first": float(scene.author is not None and first == 0 and len(text) > 1000),
        "author_reports": float(scene.author is not None and first == 0 and attributed > 0.2),
        "no_people": float(not any(p.type == "person" for p in scene.parties.values())),
        "informal": float(text[:1].islower() or bool(re.search(r"\b(?:lol|imo|tbh|dont|i'm|i)\b", plain))),
    }
