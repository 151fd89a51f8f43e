"""Licence and languages as the files of an encoder's folder state them."""

import pytest

from palm.schema.licence import EncoderTerms, read_encoder_terms

APACHE = "\n   Apache License\n      Version 2.0, January 2004\n   http://www.apache.org/licenses/\n"
MIT = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy\n"


def written(folder, **files):
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_encoder_terms(folder)


def test_a_readme_states_licence_and_languages(tmp_path):
    found = written(
        tmp_path, README__md="---\nlanguage:\n- en\n- 'no'\nlicense: apache-2.0\n---\n# BERT\n", LICENSE=MIT
    )
    assert found == EncoderTerms("apache-2.0", source="README.md", languages=("en", "no"))
    assert found.front_matter() == {"license": "apache-2.0", "language": ["en", "no"]}


def test_windows_line_ends_and_a_byte_order_mark(tmp_path):
    found = written(tmp_path, README__md=b"\xef\xbb\xbf---\r\nlanguage: zh\r\nlicense: mit\r\n---\r\ntext")
    assert found == EncoderTerms("mit", source="README.md", languages=("zh",))
    assert found.front_matter() == {"license": "mit", "language": "zh"}


def test_norwegian_is_a_language(tmp_path):
    assert written(tmp_path, README__md="---\nlanguage: no\n---\n").languages == ("no",)


def test_another_licence_keeps_its_name_and_link(tmp_path):
    keys = "license: other\nlicense_name: llama3\nlicense_link: https://x.example/l"
    found = written(tmp_path, README__md=f"---\n{keys}\n---\n")
    assert (found.licence, found.name, found.link) == ("other", "llama3", "https://x.example/l")


@pytest.mark.parametrize(("text", "licence"), [(APACHE, "apache-2.0"), (MIT, "mit")])
def test_a_known_text_is_named(tmp_path, text, licence):
    assert written(tmp_path, LICENSE=text) == EncoderTerms(licence, source="LICENSE")


@pytest.mark.parametrize("text", ["All rights reserved.", '"Commons Clause" License Condition v1.0\n' + APACHE])
def test_any_other_text_is_not_named_as_what_it_may_not_be(tmp_path, text):
    found = written(tmp_path, LICENSE__txt=text)
    assert found == EncoderTerms("other", "licence-of-the-encoder", source="LICENSE.txt")


@pytest.mark.parametrize(
    "text",
    [
        "# no front matter\nlicense: mit\n",
        "---\nlicense: [\n---\n",
        "---\n- a list\n---\n",
        "---\nlicense: {a: 1}\nlanguage: 3\n---\n",
        "---\nlicense: !!python/object/apply:os.system [echo]\n---\n",
        "---\nlicense: " + "[" * 5000 + "\n---\n",
        "---\nlicense: mit\n",
    ],
)
def test_what_is_no_model_card_states_nothing(tmp_path, text):
    assert written(tmp_path, README__md=text) == EncoderTerms()


def test_no_folder_and_an_empty_one_state_nothing(tmp_path):
    assert read_encoder_terms(None) == read_encoder_terms(tmp_path) == EncoderTerms()
    assert EncoderTerms().front_matter() == {}
