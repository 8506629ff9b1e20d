"""Runs of capitals that may be names, and what speaks for each kind of name. Pure: a parsed text in, offsets and features out.

Takes the tagger's and the entity recogniser's word for little: on this subject `en_core_web_sm` calls "AI" a place, "OpenAI"
a person, and cuts rare names in half. What they say is one feature among many; `nlp.names` decides with trained weights.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spacy.tokens import Doc, Token

from nlp.lexicon import lexicon, surname
from nlp.quotes import paragraphs
from nlp.units import dateline_end

Features = dict[str, float]

_LOWER_PARTICLES = (
    "de|del|della|da|dos|das|do|di|du|des|la|le|van|von|der|den|ter|ten|al|el|bin|bint|ibn|ben|abu|af|av|"
    "zu|zur|y|e|ap|ní|nic|ó|o"
)
_CAP = (
    r"(?:(?:[A-ZÀ-ÖØ-ÞŁŚŠŽČĆĐŞİĀĒĪŌŪ]|[dDlLO]['’](?=[A-ZÀ-Þ]))[\w]*(?:['’][A-ZÀ-Þ]\w+)*(?:[-‑][\w]+)*|"
    r"[A-Z]\.(?:[- ]?[A-Z]\.)*)"
)
_RUN = re.compile(rf"(?<![\w@#/]){_CAP}(?:(?: (?:{_LOWER_PARTICLES}|al-[A-Z]\w+)){{1,2}} {_CAP}| & {_CAP}|[  ]{_CAP})*")
_OF = re.compile(rf" (?:of|for|on) (?:the )?{_CAP}(?: {_CAP})*")
_DESCRIBED = re.compile(
    r"(?: \([^)]*\))?, (?:who|whose|a|an|the|aged|now|then|once|formerly|\d\d|chief|head|director|"
    r"president|professor|founder|co-founder|general|his|her|its|of)\b"
)
_POSSESSIVE = re.compile(r"['’]s\b")
_VIEW_AFTER = re.compile(r"['’]s? (?:own )?(?:view|opinion|eyes|judge?ment|reading|telling|words|account|estimate)\b")
_PERSON_VERB_AFTER = re.compile(
    r" (?:\w+ly )?(?:said|says|told|wrote|writes|argued|argues|thinks|believes|has|is|was|would|will|put|"
    r"asked|called|wants|fears|replied)\b"
)
_PLACE_BEFORE = re.compile(r"\b(?:in|near|outside|across|around|throughout|to|from|at) $", re.IGNORECASE)
_ORG_BEFORE = re.compile(
    r"\b(?:the|at|of|joined|firm|company|startup|start-up|lab|maker|giant|insurer|developer|founded|runs|heads|leads) $",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"(?:\b[a-zé-]+(?:er|or|ist|ian|man|woman|ant|ent|ess|yst|ic|eer|chief|head|nurse|poet|clerk|monk|nun|"
    r"judge|aide|guard|chair|coach|pilot|cook|scholar|friend|widow|dean|mate|boss|student|colleague|"
    r"author|economist) )$"
)


@dataclass(frozen=True, slots=True)
class NameRun:
    """A run of capitalised words; `titled`: a title stands before it."""

    start: int
    end: int
    text: str
    titled: bool = False


def name_runs(doc: Doc, busy: list[tuple[int, int]]) -> list[NameRun]:
    """Runs of capitalised words outside the known mentions, without titles and without words that only begin a sentence."""
    text = doc.text
    titles = lexicon()["names"]["titles"]
    runs: list[NameRun] = []
    busy = [*busy, *((start, dateline_end(text, start)) for start, _ in paragraphs(text))]
    for match in _RUN.finditer(text):
        start, end = match.span()
        for piece_start, piece_end in _outside(start, end, busy):
            words = [
                (m.start() + piece_start, m.end() + piece_start)
                for m in re.finditer(r"\S+", text[piece_start:piece_end])
            ]
            titled = False
            while words and (
                text[slice(*words[0])].rstrip(".").casefold() in titles or _only_begins(doc, text, words[0])
            ):
                titled = text[slice(*words[0])].rstrip(".").casefold() in titles
                words = words[1:]
            while words and text[slice(*words[-1])] == "I":
                words = words[:-1]
            while words and not text[words[-1][0]].isupper() and text[words[-1][0]] not in "dl":
                words = words[:-1]
            if not words:
                continue
            begin, stop = words[0][0], words[-1][1]
            if text[begin:stop].endswith(("’s", "'s")):
                stop -= 2
            name = text[begin:stop]
            organisation = lexicon()["names"]["organisation_words"]
            if organisation & {word.casefold() for word in name.split()} and (more := _OF.match(text, stop)):
                following = more.group().split()[-1].casefold()
                if (
                    not any(a < more.end() and stop < b for a, b in busy)
                    and following not in lexicon()["names"]["not_names"]
                ):
                    stop = more.end()
            if stop - begin > 1 and name.casefold() not in lexicon()["names"]["not_names"]:
                runs.append(NameRun(begin, stop, text[begin:stop], titled or _titled_before(text, begin)))
    return runs


def _titled_before(text: str, begin: int) -> bool:
    """Whether a title in lower case stands before the name: "judge Ana Ruiz", "the senator Marian Holt"."""
    match = re.search(r"([^\W\d_]+)\.? $", text[max(0, begin - 20) : begin])
    return match is not None and match.group(1).casefold() in lexicon()["names"]["titles"] - {
        "general",
        "father",
        "count",
        "major",
    }


def _outside(start: int, end: int, busy: list[tuple[int, int]]) -> list[tuple[int, int]]:
    pieces = [(start, end)]
    for left, right in busy:
        pieces = [
            piece
            for a, b in pieces
            for piece in ([(a, b)] if right <= a or b <= left else [(a, left), (right, b)])
            if piece[0] < piece[1]
        ]
    return pieces


def _only_begins(doc: Doc, text: str, span: tuple[int, int]) -> bool:
    """Whether a capitalised word is capitalised only because a sentence, or a quotation, begins with it."""
    before = text[: span[0]].rstrip("“\"'‘([ \n—–-")
    begins = not before or before[-1] in '.!?:…”"’' or "\n" in text[len(before) : span[0]]
    token = _token(doc, span[0])
    if token is None:
        return False
    word = text[slice(*span)]
    if token.lower_ in lexicon()["names"]["function_words"] and not (word.isupper() and len(word) > 2):
        return True
    return (
        begins
        and token.pos_
        in ("DET", "ADP", "CCONJ", "SCONJ", "PRON", "ADV", "AUX", "VERB", "INTJ", "PART", "NUM", "ADJ", "NOUN")
        and (token.ent_type_ not in ("PERSON", "ORG"))
    )


def _token(doc: Doc, offset: int) -> Token | None:
    span = doc.char_span(offset, offset + 1, alignment_mode="expand")
    return span[0] if span is not None and len(span) else None


def name_rows(doc: Doc, runs: Sequence[NameRun]) -> list[Features]:
    """For each run the features that tell a person from an organisation, a law, a place or an ordinary word."""
    text = doc.text
    labels = [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
    known = {surname(run.text) for run in runs if " " in run.text}
    return [_name_row(doc, text, run, labels, known) for run in runs]


def _name_row(doc: Doc, text: str, run: NameRun, labels: list[tuple[int, int, str]], full: set[str]) -> Features:
    names = lexicon()["names"]
    words = [word.casefold().strip(".,'’") for word in run.text.split()]
    before, after = text[max(0, run.start - 40) : run.start], text[run.end : run.end + 40]
    several = " " in run.text
    views = bool(_VIEW_AFTER.match(after))
    if views:  # "In Oslo" is a place, "in Ortega's view" none.
        before = re.sub(r"\b[Ii]n $", "", before)
    row: Features = {
        "bias": 1.0,
        f"words:{min(len(words), 4)}": 1.0,
        f"title:{several}": float(run.titled),
        f"described:{several}": float(bool(_DESCRIBED.match(after))),
        f"role:{several}": float(bool(_ROLE.search(before))),
        f"verb:{several}": float(bool(_PERSON_VERB_AFTER.match(after))),
        "reported": float(
            bool(
                re.search(
                    r"\b(?:said|says|argued|argues|wrote|writes|told|replied|asked|insisted|according to|for|to) $",
                    before,
                )
            )
        ),
        "again": float(several and text.count(surname(run.text)) > 1),
        "capitals": float(run.text.isupper() and len(run.text) > 2),
        "hyphen": float("-" in run.text),
        "the": float(bool(re.search(r"\b[Tt]he $", before))),
        "a": float(bool(re.search(r"\b[Aa]n? $", before))),
        "place": float(bool(_PLACE_BEFORE.search(before))),
        "at": float(bool(_ORG_BEFORE.search(before))),
        "possessive": float(bool(_POSSESSIVE.match(after))),
        f"view:{several}": float(views),
        "comma_capital": float(bool(re.match(r", [A-Z]", after))),
        "noun_after": float(bool(re.match(r" [a-z]+", after))),
        "begins": float(not before or before.rstrip()[-1:] in ".!?:\n" or before[-1:] == "\n"),
        "surname_of": float(not several and run.text in full),
        "colon": float(after.startswith(":")),
        f"first:{words[0]}": 1.0,
        f"last:{words[-1]}": 1.0,
        f"end:{words[-1][-3:]}": 1.0,
    }
    nearby = re.search(r"(\w+) $", before)
    if nearby is not None:
        row[f"before:{nearby.group(1).casefold()}"] = 1.0
    follows = re.match(r"['’]?(\W*\w+)", after)
    if follows is not None:
        row[f"after:{' '.join(follows.group(1).casefold().split())}"] = 1.0
    for start, end, label in labels:
        if start < run.end and run.start < end:
            row[f"ner:{label}:{'whole' if (start, end) == (run.start, run.end) else 'part'}"] = 1.0
            row[f"ner:{label}"] = 1.0
    for key in ("organisation_words", "law_words"):
        row[key] = float(any(word in names[key] for word in words))
        row[f"{key}:last"] = float(words[-1] in names[key])
    row["&"] = float("&" in run.text or " of " in run.text)
    row["number"] = float(any(char.isdigit() for char in run.text))
    row["pronoun"] = float(bool(re.search(r"\b(?:[Hh]e|[Ss]he|[Hh]is|[Hh]er)\b", text[run.end : run.end + 300])))
    span = doc.char_span(run.start, run.end, alignment_mode="expand")
    if span is not None:
        row[f"dep:{span.root.dep_}"] = 1.0
        row[f"pos:{span.root.pos_}"] = 1.0
        if span.root.dep_ in ("nsubj", "nsubjpass"):
            row[f"of:{span.root.head.lemma_.casefold()}"] = 1.0
    return {name: value for name, value in row.items() if value}
