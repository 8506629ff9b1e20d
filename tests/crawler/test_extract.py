"""HTML -> Article: saved pages with their expected records, then what each property must survive."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.boilerplate import is_boilerplate
from crawler.extract import decode_page, extract_page
from crawler.outlet import Outlet
from crawler.page_dates import parse_date
from crawler.people import clean_authors
from db.models import Article, ExtractionError, from_iso

PAGES = Path(__file__).parent / "pages"
URL = "https://outlet.example/2024/a-story"
NOW = datetime(2024, 6, 1, tzinfo=UTC)
PARAGRAPHS = "".join(
    f"<p>Paragraph {n} says something about open models at a length that no extractor takes for a caption.</p>"
    for n in ("one", "two", "three", "four")
)


def page(head: str = "", body: str = PARAGRAPHS) -> bytes:
    return (
        f"<!DOCTYPE html><html><head>{head}</head><body><main><article>{body}</article></main></body></html>".encode()
    )


def extract(html: bytes, **options: object) -> Article:
    return extract_page(html, URL, now=NOW, **options)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(path.stem for path in PAGES.glob("*.html")))
def test_a_saved_page_gives_its_expected_record(name: str) -> None:
    expected = json.loads((PAGES / f"{name}.json").read_text(encoding="utf-8"))
    articles = extract_page(
        (PAGES / f"{name}.html").read_bytes(),
        expected["url"],
        content_type=expected.get("content_type"),
        now=from_iso(expected["now"]),
    )
    assert len(articles) == len(expected["articles"])
    for article, record in zip(articles, expected["articles"], strict=True):
        found = asdict(article)
        found["authors"] = list(article.authors)
        for key in ("published_at", "modified_at"):
            found[key] = found[key] and found[key].isoformat().replace("+00:00", "Z")
        assert {key: found[key] for key in record} == record
    for words in expected.get("contains", ()):
        assert words in articles[0].text
    for words in expected.get("lacks", ()):
        assert words not in articles[0].text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2024-03-14T09:30:00-05:00", "2024-03-14T14:30:00+00:00"),
        ("2024-03-14T09:30:00Z", "2024-03-14T09:30:00+00:00"),
        ("2024-03-14T09:30:00.123+0100", "2024-03-14T08:30:00+00:00"),
        ("2024-03-14T09:30:00 EST", "2024-03-14T14:30:00+00:00"),
        ("2024-03-14 09:30 CEST", "2024-03-14T07:30:00+00:00"),
        ("2024-03-14 09:30:00 IST", "2024-03-14T09:30:00+00:00"),  # Three zones bear this name.
        ("2024-03-14", "2024-03-14T00:00:00+00:00"),
        ("2024/03/14", "2024-03-14T00:00:00+00:00"),
        ("Thu, 14 Mar 2024 09:30:00 -0500", "2024-03-14T14:30:00+00:00"),
        ("1710408600", "2024-03-14T09:30:00+00:00"),
        ("March 14, 2024", "2024-03-14T00:00:00+00:00"),
        ("14 mars 2024", "2024-03-14T00:00:00+00:00"),
        ("14. März 2024", "2024-03-14T00:00:00+00:00"),
    ],
)
def test_a_date_is_read_however_a_page_writes_it(raw: str, expected: str) -> None:
    found = parse_date(raw)
    assert found is not None
    assert found.isoformat() == expected


@pytest.mark.parametrize(
    "raw", ["", "yesterday", "2024-13-45", "0000-00-00", "99999999999999", "March", "Room 12, 2nd floor"]
)
def test_what_is_no_date_is_none(raw: str) -> None:
    assert parse_date(raw) is None


def test_no_date_lies_in_the_future() -> None:
    html = page('<meta property="article:published_time" content="2031-01-01T00:00:00Z">')
    listing = datetime(2024, 5, 1, tzinfo=UTC)
    assert extract(html, fallback_date=listing).published_at == listing
    assert extract(html, fallback_date=datetime(2031, 1, 1, tzinfo=UTC)).published_at is None


def test_the_date_on_the_page_comes_before_that_of_the_listing() -> None:
    html = page('<meta property="article:published_time" content="2024-03-14T09:30:00-05:00">')
    found = extract(html, fallback_date=datetime(2024, 5, 1, tzinfo=UTC)).published_at
    assert found == datetime(2024, 3, 14, 14, 30, tzinfo=UTC)


def test_a_live_page_has_the_date_and_headline_of_its_beginning() -> None:
    html = page(
        """<script type="application/ld+json">{"@type": "LiveBlogPosting", "headline": "Vote on the control act",
        "datePublished": "2024-03-13T08:00:00Z", "liveBlogUpdate": [{"@type": "BlogPosting", "url": "URL", "author": "Teo Marsh",
        "headline": "Vote is over", "datePublished": "2024-03-14T09:30:00Z", "articleBody": "Nine to five."}]}</script>"""
    )
    article = extract(html.replace(b'"URL"', f'"{URL}"'.encode()))
    assert article.title == "Vote on the control act"
    assert article.published_at == datetime(2024, 3, 13, 8, tzinfo=UTC)


def test_the_first_publication_counts_where_the_data_names_the_last_change_twice() -> None:
    html = page(
        """<script type="application/ld+json">{"@type": "Article", "headline": "x", "datePublished": "2024-02-19",
        "dateModified": "2024-02-19"}</script><meta property="article:published_time" content="2021-04-12T18:33:59+02:00">"""
    )
    article = extract(html)
    assert article.published_at == datetime(2021, 4, 12, 16, 33, 59, tzinfo=UTC)
    assert article.modified_at == datetime(2024, 2, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (["By Noor Castellan and Teo Marsh"], ("Noor Castellan", "Teo Marsh")),
        (["Noor Castellan, Political Editor"], ("Noor Castellan",)),
        (["Noor Castellan; noor@meridian.example"], ("Noor Castellan",)),
        (["Staff", "admin", "Newsroom", "https://meridian.example/noor", "The Meridian Courier"], ()),
        (["Reuters", "Harbour Wire"], ()),
        (["Par Solène Madec et Yann Kerbrat"], ("Solène Madec", "Yann Kerbrat")),
        (["Noor Castellan", "NOOR CASTELLAN"], ("Noor Castellan",)),
        (
            ["Author: Noor Castellan", "Autor: Teo Marsh", "Auteure : Solène Madec"],
            ("Noor Castellan", "Teo Marsh", "Solène Madec"),
        ),
        (["Door Sanne de Wit en Teo Marsh"], ("Sanne de Wit", "Teo Marsh")),
        (["Av Astrid Lund och Teo Marsh"], ("Astrid Lund", "Teo Marsh")),
        (["AuthorNoor Castellan"], ("Noor Castellan",)),
        (
            [
                "Redazione",
                "Team Politik",
                "Letters to the Editor",
                "Staff and news service reports",
                "dpa-AFX",
                "共同通信",
            ],
            (),
        ),
        (["The Courier", "Meridian Courier Online", "publisher", "facebook.com/noor", "DITIB"], ()),
        (["山田太郎"], ("山田太郎",)),
    ],
)
def test_authors_are_people(raw: list[str], expected: tuple[str, ...]) -> None:
    assert clean_authors(raw, Outlet("The Meridian Courier", "courier.example")) == expected


@pytest.mark.parametrize(
    ("byline", "expected"),
    [
        ('<span class="meta-author">By Noor Castellan</span>', ("Noor Castellan",)),
        ('<p class="byline__author">VON NOOR CASTELLAN am 21. April 2020</p>', ("Noor Castellan",)),
        ('<div class="content__author">von Noor Castellan und Teo Marsh</div>', ("Noor Castellan", "Teo Marsh")),
        ("<p>Par Noor Castellan, Teo Marsh</p>", ("Noor Castellan", "Teo Marsh")),
        (
            '<p class="byline"><a>Noor Castellan</a></p><p class="byline"><a>Teo Marsh</a></p>',
            ("Noor Castellan", "Teo Marsh"),
        ),
        ('<div class="byline">Updated: January 16, 2020</div>', ()),
        ('<div class="byline">By Meridian Courier staff</div>', ()),
        ('<div class="related"><span class="author">Noor Castellan</span></div>', ()),
        ('<div class="author-bio">By Noor Castellan</div>', ()),
        ("<p>By the time of the vote nobody was left.</p>", ()),
    ],
)
def test_a_byline_is_read_where_a_reader_sees_it(byline: str, expected: tuple[str, ...]) -> None:
    assert extract(page(body=byline + PARAGRAPHS)).authors == expected


def test_a_person_whose_site_bears_their_name_is_its_author() -> None:
    data = """<script type="application/ld+json">{"@graph": [{"@type": "Article", "headline": "x", "author": {"@id": "#noor"}},
        {"@type": ["Person", "Organization"], "@id": "#noor", "name": "Noor Castellan"}]}</script>"""
    assert extract(page(data + '<meta property="og:site_name" content="Noor Castellan">')).authors == (
        "Noor Castellan",
    )


@pytest.mark.parametrize(
    ("head", "headings", "expected"),
    [
        ("<title>Vote fails in committee | Courier.example</title>", "", "Vote fails in committee"),
        ("<title>Vote fails in committee - National - Courier News</title>", "", "Vote fails in committee"),
        ("<title>Vote fails in committee › Courier</title>", "", "Vote fails in committee"),
        ("<title>Courier: Vote fails in committee</title>", "", "Vote fails in committee"),
        ("<title>Act - vote fails in committee</title>", "", "Act - vote fails in committee"),
        (
            '<meta property="og:title" content="vote-2024">',
            "<h1>Vote fails in committee</h1>",
            "Vote fails in committee",
        ),
        (
            '<meta property="og:title" content="Vote on the control act fails in..."><title>Vote</title>',
            "<h1>Vote on the control act fails in committee</h1>",
            "Vote on the control act fails in committee",
        ),
        (
            '<script type="application/ld+json">{"@type": "LiveBlogPosting", "headline": "Senators leave the room"}</script>'
            '<meta property="og:title" content="Control act fails in committee - updates">',
            "<h1>Control act LIVE: bill fails in committee</h1>",
            "Control act fails in committee - updates",
        ),
        ("", "<h1><style>.a{color:red}</style>Vote fails in committee</h1>", "Vote fails in committee"),
    ],
)
def test_the_title_is_the_headline_alone(head: str, headings: str, expected: str) -> None:
    html = page(head, headings + PARAGRAPHS)
    assert extract_page(html, "https://www.courier.example/2024/a-story", now=NOW)[0].title == expected


def test_an_agency_is_credited_and_is_no_author() -> None:
    html = page('<meta name="author" content="Reuters">')
    article = extract(html)
    assert (article.authors, article.agency) == ((), "Reuters")


@pytest.mark.parametrize(
    "line",
    [
        "Read more: the bill",
        "Lesen Sie auch: das Gesetz",
        "À lire aussi : la loi",
        "© 2024 The Courier",
        "Photo: A. Fenwick",
        "Il vous reste 57.09% de cet article à lire.",
        "Do you have a story to tell? Email: desk@courier.example",
        "For more stories like this, check our news page.",
        "More: what the insurers wrote",
    ],
)
def test_a_line_that_points_elsewhere_is_not_text(line: str) -> None:
    assert is_boilerplate(line)


@pytest.mark.parametrize(
    "line",
    [
        "Read the weights and you know the model, she said.",
        "Copyright law has nothing to say about a model, the court found.",
        "Share prices of both companies fell by a tenth.",
        "Follow the money, said the senator, and you will find the lobby.",
        "Teilen der Regierung geht das zu weit.",
        "More than nine members voted for it.",
        "For more than a year the committee checked every figure twice.",
        "Do you have a plan, the senator asked, and nobody answered.",
    ],
)
def test_a_sentence_that_begins_like_one_is_text(line: str) -> None:
    assert not is_boilerplate(line)


def test_valid_utf8_is_utf8_whatever_is_declared() -> None:
    assert "naïve" in decode_page("<p>naïve".encode(), "text/html; charset=iso-8859-1")


def test_the_http_charset_comes_before_the_meta_tag() -> None:
    html = '<meta charset="utf-8"><p>żółw'.encode("iso-8859-2")
    assert "żółw" in decode_page(html, "text/html; charset=iso-8859-2")


def test_latin1_means_windows_1252() -> None:
    assert "“open”" in decode_page('<meta charset="iso-8859-1"><p>“open”'.encode("cp1252"))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (
            "Die größte Übersicht über künstliche Intelligenz für Schüler wäre schön. Grüße — „Öffnung“ der Modelle.",
            "cp1252",
        ),
        ("L’été dernier, la société a publié ses modèles à Paris, où l’accès était gratuit pour les élèves.", "cp1252"),
        ("It is a café—not a “naïve” question, say those who have worked on open models for years.", "cp1252"),
        ("Åbne modeller er bedre, siger forskere på Københavns Universitet, når de får støtte.", "cp1252"),
        ("Najważniejsze modele są otwarte, a źródła łatwo dostępne. Większość ludzi się z tym zgadza.", "cp1250"),
        ("Otevřené modely jsou lepší, říkají vědci z Prahy, kteří se účastnili výzkumu.", "cp1250"),
        (
            "Atvirieji modeliai yra geresni, sako mokslininkai iš Vilniaus, kur šį įrankį naudoja kiekvieną dieną.",
            "cp1257",
        ),
        ("Открытые модели лучше закрытых, говорят учёные из Москвы.", "cp1251"),
    ],
)
def test_a_page_that_declares_no_charset_is_read_in_that_of_its_language(text: str, encoding: str) -> None:
    assert text in decode_page(
        f"<html><script>let a = 1 < 2</script><p>{text}</p></html>".encode(encoding), "text/html"
    )


def test_the_language_of_the_words_beats_the_declared_one() -> None:
    french = "<p>Le modèle tient sur un disque, et personne de l'autre côté de l'océan ne s'intéressait à la langue bretonne.</p>"
    html = page(body=french * 1 + french.replace("disque", "carnet")).replace(b"<html>", b'<html lang="en">')
    assert extract(html).language == "fr"


def test_text_has_no_markup_soft_hyphens_or_hard_spaces() -> None:
    sentence = "<p>The com\u00admit\u00adtee met&nbsp;on Thursday and <b>heard</b> “nine” witnesses in e\u0301tat for the bill.</p>"
    first = extract(page(body=sentence + PARAGRAPHS)).text.split("\n\n")[0]
    assert first == "The committee met on Thursday and heard “nine” witnesses in état for the bill."


def test_the_paywall_is_read_from_the_data_and_from_notices() -> None:
    data = '<script type="application/ld+json">{"@type":"NewsArticle","headline":"x","isAccessibleForFree":"False"}</script>'
    assert extract(page(data)).paywalled
    assert extract(page(body=PARAGRAPHS + "<div><p>Subscribe to continue reading this article.</p></div>")).paywalled
    assert not extract(page()).paywalled


@pytest.mark.parametrize(
    ("head", "label"),
    [
        ('<script type="application/ld+json">{"@type":"AdvertiserContentArticle","headline":"x"}</script>', ""),
        ('<script type="application/ld+json">{"@type":"Article","sponsor":{"name":"Corvid Labs"}}</script>', ""),
        ('<meta property="article:section" content="Partner Content">', ""),
        ("", '<span class="kicker">Paid post</span>'),
        ("", "<p>Presented by Corvid Labs</p>"),
        ("", "<div>Contenido patrocinado</div>"),
    ],
)
def test_a_piece_that_somebody_paid_for_is_told_from_the_others(head: str, label: str) -> None:
    assert extract(page(head, f"<header>{label}<h1>Why weights matter</h1></header>{PARAGRAPHS}")).sponsored


def test_an_advertisement_beside_an_article_does_not_make_it_one() -> None:
    article = extract(
        page(body=f"<header><h1>Why weights matter</h1></header><p>Anzeige</p>{PARAGRAPHS}<div>Sponsored content</div>")
    )
    assert not article.sponsored


def test_articlebody_is_taken_where_the_page_shows_almost_nothing() -> None:
    body = "\\n".join(f"Sentence {n} of an article which only the data of the page carries in full." for n in range(20))
    data = (
        f'<script type="application/ld+json">{{"@type":"NewsArticle","headline":"x","articleBody":"{body}"}}</script>'
    )
    text = extract(page(data, "<p>Please switch on scripts to read this story.</p>")).text
    assert "Sentence 19 of an article" in text
    assert text.count("\n\n") == 19


DECLARED = "\\n".join(
    f"Paragraph {n} of the story tells at some length what the committee heard that day." for n in range(8)
)
STORY = "".join(f"<p>{paragraph}</p>" for paragraph in DECLARED.split("\\n"))
WITH_BODY = (
    f'<script type="application/ld+json">{{"@type":"NewsArticle","headline":"x","articleBody":"{DECLARED}"}}</script>'
)


def test_what_follows_the_declared_text_is_left_out_and_a_subheading_in_it_kept() -> None:
    shown = STORY.replace("<p>Paragraph 4", "<h2>What the witnesses said</h2><p>Paragraph 4")
    shown += "<p>Our reporters have won prizes for their work on parliaments around the world since 1950.</p>"
    text = extract(page(WITH_BODY, shown)).text
    assert text.endswith("Paragraph 7 of the story tells at some length what the committee heard that day.")
    assert "What the witnesses said" in text


def test_a_declared_text_that_is_cut_off_leaves_the_shown_one_whole() -> None:
    more = "".join(f"<p>Witness {n} answered the questions of the members for more than an hour.</p>" for n in range(8))
    text = extract(page(WITH_BODY, STORY + more)).text
    assert "Paragraph 0 of the story" in text
    assert "Witness 7 answered" in text


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ('<div class="author__biography"><p>{}</p></div>', "Noor Castellan has covered technology since the first of them."),
        ('<p class="visually-hidden">{}</p>', "The end of this story is followed by a list of further stories of the day."),
        ('<div class="video-caption"><p>{}</p></div>', "Senator Holt leaves the committee room with her aides on Wednesday."),
        ('<div class="c-viafoura"><p>{}</p></div>', "Choose the name that others are to see beside your words."),
    ],
    ids=["author", "hidden", "caption", "comment form"],
)  # fmt: skip
def test_what_stands_beside_an_article_is_not_its_text(box: str, words: str) -> None:
    text = extract(
        page(body=PARAGRAPHS + box.format(words) + PARAGRAPHS.replace("Paragraph", "Further paragraph"))
    ).text
    assert words not in text
    assert "Further paragraph four" in text


def test_a_page_that_publishes_pictures_keeps_their_captions() -> None:
    gallery = "".join(
        f'<div class="caption"><p>Picture {n} shows a machine hall in which one of the models was trained.</p></div>'
        for n in range(9)
    )
    assert "Picture 8 shows" in extract(page(body=PARAGRAPHS + gallery)).text


@pytest.mark.parametrize(
    "data",
    [
        "{not json",
        '[[[1, 2, {"@type": ["NewsArticle", 3], "headline": 7, "author": [[["x"]], 3, null], "datePublished": 20240101}]]]',
        '{"@graph": "nothing", "@type": 4}',
        '{"@type": "NewsArticle", "author": "Noor Castellan", "comment": "none", "publisher": 3, "hasPart": [1, null]}',
        '{"a":' * 50_000,
        "[" * 50_000 + "]" * 50_000,
    ],
    ids=["wrong", "numbers", "graph", "strings", "deep-objects", "deep-lists"],
)
def test_wrong_json_ld_gives_less_data_and_never_an_exception(data: str) -> None:
    article = extract(page(f'<title>A story</title><script type="application/ld+json">{data}</script>'))
    assert "Paragraph one" in article.text


ENTITY_BOMB = (
    "<!DOCTYPE html [" + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)) + "]>"
)


@pytest.mark.parametrize(
    "html",
    [
        b"<html><body>" + b"<div>" * 10_000 + PARAGRAPHS.encode() + b"</div>" * 10_000,
        ENTITY_BOMB.encode() + b"<html><body><p>&j;</p>" + PARAGRAPHS.encode(),
        b"<html><body>\0" + PARAGRAPHS.encode().replace(b" ", b"\0 "),
        b"<html><body>\xff\xfe\xfa" + PARAGRAPHS.encode() + b"\xc3",
        b"<html><body><p>" + b"word " * 200_000,
        b"<html><body " + b" ".join(b'a%d="x"' % n for n in range(50_000)) + b">" + PARAGRAPHS.encode(),
        b"<html><head><title>" + b"a - " * 50_000 + b"</title></head><body>" + PARAGRAPHS.encode(),
        b'<html><head><meta name="author" content="' + b"A and B, " * 20_000 + b'"></head><body>' + PARAGRAPHS.encode(),
    ],
    ids=["nested", "entities", "nul", "invalid-utf8", "one-line", "attributes", "title", "byline"],
)
def test_hostile_pages_end_in_an_article_or_an_extraction_error(html: bytes) -> None:
    try:
        article = extract(html)
    except ExtractionError:
        return
    assert article.text
    assert len(article.title) <= 500


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        (b" \n", "empty"),
        (b"%PDF-1.7", "binary"),
        (b"no markup at all", "no markup"),
        (b"<p>" + b"a" * 10_000_001, "bytes"),
        (b"<html><body></body></html>", "no text"),
    ],
)
def test_a_page_without_an_article_says_why(html: bytes, reason: str) -> None:
    with pytest.raises(ExtractionError, match=reason):
        extract(html)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=300), st.text(max_size=100))
def test_whatever_stands_in_a_page_the_record_is_clean(words: str, title: str) -> None:
    """Property: no exception but ExtractionError; text in NFC paragraphs without empty lines or outer space."""
    try:
        article = extract(page(f"<title>{title}</title>", f"<p>{words}</p>{PARAGRAPHS}"))
    except ExtractionError:
        return
    paragraphs = article.text.split("\n\n")
    assert all(paragraph == " ".join(paragraph.split()) != "" for paragraph in paragraphs)
    assert "\u00ad" not in article.text


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    try:
        extract(b"<html>" + body)
    except ExtractionError:
        return
