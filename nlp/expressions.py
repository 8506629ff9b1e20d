"""The expressions of a text that refer to somebody, each with its grammatical relation to the view its sentence may carry.

Names, pronouns, titles and descriptions; reads the parse, resolves nothing that is not named beside it. No input or output.
"""

import re
from dataclasses import dataclass, field

from spacy.tokens import Doc, Token

from nlp.lexicon import lexicon
from nlp.quotes import Quote
from nlp.units import Unit

_PERSON_ROLE = re.compile(r"(?:[a-z-]{2,}(?:er|or|ist|ian|man|woman|ant|yst|eer|ess|cist|logue))$")
_PRONOUNS = {
    "he": "he",
    "she": "she",
    "they": "they",
    "it": "it",
    "his": "he",
    "her": "she",
    "their": "they",
    "its": "it",
    "him": "he",
}
_STRENGTH = {
    "label": 5,
    "said": 4,
    "view": 4,
    "poss_view": 3,
    "verb": 3,
    "rel": 2,
    "root": 2,
    "subj": 1,
    "poss": 0,
    "other": 0,
}


@dataclass(slots=True)
class Party:
    """Somebody or something that the text speaks of; `key` is its identity within the text."""

    key: str
    name: str
    actor_id: str | None
    type: str
    spans: list[tuple[int, int]] = field(default_factory=list)
    gender: str = ""


@dataclass(frozen=True, slots=True)
class Expression:
    """A word or phrase that refers to a party. `party` is None where it must be resolved; `form` says by what it can be."""

    start: int
    end: int
    unit: int
    relation: str
    form: str
    party: str | None


def strength(relation: str) -> int:
    """How strongly a relation says that its party holds the view: 5 a transcript's label, 0 a name in passing."""
    return _STRENGTH[relation]


def find_expressions(
    doc: Doc, number: int, unit: Unit, parties: dict[str, Party], quotes: list[Quote]
) -> list[Expression]:
    """Every expression in a unit, outside quotations, with its grammatical relation to the view."""
    found: list[Expression] = []
    if unit.label is not None:
        for party in parties.values():
            if unit.label in party.spans or any(a <= unit.label[0] and unit.label[1] <= b for a, b in party.spans):
                found.append(Expression(*unit.label, number, "label", "name", party.key))
                break
    span = doc.char_span(unit.start, unit.end, alignment_mode="expand")
    if span is None:
        return found
    inside = [(q.start, q.end) for q in quotes if q.end > unit.start and q.start < unit.end]
    taken: set[int] = set()
    for party in parties.values():
        for start, end in party.spans:
            if unit.start <= start < unit.end and not any(a < start and end < b for a, b in inside):
                name = doc.char_span(start, end, alignment_mode="expand")
                if name is None:
                    continue
                taken.update(token.i for token in name)
                found.append(Expression(start, end, number, relation(name.root, unit), "name", party.key))
    named = {token_i: party for e in found for party in [e.party] for token_i in _tokens(doc, e.start, e.end)}
    for token in span:
        if token.i in taken or any(a < token.idx < b for a, b in inside):
            continue
        form = _PRONOUNS.get(token.lower_)
        if form is not None:
            rel = relation(token, unit)
            if token.dep_ == "poss" and rel not in ("poss_view",):
                rel = "poss"
            found.append(Expression(token.idx, token.idx + len(token.text), number, rel, form, None))
        elif token.pos_ in ("NOUN", "PROPN") and token.dep_ != "compound":
            role = _role(token)
            rel = relation(token, unit) if role else "other"
            if role and strength(rel) > 0:
                start, end, party_of = _phrase(token, named)
                found.append(Expression(start, end, number, rel, role if party_of is None else "name", party_of))
    found.sort(key=lambda e: (e.start, -e.end))
    return found


def _tokens(doc: Doc, start: int, end: int) -> range:
    span = doc.char_span(start, end, alignment_mode="expand")
    return range(span.start, span.end) if span is not None else range(0)


def _role(token: Token) -> str:
    """ "person" or "group" when the noun describes somebody who can hold a view, else ""."""
    word = token.lemma_.casefold()
    determined = any(child.dep_ in ("det", "poss") or child.lower_ in ("the", "a", "an") for child in token.children)
    if not determined or word in lexicon()["speech"]["groups"] or token.tag_ in ("NNS", "NNPS"):
        return ""
    if word in lexicon()["speech"]["organisation_nouns"]:
        return "group"
    if word in lexicon()["speech"]["person_nouns"] or (
        _PERSON_ROLE.match(word) and word not in lexicon()["speech"]["not_person_nouns"]
    ):
        return "person"
    return ""


