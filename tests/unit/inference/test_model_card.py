"""The model card: its text against golden files, its front matter read back, and hostile names as inert text."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from palm.inference.model_card import TO_FILL_IN, CardData, CardFacts, CardTask, model_card
from palm.schema.licence import EncoderTerms

GOLDEN = Path(__file__).with_name("golden")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
INTENT = CardTask(
    "intent",
    "cls",
    "text-classification",
    labels=("set_alarm", "查询天气", "a|b`c"),
    data=(CardData("train", 1840, "ab" * 32), CardData("dev", 1)),
    metrics={"loss": 0.25, "accuracy": 0.9625},
)
READING = CardTask("阅读", "mrc", "question-answering", columns=("question", "context"))
TWO_HEADS = CardFacts(
    title="travel_assistant",
    tasks=(INTENT, READING),
    backbone="bert",
    encoder=f"google-bert/bert-base-chinese@{COMMIT}",
    terms=EncoderTerms("apache-2.0", source="README.md", languages=("zh",)),
    global_step=12_000,
    precision="bf16",
    command=("palm", "train", "/srv/alice/runs/config.yaml", "--tasks.intent.train_file=/data/旅行/train.tsv", "a b"),
    versions={"PALM": "1.0.0", "Paddle": "3.3.1", "Python": "3.11.9"},
)
ONE_HEAD = CardFacts(title="sentiment", tasks=(CardTask("sentiment", "mine"),), backbone="ernie")

HOSTILE = (
    "<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "a\n---\nlicense: mit\n---\n# heading",
    "``` `\n```",
    "| cell | cell |",
    "![](http://x.example/p.png) www.x.example https://x.example a@b.example",
    "\u202etxt.exe",
    " blanks ",
    "",
    "{{ template }} &lt; *bold* __init__",
    "中文，标签",
    "'\": - ? !!python/object:os.system",
)


def front_matter(card: str) -> dict:
    first, block, rest = card.split("---\n", 2)
    assert first == ""
    assert rest.startswith("\n# ")
    return yaml.safe_load(block)


@pytest.mark.parametrize(("name", "facts"), [("two_heads", TWO_HEADS), ("one_head", ONE_HEAD)])
def test_the_text_is_that_of_the_golden_file(name, facts):
    assert model_card(facts) == (GOLDEN / f"{name}.md").read_text(encoding="utf-8")


def test_front_matter_reads_back_as_hugging_face_expects_it():
    found = front_matter(model_card(TWO_HEADS))
    assert found == {
        "license": "apache-2.0",
        "language": "zh",
        "library_name": "palm",
        "tags": ["palm", "bert", "multi-task-learning", "text-classification", "question-answering"],
        "pipeline_tag": "text-classification",
        "base_model": "google-bert/bert-base-chinese",
        "model-index": [
            {
                "name": "travel_assistant",
                "results": [
                    {
                        "task": {"type": "text-classification", "name": "intent"},
                        "dataset": {"type": "intent", "name": "dev rows of intent", "split": "validation"},
                        "metrics": [
                            {"type": "loss", "name": "loss", "value": 0.25},
                            {"type": "accuracy", "name": "accuracy", "value": 0.9625},
                        ],
                    }
                ],
            }
        ],
    }


def test_what_is_unknown_is_left_out_of_the_front_matter():
    assert front_matter(model_card(ONE_HEAD)) == {"library_name": "palm", "tags": ["palm", "ernie"]}


def test_the_publishers_sections_are_marked():
    card = model_card(TWO_HEADS)
    assert f"### Direct Use\n\n{TO_FILL_IN}\n" in card
    assert f"## Bias, Risks, and Limitations\n\n{TO_FILL_IN}\n" in card


def test_a_licence_that_is_not_on_the_list_keeps_its_name():
    terms = EncoderTerms("other", name="qwen-research", link="https://x.example/licence", source="README.md")
    card = model_card(replace(TWO_HEADS, terms=terms))
    found = front_matter(card)
    assert (found["license"], found["license_name"]) == ("other", "qwen-research")
    assert found["license_link"] == "https://x.example/licence"
    assert "- **Licence of the encoder:** `qwen-research`, as stated in its `README.md`" in card


@pytest.mark.parametrize("encoder", ["/srv/alice/encoders/my-bert", "C:\\models\\my-bert", "~/my-bert/"])
def test_a_folder_as_encoder_is_named_without_its_place(encoder):
    card = model_card(replace(TWO_HEADS, encoder=encoder))
    assert "- **Pre-trained encoder:** `my-bert`\n" in card
    assert "base_model" not in front_matter(card)


def test_no_place_of_this_machine_is_in_the_command():
    card = model_card(TWO_HEADS)
    assert "palm train config.yaml --tasks.intent.train_file=train.tsv 'a b'" in card
    assert "alice" not in card


def test_many_labels_are_counted_rather_than_listed():
    card = model_card(replace(ONE_HEAD, tasks=(CardTask("t", "cls", labels=[f"l{i}" for i in range(150)]),)))
    assert "- **Labels (150):** `l0`, `l1`" in card
    assert "`l59` and 90 more, in `config.json`" in card
    assert "`l60`" not in card


def hostile_card(text: str) -> str:
    task = replace(INTENT, name=text, labels=(text, "plain"), columns=(text,), metrics={text: 0.5})
    return model_card(
        replace(TWO_HEADS, title=text, tasks=(task,), encoder=text, command=("palm", text), notes=(text,))
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_names_of_users_do_not_end_the_front_matter(text):
    found = front_matter(hostile_card(text))
    assert found["license"] == "apache-2.0"
    assert sorted(found) == ["language", "library_name", "license", "model-index", "pipeline_tag", "tags"]


@pytest.mark.parametrize("text", HOSTILE)
def test_names_of_users_are_no_markup(text):
    markdown_it = pytest.importorskip("markdown_it", reason="needs markdown-it-py")
    body = hostile_card(text).split("---\n", 2)[2]
    tokens = markdown_it.MarkdownIt("commonmark").enable("table").parse(body)
    inline = [child for token in tokens for child in token.children or ()]
    kinds = {token.type for token in (*tokens, *inline)}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "hr", "blockquote_open", "em_open"}
    # Sections and one task, the cells of one table row, and the command as its own line.
    assert sum(token.type == "heading_open" for token in tokens) == 11
    assert sum(token.type == "td_open" for token in tokens) == 3
    assert [token.info for token in tokens if token.type == "fence"] == ["python", "bash"]
    # GitHub and Hugging Face make links of addresses in plain text, but for escaped ones.
    assert not any(address in body.splitlines()[1] for address in ("http://", "https://", "www.x", "a@b"))
    visible = [token.content for token in inline if token.type == "code_inline"]
    assert "plain" in visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("set_alarm", "`set_alarm`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("", '`""`'),
        (" x", '`" x"`'),
        ("a\nb", "`a\\nb`"),
        ("\u202ex", "`\\u202ex`"),
        ("天气", "`天气`"),
    ],
)
def test_a_label_is_a_code_span(text, shown):
    card = model_card(replace(ONE_HEAD, tasks=(CardTask("t", "cls", labels=(text,)),)))
    assert f"- **Labels (1):** {shown}\n" in card


def test_hugging_face_reads_the_card():
    hub = pytest.importorskip("huggingface_hub", reason="needs huggingface_hub")
    data = hub.ModelCard(model_card(TWO_HEADS)).data
    assert (data.license, data.language, data.base_model) == ("apache-2.0", "zh", "google-bert/bert-base-chinese")
    assert data.pipeline_tag == "text-classification"
    assert [(each.metric_type, each.metric_value) for each in data.eval_results] == [
        ("loss", 0.25),
        ("accuracy", 0.9625),
    ]
    assert {each.dataset_name for each in data.eval_results} == {"dev rows of intent"}
