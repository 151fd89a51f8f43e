"""What the keys of the reader `prompt` name stands in one place, and is refused with the key or the file."""

import json

import pytest
from pydantic import ValidationError

from palm.data.prompt_template import parse_template
from palm.errors import ConfigError
from palm.reader.prompt_fields import PromptReaderConfig, encoding_of, listed_labels, with_prompt_file

NONE = parse_template("好", soft=False)


@pytest.fixture
def prompts(write):
    content = {"template": [{"text": "一"}, {"text": "二"}], "verbalizer": [{"P": "好"}, None]}
    return str(write("prompt.json", json.dumps(content)))


def test_label_words_may_be_written_as_text():
    config = PromptReaderConfig(label_words="{'0':'terrible', '1': ['great', '好']}")  # type: ignore[arg-type]
    assert config.label_words == {"0": ["terrible"], "1": ["great", "好"]}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"prompt": "好{'masks'}"}, "character 2: .*Did you mean `mask`"),
        ({"label_words": "{'a': b}"}, "character 7: braces hold constants"),
        ({"label_words": {True: "a"}}, "a label must be text"),
        ({"label_kind": "number"}, "a prompt is answered by words of labels"),
        ({"soft_encoder": "gru"}, "soft_encoder"),
        ({"first_max_length": 0}, "first_max_length"),
    ],
)
def test_keys_that_are_not_valid(keys, message):
    with pytest.raises(ValidationError, match=message):
        PromptReaderConfig(**keys)


def test_a_prompt_file_is_taken_into_the_keys(prompts):
    config = with_prompt_file(PromptReaderConfig(prompt_path=prompts, prompt_index=1))
    assert (config.prompt, config.label_words, config.prompt_path, config.prompt_index) == (
        "二",
        {"P": ["好"]},
        None,
        0,
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"prompt": "好"}, "prompt_path: the prompt stands in one place"),
        ({"label_words": {"P": "是"}}, "prompt_path: label words stand in one place.*label_words"),
        ({"label_file": "x"}, "prompt_path: label words stand in one place.*label_file"),
    ],
)
def test_a_prompt_in_two_places(prompts, keys, message):
    with pytest.raises(ConfigError, match=message):
        with_prompt_file(PromptReaderConfig(prompt_path=prompts, **keys))


def test_a_prompt_file_that_is_missing():
    with pytest.raises(ConfigError, match=r"nowhere\.json: the data file must be a file"):
        with_prompt_file(PromptReaderConfig(prompt_path="nowhere.json"))


def test_labels_of_a_file_or_of_options(write):
    file = str(write("label.txt", "b==好\na\n"))
    assert listed_labels(PromptReaderConfig(), NONE) is None
    for labels in (
        listed_labels(PromptReaderConfig(label_file=file), NONE),
        listed_labels(PromptReaderConfig(), parse_template(f"{{'options': '{file}'}}", soft=False)),
        listed_labels(
            PromptReaderConfig(label_words={"b": "好"}), parse_template("{'options': ['b', 'a']}", soft=False)
        ),
    ):
        assert labels is not None
        assert (labels.names, labels.words) == (("a", "b"), (("a",), ("好",)))
    with pytest.raises(ConfigError, match="label_file: labels stand in one place, found label_file and label_words"):
        listed_labels(PromptReaderConfig(label_file=file, label_words={"a": "b"}), NONE)
    with pytest.raises(ConfigError, match="label_file and options of the prompt"):
        listed_labels(PromptReaderConfig(label_file=file), parse_template("{'options': ['b', 'a']}", soft=False))


def test_a_prompt_that_does_not_fit(tokenizer):
    with pytest.raises(ConfigError, match=r"max_seq_len: .*Found 6 tokens of the prompt and special ones, and .*: 6"):
        encoding_of(PromptReaderConfig(prompt="我爱你", max_seq_len=6), tokenizer)
    assert encoding_of(PromptReaderConfig(prompt="我爱你", max_seq_len=7), tokenizer).room == 1
    with pytest.raises(ConfigError, match="prompt: options are candidates of which one is right"):
        encoding_of(PromptReaderConfig(prompt="{'options'}", label_kind="several"), tokenizer)
    with pytest.raises(ConfigError, match="prompt: character 1: `length` must be at least"):
        encoding_of(PromptReaderConfig(prompt="{'soft': '我爱', 'length': 1}"), tokenizer)