def _phrase(token: Token, named: dict[int, str | None]) -> tuple[int, int, str | None]:
    """Offsets of a describing noun phrase without its clauses, and the party whose name stands beside it, if one does."""
    for child in token.children:
        if child.dep_ == "appos" and child.i in named and child.ent_type_ not in ("ORG", "GPE"):
            return token.left_edge.idx, token.idx + len(token.text), named[child.i]
    if token.dep_ == "nsubj" and token.head.lemma_ == "be":
        # "His principal witness was Paul Stavros": the description is the name.
        for child in token.head.children:
            if child.dep_ == "attr" and child.i in named and child.ent_type_ not in ("ORG", "GPE"):
                return token.left_edge.idx, token.idx + len(token.text), named[child.i]
    if token.dep_ == "appos" and token.head.i in named:
        return token.left_edge.idx, token.idx + len(token.text), named[token.head.i]
    right = token
    for child in token.children:
        if child.i > token.i and child.dep_ == "prep" and child.lower_ == "of":
            right = child.right_edge
            break
    if right.i - token.i > 8:
        right = token
    return token.left_edge.idx, right.idx + len(right.text), None


def relation(token: Token, unit: Unit) -> str:
    """The grammatical relation of an expression's head word to the view that its sentence may carry."""
    speech = lexicon()["speech"]
    while (
        token.dep_ in ("appos", "conj")
        and token.head.i != token.i
        and token.head.idx >= unit.start
        and (token.head.pos_ in ("NOUN", "PROPN", "PRON"))
    ):
        token = token.head
    head = token.head
    if token.dep_ == "poss":
        return "poss_view" if head.lemma_.casefold() in speech["view_nouns"] else "poss"
    if token.dep_ == "pobj":
        if head.lower_ == "to" and head.head.lower_ in ("according", "accord"):
            return "view"
        if head.lower_ in ("for", "to", "in") and head.i - 1 >= 0 and head.idx - unit.start < 3:
            return "view"
        if head.lower_ == "of" and head.head.lemma_.casefold() in speech["view_nouns"]:
            return "poss_view"
        if head.lower_ in ("by", "from") and head.head.lemma_.casefold() in speech["strong"] | speech["view_nouns"]:
            return "view"
    beside = _beside(token, speech["strong"])
    if token.dep_ in ("nsubj", "nsubjpass", "csubj"):
        verb = head
        verbs = [verb, *(child for child in verb.children if child.dep_ in ("conj", "xcomp") and child.pos_ == "VERB")]
        for candidate in verbs:
            lemma = candidate.lemma_.casefold()
            if lemma in speech["strong"]:
                return "said"
        if any(candidate.lemma_.casefold() in speech["verbs"] for candidate in verbs):
            content = any(c.dep_ in ("ccomp", "parataxis") for v in verbs for c in v.children)
            return "said" if content or beside else "verb"
        if beside:
            return "said"
        return "root" if verb.dep_ == "ROOT" else "subj"
    if beside:
        return "said"
    for child in token.children:
        if child.dep_ == "relcl" and child.lemma_.casefold() in speech["strong"]:
            return "rel"
    return "other"


def _beside(token: Token, verbs: frozenset[str]) -> bool:
    """Whether a reporting verb stands right beside the expression where the parser missed it: "says Ana Ruiz"."""
    doc = token.doc
    left, right = token.left_edge.i - 1, token.i + 1
    before = doc[left] if left >= 0 else None
    after = doc[right] if right < len(doc) else None
    return bool(
        (
            (
                before is not None
                and before.pos_ == "VERB"
                and before.tag_ in ("VBD", "VBZ", "VBP")
                and before.lemma_ in verbs
                and token.dep_ not in ("pobj", "poss")
            )
            and (before.i == 0 or doc[before.i - 1].is_punct)
        )
        or (
            after is not None
            and after.pos_ == "VERB"
            and after.tag_ in ("VBD", "VBZ")
            and after.lemma_ in verbs
            and token.dep_ not in ("poss", "pobj", "dobj")
        )
    )


def unnamed_group_speaks(doc: Doc, unit: Unit) -> bool:
    """Whether the subject of a reporting verb is nobody in particular: "critics", "some", "many in the field", "experts"."""
    span = doc.char_span(unit.start, unit.end, alignment_mode="expand")
    if span is None:
        return False
    speech = lexicon()["speech"]
    return any(
        token.dep_ in ("nsubj", "nsubjpass")
        and (token.lower_ in speech["groups"] or token.lemma_.casefold() in speech["groups"])
        and token.head.lemma_.casefold() in speech["verbs"]
        and not any(child.lower_ in ("his", "her", "its") for child in token.children)
        for token in span
    )
