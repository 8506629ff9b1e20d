import pytest

from nlp.debate import load_debate
from nlp.inspection import Inspector
from nlp.quotes import find_quotes
from nlp.reader import Reader, ReadInput
from nlp.units import split_units


@pytest.fixture(scope="module")
def reader():
    return Reader(load_debate())


def read(reader, text, **about):
    statements = reader.read_one(ReadInput(1, text, **about)).statements
    for statement in statements:
        assert 0 <= statement.start < statement.end <= len(text)
        if statement.speaker.start is not None:
            assert text[statement.speaker.start : statement.speaker.end] == statement.speaker.text
    return statements


def who(statements):
    return [(statement.speaker.name, statement.kind) for statement in statements]


@pytest.mark.parametrize(
    ("text", "speaker", "kind"),
    [
        (
            '"Once the weights are out, nobody can recall them," said Sofia Lindgren, a security researcher.',
            "Sofia Lindgren",
            "direct",
        ),
        (
            "“Open models let everyone check what the machine does,” Diego Marquez told reporters on Monday.",
            "Diego Marquez",
            "direct",
        ),
        (
            (
                "'You cannot call back a model that a thousand strangers have copied,' said Piers Hallam, a "
                "former adviser."
            ),
            "Piers Hallam",
            "direct",
        ),
        (
            "Elaine Porter argues that powerful AI models should never be released to the public.",
            "Elaine Porter",
            "indirect",
        ),
        (
            "According to Farid Aziz, open models are the only way for small countries to stay independent.",
            "Farid Aziz",
            "indirect",
        ),
        (
            "In Hannah Mercer's view, the dangers of open weights have been exaggerated.",
            "Hannah Mercer",
            "indirect",
        ),
        ("In Lindiwe Khoza's opinion, weights must stay secret.", "Lindiwe Khoza", "indirect"),
        (
            ("Grace Novak, who has long opposed the release of model weights, warns that criminals will use them."),
            "Grace Novak",
            "indirect",
        ),
        (
            "Clara Weiss: Closed AI is a threat to democracy",
            "Clara Weiss",
            None,
        ),
        (
            (
                "Representative Marcus Bell voted against the bill to restrict open models, calling it a gift to"
                " monopolies."
            ),
            "Marcus Bell",
            "indirect",
        ),
    ],
)
def test_reported_views_are_found_with_their_speaker(reader, text, speaker, kind):
    statements = read(reader, text)
    assert [s.speaker.name for s in statements] == [speaker]
    assert kind is None or statements[0].kind == kind


def test_a_quotation_split_by_its_attribution_is_one_statement(reader):
    text = "“Open weights are a public good,” said Ana Ruiz. “Nobody should have to ask a company for permission.”"
    (statement,) = read(reader, text)
    assert (statement.start, statement.end) == (0, len(text))
    assert statement.speaker.name == "Ana Ruiz"


def test_a_quotation_over_paragraphs_belongs_to_its_speaker(reader):
    text = (
        "“We must not publish these models,” Owen Pritchard told the senators. “They cannot be recalled.\n\n"
        "“A model in the hands of everyone is a model in the hands of criminals.”"
    )
    assert {s.speaker.name for s in read(reader, text)} == {"Owen Pritchard"}


def test_two_speakers_in_one_paragraph_are_kept_apart(reader):
    text = (
        "Maria Keller argues that open models make AI safer because anyone can inspect them. "
        "Viktor Stahl warns that open weights hand dangerous tools to criminals."
    )
    assert [s.speaker.name for s in read(reader, text)] == ["Maria Keller", "Viktor Stahl"]


def test_a_pronoun_means_the_person_last_spoken_of(reader):
    text = (
        "Elaine Porter has led the laboratory since 2020. She insists that its strongest models must stay closed, "
        "because publishing them would help criminals."
    )
    (statement,) = read(reader, text)
    assert (statement.speaker.text, statement.speaker.name) == ("She", "Elaine Porter")
    assert "pronoun" in statement.rule


def test_a_title_and_surname_mean_the_full_name(reader):
    text = (
        "Senator Karin Voss opened the hearing on open-weight AI models in the morning.\n\n"
        "Releasing the weights of such models is reckless, Senator Voss said, and must be forbidden by law."
    )
    assert {s.speaker.name for s in read(reader, text)} == {"Karin Voss"}


def test_a_known_speaker_is_linked_by_name_and_by_description(reader):
    text = "Meta's chief AI scientist, Yann LeCun, has argued that open models make AI safer."
    (statement,) = read(reader, text)
    assert (statement.speaker.actor_id, statement.speaker.name) == ("yann-lecun", "Yann LeCun")


def test_an_author_speaks_for_herself_and_others_for_themselves(reader):
    text = (
        "I have worked on software for twenty years. We must not let three companies lock these models away; "
        "open them, and let all of us look inside. Vinod Khosla argues that openness arms our rivals."
    )
    statements = read(reader, text, author="Nell Harding", kind="post")
    assert ("Nell Harding", "authorial") in who(statements)
    assert statements[0].speaker.text == "AUTHOR"
    assert statements[0].speaker.start is None
    assert ("Vinod Khosla", "indirect") in who(statements)


def test_a_transcript_names_its_speakers_before_their_words():
    text = (
        "HOST: Would you give the model to anybody? RADOVAN ILIC: To anybody, yes. The more people can take the model "
        "apart, the sooner we learn where it breaks. HOST: Thank you."
    )
    # The reader may propose the question as well; the judge knows that it takes no position.
    found = Inspector(load_debate()).inspect(text)
    statements = found.statements
    assert [s.speaker.name for s in statements] == ["Radovan Ilic"]
    assert statements[0].kind == "direct"


@pytest.mark.parametrize(
    "text",
    [
        "The company released a new model on Tuesday. It has 70 billion parameters and supports eleven languages.",
        "Critics say that open models are dangerous, and some fear that they cannot be recalled.",
        "Mistral AI has closed a funding round of 385 million euros that values the company at two billion dollars.",
        "The museum opens its doors on Sundays. Entry is free for children, and the garden is closed in winter.",
        "The benchmark results were published on Friday. The open model scored 71 points, two fewer than its rival.",
        "",
        "   \n\n  ",
        "Dr.",
    ],
)
def test_facts_unnamed_groups_and_other_subjects_are_no_statements(reader, text):
    assert read(reader, text) == ()


def test_a_dateline_is_nobody(reader):
    text = (
        "LONDON (Harbour Wire) - Publishing such models is reckless and should be banned, Piers Hallam said on Monday."
    )
    assert [s.speaker.name for s in read(reader, text)] == ["Piers Hallam"]


def test_marks_of_all_kinds_open_and_close_quotations():
    text = "\"Yes,\" he said. “No,” said she. ‘Perhaps,’ they said. « Non », dit-il. It's the labs' turn."
    assert [text[q.start : q.end] for q in find_quotes(text)] == ['"Yes,"', "“No,”", "‘Perhaps,’", "« Non »"]


def test_an_apostrophe_is_no_quotation_mark():
    assert find_quotes("Don't trust the labs' promises, it's 'em or us in the '90s way.") == []


def test_units_end_with_sentences_and_not_with_abbreviations():
    text = 'Dr. Voss of the U.S. Senate spoke at 3 p.m. on Monday. "Is it safe?" she asked. it isn\'t. ok'
    units = [text[u.start : u.end] for u in split_units(text)]
    assert units == [
        "Dr. Voss of the U.S. Senate spoke at 3 p.m. on Monday.",
        '"Is it safe?" she asked.',
        "it isn't.",
        "ok",
    ]
