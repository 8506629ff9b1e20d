"""Who may hold the view in a unit: the parties of a text, the expressions that refer to them, and how well each one fits.

Reads the parse and the mentions, and writes features; the weights that decide between the candidates are trained
(`nlp.weights`). Pronouns, titles and descriptions are resolved here, within the article. No input or output.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from spacy.tokens import Doc, Token

from db.models import AUTHOR, Mention
from nlp.lexicon import lexicon, surname
from nlp.quotes import Quote, covered
from nlp.units import Unit

Features = dict[str, float]

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
_PERSON_ROLE = re.compile(r"(?:[a-z-]{2,}(?:er|or|ist|ian|man|woman|ant|yst|eer|ess|cist|logue))$")
_PERSON_NOUNS = frozenset(
    [
        "chief",
        "head",
        "president",
        "professor",
        "nurse",
        "poet",
        "clerk",
        "monk",
        "nun",
        "judge",
        "aide",
        "guard",
        "chair",
        "coach",
        "pilot",
        "cook",
        "scholar",
        "friend",
        "widow",
        "dean",
        "mate",
        "boss",
        "student",
        "colleague",
        "author",
        "general",
        "colonel",
        "captain",
        "critic",
        "academic",
        "executive",
        "chancellor",
        "delegate",
        "deputy",
        "representative",
        "secretary",
        "laureate",
        "entrepreneur",
        "billionaire",
        "veteran",
        "host",
        "guest",
        "candidate",
        "mep",
        "mp",
        "spokesperson",
        "man",
        "woman",
        "official",
        "principal",
        "rector",
        "bishop",
        "archbishop",
        "midwife",
        "advocate",
        "expert",
        "staffer",
        "blogger",
        "mogul",
        "democrat",
        "republican",
        "conservative",
        "liberal",
        "physicist",
    ]
)
_NOT_PERSON_NOUNS = frozenset(
    [
        "paper",
        "answer",
        "number",
        "letter",
        "order",
        "matter",
        "computer",
        "server",
        "power",
        "chapter",
        "weather",
        "water",
        "member",
        "order",
        "border",
        "user",
        "customer",
        "offer",
        "danger",
        "counter",
        "error",
        "factor",
        "sector",
        "door",
        "floor",
        "minor",
        "labor",
        "behavior",
        "parameter",
        "newsletter",
        "cluster",
        "folder",
        "manner",
        "other",
        "layer",
        "tower",
        "river",
        "printer",
        "transformer",
        "processor",
        "monitor",
        "motor",
        "vector",
        "majority",
        "minister's",
        "ladder",
        "hammer",
        "trailer",
        "player",
        "character",
        "dinner",
        "summer",
        "winter",
        "october",
        "november",
        "december",
        "september",
        "quarter",
        "corner",
        "supper",
        "reader",
    ]
)
_FIRST_PERSON = re.compile(
    r"\b(?:I|I'm|I've|I'd|I'll|I’m|I’ve|I’d|I’ll|my|me|mine|myself|i|i'm|im|ive|i've|imo|imho|we|our|us)\b"
)
_SECOND = re.compile(r"\b(?:you|your|you're|yours)\b", re.IGNORECASE)


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


_RELATIONS = ("label", "said", "view", "poss_view", "verb", "rel", "root", "subj", "poss", "other")
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


def strength(relation: str) -> int:
    """How strongly a relation says that its party holds the view: 5 a transcript's label, 0 a name in passing."""
    return _STRENGTH[relation]


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
    expressions = [_expressions(doc, number, unit, parties, quotes) for number, unit in enumerate(units)]
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


def _expressions(doc: Doc, number: int, unit: Unit, parties: dict[str, Party], quotes: list[Quote]) -> list[Expression]:
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
    if word in _PERSON_NOUNS or (_PERSON_ROLE.match(word) and word not in _NOT_PERSON_NOUNS):
        return "person"
    return ""


