"""Which scheme a file's tags are of, in which form, and what breaks it."""

import pytest

from palm.data.tag_schemes import TagForm, TagScheme, describe_scheme, detect_scheme, says_more_than_bio
from palm.errors import ConfigError


def found_in(*texts: str) -> str:
    tagged = [text.split() for text in texts]
    return detect_scheme(sorted({tag for tags in tagged for tag in tags}), tagged)


@pytest.mark.parametrize(
    ("texts", "scheme"),
    [
        (["B-PER I-PER O B-LOC", "B-PER B-PER O"], "bio"),
        (["B-PER O"], "bio"),
        (["O O"], "bio"),
        # One I after an O among right sentences is a mistake, not another scheme.
        (["B-PER I-PER O", "O B-LOC O", "O I-LOC O"], "bio"),
        (["I-PER I-PER O I-LOC", "I-PER B-PER O"], "iob1"),
        (["I-PER I-PER O I-LOC"], "io"),
        (["PER PER O ORG", "O LOC"], "io"),
        (["I-PER E-PER O E-LOC", "E-PER E-PER"], "ioe2"),
        (["I-PER I-PER O I-LOC", "E-PER I-PER O", "I-PER E-PER I-PER"], "ioe1"),
        (["B-PER E-PER O S-LOC", "B-LOC I-LOC E-LOC"], "iobes"),
        (["B-PER E-PER O"], "iobes"),
        (["B-PER L-PER O U-LOC", "B-LOC I-LOC L-LOC"], "bilou"),
        (["U-PER U-PER O O B-PER L-PER B-PER L-PER"], "bilou"),
        (["B-地名 M-地名 E-地名 O S-人名"], "bmes"),
        (["B-PER M-PER E-PER O W-LOC"], "bmewo"),
        # The tags of CLUENER's baselines: a span of one character is S, one of several has no E.
        (["B-address I-address O S-name O", "B-name I-name I-name"], "bios"),
        (["B-PER I-PER E-PER O B-LOC O"], "bioe"),
        (["B M E S S B E"], "bmes"),
        (["B I O O B"], "bio"),
        (["DET NOUN VERB DET ADJ NOUN"], "none"),
        (["0 1 2"], "none"),
        (["NN VBZ -LRB- B NNP"], "none"),
    ],
)
def test_the_scheme_is_that_which_the_texts_break_least(texts: list[str], scheme: str) -> None:
    assert found_in(*texts) == scheme


FORMS = ["{l}-{t}", "{l}_{t}", "{l}:{t}", "{l}/{t}", "{t}-{l}", "{t}_{l}", "{t}:{l}"]


@pytest.mark.parametrize(
    ("form", "capital"), [*((form, capital) for form in FORMS for capital in (True, False)), ("{l}{t}", True)]
)
def test_the_form_of_a_tag_does_not_matter(form: str, capital: bool) -> None:
    def tag(letter: str, kind: str) -> str:
        return form.format(l=letter if capital else letter.lower(), t=kind)

    outside = "O" if capital else "o"
    text = [tag("B", "a-b_c"), tag("I", "a-b_c"), outside, tag("B", "人"), tag("I", "人")]
    names = sorted(set(text))
    scheme = TagScheme.of(detect_scheme(names, [text]), names)

    assert scheme.name == "bio"
    assert [scheme.split(one) for one in text] == [("B", "a-b_c"), ("I", "a-b_c"), ("O", "_"), ("B", "人"), ("I", "人")]


@pytest.mark.parametrize(
    ("scheme", "right", "wrong"),
    [
        ("bio", "B-x I-x O B-x B-y", "O I-x"),
        ("iob2", "B-x I-x O", "B-x I-y"),
        ("iob1", "I-x B-x I-y", "O B-x"),
        ("ioe2", "I-x E-x O E-y", "I-x O"),
        ("ioe1", "I-x O E-x I-x", "E-x O"),
        ("iobes", "B-x I-x E-x S-y O", "B-x O"),
        ("iobes", "B-x E-x S-x", "O E-x"),
        ("iobes", "S-x B-y E-y", "B-x I-x"),
        ("bilou", "B-x I-x L-x U-y O", "B-x L-y"),
        ("bmes", "B-x M-x E-x S-y O", "S-x M-x"),
        ("bmewo", "B-x M-x E-x W-y O", "B-x W-x"),
        ("bios", "B-x I-x O B-x S-x", "S-x I-x"),
        ("bioe", "B-x I-x E-x O B-x", "B-x I-x O"),
    ],
)
def test_what_breaks_a_scheme(scheme: str, right: str, wrong: str) -> None:
    read = TagScheme(scheme)

    assert read.first_break(right.split()) is None
    assert read.first_break(wrong.split()) is not None


def test_the_first_break_is_named_with_the_edges_of_the_text() -> None:
    assert TagScheme("bio").first_break(["O", "B-x", "I-y", "I-z"]) == ("B-x", "I-y")
    assert TagScheme("bio").first_break(["I-y"]) == ("O", "I-y")
    assert TagScheme("iobes").first_break(["B-y"]) == ("B-y", "O")
    assert TagScheme("bio").first_break(["O", "X", "O"]) == ("O", "X")
    assert TagScheme("none").first_break(["X", "I-y"]) is None


def test_a_scheme_that_the_tags_are_not_of_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"tag_scheme: .*`bilou` hold a letter and a type.*Found tags such as ADJ, DET"
    ):
        TagScheme.of("bilou", ["ADJ", "DET"])
    with pytest.raises(ConfigError, match=r"`iob1` has the letters B, I, O. Found tags such as U-PER. Correct"):
        TagScheme.of("iob1", ["B-PER", "O", "U-PER"])
    assert TagScheme.of("none", ["B-PER"]).name == "none"
    assert TagScheme.of("io", ["DET", "NOUN"]).split("DET") == ("I", "DET")
    assert TagScheme.of("io", ["B-PER", "I-PER", "O"]).split("B-PER") == ("I", "PER")


def test_what_people_are_told() -> None:
    names = ["B-a", "I-a", "O", "X"]

    assert describe_scheme(TagScheme(), names, is_set=True) == (
        "bio (set by tag_scheme, such as B-a, I-a, X); outside of all spans: X"
    )
    assert "span_f1 reports token_accuracy alone" in describe_scheme(TagScheme("none"), ["DET"], is_set=False)


def test_tags_that_were_misread_before_schemes_were_known() -> None:
    assert not says_more_than_bio(["B-PER", "I-PER", "O"])
    assert not says_more_than_bio(["BPER", "IPER", "O"])
    assert says_more_than_bio(["B-PER", "L-PER", "O"])
    assert says_more_than_bio(["PER-B", "PER-I", "O"])
    assert says_more_than_bio(["ADJ", "NOUN"])
    assert TagForm("-").split("X") is None
