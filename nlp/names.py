"""Names of people, organisations, laws and models that debate.toml does not know, and the second mentions of those it does.

Takes the tagger's and the entity recogniser's word for little: on this subject `en_core_web_sm` calls "AI" a place, "OpenAI"
a person, and cuts rare names in half. So names are runs of capitals, and everything around them votes on what they are.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from spacy.tokens import Doc, Token

from db.models import Mention

_LOWER_PARTICLES = "de|del|della|da|dos|das|do|di|du|des|la|le|van|von|der|den|ter|ten|al|el|bin|bint|ibn|ben|abu|af|av|zu|zur|y|e|ap|ní|nic|ó|o"
_CAP = r"(?:(?:[A-ZÀ-ÖØ-ÞŁŚŠŽČĆĐŞİĀĒĪŌŪ]|[dDlLO]['’](?=[A-ZÀ-Þ]))[\w]*(?:['’][A-ZÀ-Þ]\w+)*(?:[-‑][\w]+)*|[A-Z]\.(?:[- ]?[A-Z]\.)*)"
_RUN = re.compile(rf"(?<![\w@#/]){_CAP}(?:(?: (?:{_LOWER_PARTICLES}|al-[A-Z]\w+)){{1,2}} {_CAP}| & {_CAP}|[  ]{_CAP})*")
_OF = re.compile(rf" (?:of|for|on|and) (?:the )?{_CAP}(?: {_CAP})*")
_DESCRIBED = re.compile(
    r"(?: \([^)]*\))?, (?:who|whose|a|an|the|aged|now|then|once|formerly|\d\d|chief|head|director|president|professor|founder|co-founder|general|his|her|its|of)\b"
)
_POSSESSIVE = re.compile(r"['’]s\b")
_PERSON_VERB_AFTER = re.compile(
    r" (?:\w+ly )?(?:said|says|told|wrote|writes|argued|argues|thinks|believes|has|is|was|would|will|put|asked|called|wants|fears|replied)\b"
)
_PLACE_BEFORE = re.compile(r"\b(?:in|near|outside|across|around|throughout|to|from|at) $", re.IGNORECASE)
_ORG_BEFORE = re.compile(
    r"\b(?:the|at|of|joined|firm|company|startup|start-up|lab|maker|giant|insurer|developer|founded|runs|heads|leads) $",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"(?:\b[a-zé-]+(?:er|or|ist|ian|man|woman|ant|ent|ess|yst|ic|eer|chief|head|nurse|poet|clerk|monk|nun|judge|aide|guard|chair|coach|pilot|cook|scholar|friend|widow|dean|mate|boss|student|colleague|author|economist) )$"
)


@dataclass(frozen=True, slots=True)
class _Run:
    start: int
    end: int
    text: str


@cache
def lexicon() -> dict[str, Any]:
    """The word lists of lexicon.toml, as sets of lower-case words."""
    with Path(__file__).with_name("lexicon.toml").open("rb") as file:
        return {
            section: {key: frozenset(words) for key, words in lists.items()}
            for section, lists in tomllib.load(file).items()
        }


def surname(name: str) -> str:
    """The last word of a name; suffixes such as "Jr." are no surname."""
    words = [word for word in name.split() if word.rstrip(".") not in ("Jr", "Sr", "II", "III", "PhD")]
    return words[-1] if words else name


def complete_names(doc: Doc, known: Iterable[Mention]) -> tuple[Mention, ...]:
    """The known mentions and all other names of the text, in order and without overlaps.

    A surname, or a first name, that stands alone means the person whose full name the text gives.
    """
    text = doc.text
    mentions = list(known)
    busy = [(m.start, m.end) for m in mentions]
    runs = _runs(doc, busy)
    people: dict[str, Mention] = {}
    for mention in mentions:
        if mention.type == "person":
            _remember(people, mention.name, mention)
    labels = _recognised(doc)
    counts = {word: len(re.findall(rf"\b{re.escape(word)}\b", text)) for run in runs for word in [surname(run.text)]}
    later: list[_Run] = []
    for run in runs:
        if " " not in run.text and "-" not in run.text:
            later.append(run)
            continue
        words = run.text.split()
        # A title's surname ("Mrs Tolliver") was split off already; "Tolliver" is looked up with the others.
        kind = _kind(doc, text, run, labels, counts.get(surname(run.text), 1), " " in run.text)
        if kind is None:
            later.append(run)
            continue
        mention = Mention(run.start, run.end, kind, _full_name(run.text, kind), None)
        if kind == "person" and (other := _same_person(run.text, people)) is not None:
            mention = Mention(run.start, run.end, "person", other.name, other.actor_id)
        elif kind == "person" and len(words) > 1:
            _remember(people, mention.name, mention)
        mentions.append(mention)
    for run in later:
        known_person = _same_person(run.text, people)
        if known_person is not None:
            mentions.append(Mention(run.start, run.end, "person", known_person.name, known_person.actor_id))
            continue
        kind = _kind(doc, text, run, labels, counts.get(surname(run.text), 1), False)
        if kind is not None and " " not in run.text:
            mentions.append(Mention(run.start, run.end, kind, _full_name(run.text, kind), None))
    return tuple(sorted(mentions, key=lambda m: (m.start, m.end)))


def _remember(people: dict[str, Mention], name: str, mention: Mention) -> None:
    words = name.split()
    people.setdefault(name.casefold(), mention)
    if len(words) > 1:
        people.setdefault(surname(name).casefold(), mention)
        people.setdefault(words[0].casefold(), mention)
        people.setdefault(" ".join(words[1:]).casefold(), mention)
        if "-" in surname(name):
            for part in surname(name).split("-"):
                people.setdefault(part.casefold(), mention)


def _same_person(text: str, people: dict[str, Mention]) -> Mention | None:
    return people.get(text.casefold())


def _full_name(text: str, kind: str) -> str:
    name = " ".join(text.split())
    return name.title() if kind == "person" and name.isupper() and len(name) > 3 else name


def _runs(doc: Doc, busy: list[tuple[int, int]]) -> list[_Run]:
    """Runs of capitalised words outside the known mentions, without titles and without words that only begin a sentence."""
    text = doc.text
    titles = lexicon()["names"]["titles"]
    runs: list[_Run] = []
    for match in _RUN.finditer(text):
        start, end = match.span()
        for piece_start, piece_end in _outside(start, end, busy):
            words = [
                (m.start() + piece_start, m.end() + piece_start)
                for m in re.finditer(r"\S+", text[piece_start:piece_end])
            ]
            while words and (text[slice(*words[0])].rstrip(".").casefold() in titles or _only_begins(doc, text, words[0])):
                words = words[1:]
            while words and not text[words[-1][0]].isupper() and text[words[-1][0]] not in "dl":
                words = words[:-1]
            if not words:
                continue
            begin, stop = words[0][0], words[-1][1]
            if text[begin:stop].endswith(("’s", "'s")):
                stop -= 2
            name = text[begin:stop]
            last = name.split()[-1].casefold()
            organisation = lexicon()["names"]["organisation_words"]
            if any(word.casefold() in organisation for word in name.split()) and (more := _OF.match(text, stop)):
                if " and " not in more.group() or last in organisation:
                    if not any(a < more.end() and stop < b for a, b in busy) and " and " not in more.group():
                        stop = more.end()
            if stop - begin > 1 and name.casefold() not in lexicon()["names"]["not_names"]:
                runs.append(_Run(begin, stop, text[begin:stop]))
    return runs


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
    if token.lower_ in _FUNCTION_WORDS and not (word.isupper() and len(word) > 2):
        return True
    return (
        begins
        and token.pos_
        in ("DET", "ADP", "CCONJ", "SCONJ", "PRON", "ADV", "AUX", "VERB", "INTJ", "PART", "NUM", "ADJ", "NOUN")
        and (token.ent_type_ not in ("PERSON", "ORG"))
    )


_FUNCTION_WORDS = frozenset(
    ["the", "a", "an", "and", "but", "or", "nor", "so", "yet", "for", "in", "on", "at", "by", "to", "of", "from", "with", "without", "under", "over", "after", "before", "since", "until", "while", "when", "where", "why", "how", "what", "who", "whom", "whose", "which", "that", "this", "these", "those", "there", "here", "it", "its", "it's", "he", "she", "they", "we", "you", "i", "i'm", "i've", "i'd", "i'll", "his", "her", "their", "our", "your", "my", "me", "him", "them", "us", "not", "no", "yes", "if", "unless", "although", "though", "because", "as", "than", "then", "now", "once", "both", "all", "any", "some", "many", "most", "few", "several", "each", "every", "either", "neither", "nobody", "nothing", "everybody", "everyone", "somebody", "someone", "anyone", "anybody", "asked", "speaking", "writing", "let", "do", "does", "did", "is", "are", "was", "were", "be", "been", "has", "have", "had", "will", "would", "can", "could", "may", "might", "must", "should", "shall", "between", "among", "against", "about", "never", "always", "even", "only", "just", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "one", "first", "second", "last", "next", "another", "other", "others", "such", "still", "also", "perhaps", "maybe", "instead", "meanwhile", "however", "nor", "what's", "that's", "there's", "don't", "sir", "dear", "thanks", "thank", "please", "sorry", "ok", "okay", "well", "oh", "lol", "edit", "update", "re", "ps", "nb", "via", "per", "said", "says", "told", "critics", "experts"]
)


def _token(doc: Doc, offset: int) -> Token | None:
    span = doc.char_span(offset, offset + 1, alignment_mode="expand")
    return span[0] if span is not None and len(span) else None


def _recognised(doc: Doc) -> list[tuple[int, int, str]]:
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def _kind(doc: Doc, text: str, run: _Run, labels: list[tuple[int, int, str]], count: int, several: bool) -> str | None:
    """What a name is, by the votes of its words, its surroundings and the entity recogniser; None: not worth a mention."""
    names = lexicon()["names"]
    words = [word.casefold().strip(".,'’") for word in run.text.split()]
    before, after = text[max(0, run.start - 40) : run.start], text[run.end : run.end + 40]
    if words[-1] in names["law_words"] or re.search(r"\b(?:SB|AB|HB|HR)[ -]?\d+", run.text):
        return "law" if several else None
    title = re.search(r"([\wñ]+)\.?,? $", before)
    titled = bool(
        title
        and title.group(1).casefold() in names["titles"]
        and title.group(1) not in ("general", "father", "count")
    )
    person = organisation = place = 0.0
    for start, end, label in labels:
        if start < run.end and run.start < end:
            weight = 2.0 if (start, end) == (run.start, run.end) else 1.2
            person += weight * (label == "PERSON")
            organisation += (
                weight * (label in ("ORG", "PRODUCT", "WORK_OF_ART", "FAC")) * (1.0 if label == "ORG" else 0.4)
            )
            place += weight * (label in ("GPE", "LOC", "NORP", "DATE", "EVENT", "LANGUAGE", "FAC"))
    if any(word in names["organisation_words"] for word in words) or "&" in run.text:
        organisation += 2.5
    person += 3 * titled + 1.5 * bool(_DESCRIBED.match(after)) * several + 1.5 * bool(_ROLE.search(before))
    person += (
        0.8 * bool(_PERSON_VERB_AFTER.match(after)) + 0.8 * (count > 1) * several + 0.7 * (several and len(words) < 4)
    )
    person += 0.5 * several * bool(re.search(r"\b(?:[Hh]e|[Ss]he|[Hh]is|[Hh]er)\b", text[run.end : run.end + 400]))
    organisation += 1.2 * bool(_ORG_BEFORE.search(before)) + 0.5 * (run.text.isupper() and len(run.text) > 2)
    place += 1.0 * bool(_PLACE_BEFORE.search(before))
    token = _token(doc, run.start)
    # The clause's subject is rather somebody than somewhere.
    root = doc.char_span(run.start, run.end, alignment_mode="expand")
    if root is not None and root.root.dep_ in ("nsubj", "nsubjpass"):
        person += 0.7
    if token is not None and re.search(r"\bthe $", before, re.IGNORECASE):
        person -= 1.5
    best = max(person, organisation, place)
    if best < (1.5 if several else 1.9) or best == place:
        return None
    return "person" if person >= organisation else "organisation"