def _phrase(token: Token, named: dict[int, str | None]) -> tuple[int, int, str | None]:
    """Offsets of a describing noun phrase without its clauses, and the party whose name stands beside it, if one does."""
    for child in token.children:
        if child.dep_ in ("appos", "compound", "nmod") and child.i in named and child.ent_type_ not in ("ORG", "GPE"):
            if child.dep_ == "appos":
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
    first = sorted((min(party.spans)[0], party) for party in people if party.spans) if people else []
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
    first = len(_FIRST_PERSON.findall(plain))
    attributed = sum(any(strength(e.relation) >= 4 for e in unit) for unit in scene.expressions) / max(
        1, len(scene.units)
    )
    return {
        "author": float(scene.author is not None),
        "post": float(scene.kind in ("post", "comment")),
        "first": float(first > 0),
        "first_many": float(first > 2),
        "second": float(bool(_SECOND.search(plain))),
        "attributed": attributed,
        "author_and_first": float(scene.author is not None and first > 0),
        "author_not_first": float(scene.author is not None and first == 0),
        "no_people": float(not any(p.type == "person" for p in scene.parties.values())),
        "informal": float(text[:1].islower() or bool(re.search(r"\b(?:lol|imo|tbh|dont|i'm|i)\b", plain))),
    }


def speaker_features(scene: Scene, number: int) -> dict[str, Features]:
    """For each candidate speaker of a unit (party key, or AUTHOR) the features that speak for and against it."""
    rows: dict[str, Features] = {}
    unit = scene.units[number]
    strongest = max((strength(e.relation) for e in scene.expressions[number]), default=0)
    for expression in scene.expressions[number]:
        rel = expression.relation
        if expression.party is not None:
            row = rows.setdefault(expression.party, {})
            row[f"name:{rel}"] = 1.0
            row["top"] = max(row.get("top", 0.0), float(strength(rel) == strongest and strongest > 0))
            continue
        group = "S" if strength(rel) >= 3 else "R" if strength(rel) >= 1 else "O"
        for rank, key in enumerate(ranked(scene, expression)[:3]):
            row = rows.setdefault(key, {})
            row[
                f"{'pronoun' if len(expression.form) < 5 and expression.form != 'it' else expression.form}:{group}:{rank}"
            ] = 1.0
            if rank == 0:
                row["top"] = max(row.get("top", 0.0), float(strength(rel) == strongest and strongest > 0))
    for step, label in ((-1, "before"), (1, "after"), (-2, "before2"), (2, "after2")):
        other = number + step
        if not 0 <= other < len(scene.units):
            continue
        near = scene.units[other].paragraph == unit.paragraph
        key_or_none = scene.focus[other]
        if key_or_none is None:
            continue
        power = max((strength(e.relation) for e in scene.expressions[other]), default=0)
        row = rows.setdefault(key_or_none, {})
        row[f"{label}{'' if near else ':far'}"] = 1.0
        if power >= 3:
            row[f"{label}:strong"] = 1.0
        if strongest < 2:
            row[f"{label}:open"] = 1.0
        if scene.quoted[number] > 0.6:
            row[f"{label}:quoted"] = 1.0
            if scene.quoted[other] > 0.3:
                row[f"{label}:quoted_too"] = 1.0
    if scene.focus[number] is not None:
        rows.setdefault(scene.focus[number] or "", {})["focus"] = 1.0
    for key, row in rows.items():
        party = scene.parties[key]
        kind = "group" if party.type in ("company", "organisation", "government", "publication") else party.type
        row[f"type:{kind}"] = 1.0
        row["once"] = float(len(party.spans) == 1)
        for relation_name in ("poss", "other"):
            if row.get(f"name:{relation_name}"):
                row[f"{relation_name}:{kind}"] = 1.0
    outside = scene.text[unit.start : unit.end] if scene.quoted[number] < 0.05 else ""
    own = {f"A:{name}": value for name, value in scene.opinion.items()}
    own |= {
        "A": 1.0,
        "A:i": float(bool(_FIRST_PERSON.search(outside))),
        "A:you": float(bool(_SECOND.search(outside))),
        "A:none_else": float(strongest == 0),
        "A:weak_else": float(0 < strongest < 3),
        "A:strong_else": float(strongest >= 3),
        "A:label": float(unit.label is not None),
        "A:quoted": float(scene.quoted[number] > 0.6),
        "A:focus": float(scene.focus[number] is not None),
    }
    for name in ("author", "author_and_first", "post"):
        own[f"A:{name}:strong"] = scene.opinion[name] * float(strongest >= 3)
        own[f"A:{name}:i"] = scene.opinion[name] * own["A:i"]
        own[f"A:{name}:none"] = scene.opinion[name] * own["A:none_else"]
        own[f"A:{name}:weak"] = scene.opinion[name] * own["A:weak_else"]
    rows[AUTHOR] = {name: value for name, value in own.items() if value}
    return rows
