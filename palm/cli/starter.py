"""The project that `palm init` writes: two tasks on a small encoder with generated data, in English or Chinese."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_DEV_EVERY = 6  # the diagonal of 5 × 5 fillings: each place and each time is in both files, no pair of them is


@dataclass(frozen=True)
class Grammar:
    """Sentences of some intents: each template is filled with each place and each time.

    Attributes:
        templates: Intent → templates with `{place}` and `{time}`.
        places: What fills `{place}`.
        times: What fills `{time}`.
        joint: Separator of words: a blank, or nothing in Chinese.

    """

    templates: dict[str, tuple[str, ...]]
    places: tuple[str, ...]
    times: tuple[str, ...]
    joint: str

    def sentences(self) -> Iterator[tuple[str, str, int]]:
        """Intent, sentence, and the index of its filling."""
        fillings = list(itertools.product(self.places, self.times))
        for intent, templates in self.templates.items():
            for template in templates:
                for number, (place, time) in enumerate(fillings):
                    yield intent, template.format(place=place, time=time), number


ENGLISH = Grammar(
    {
        "flight": (
            "find a flight to {place} {time}",
            "i want to fly to {place} {time}",
            "book me a plane to {place} for {time}",
        ),
        "hotel": (
            "find a hotel in {place} {time}",
            "i need a room in {place} for {time}",
            "where can i sleep in {place} {time}",
        ),
        "weather": (
            "how is the weather in {place} {time}",
            "will it rain in {place} {time}",
            "is it cold in {place} {time}",
        ),
    },
    ("paris", "london", "rome", "boston", "beijing"),
    ("today", "tomorrow", "on monday", "on friday", "next week"),
    " ",
)
CHINESE = Grammar(
    {
        "机票": ("帮我找{time}去{place}的航班", "我想{time}飞到{place}", "订一张{time}到{place}的机票"),
        "酒店": ("帮我找{time}{place}的酒店", "{time}我要在{place}住一晚", "预订{place}{time}的房间"),
        "天气": ("{time}{place}的天气怎么样", "{place}{time}会下雨吗", "{time}{place}冷不冷"),
    },
    ("北京", "上海", "广州", "巴黎", "伦敦"),
    ("今天", "明天", "星期一", "周五", "下周"),
    "",
)

CONFIG = """\
# {title}
#
#   palm check config.yaml --task_dir tasks              reports every problem before anything runs
#   palm train config.yaml --task_dir tasks              less than a minute on two cores
#   palm pred  config.yaml intent --task_dir tasks       with the exported model
#   palm train config.yaml --task_dir tasks --learning_rate 5e-4      any key can be set on the command line

task_instance: "intent, same"      # tasks/intent.yaml and tasks/same.yaml; the first target is the main task
mix_ratio: 1.0, 1.0                # how often each task is sampled; 1.0, 0.5: intent twice as often as same
target_tag: 1, 1                   # 1: a target, exported at its end; 0: an auxiliary task that only helps the others
save_path: output_model

# A small encoder that is trained from scratch, so that this project runs without a download.
backbone: bert
backbone_config_path: backbone.json
vocab_path: vocab.txt

# For real work use a pre-trained one: remove the three lines above{other_model}
# pretrain_model_path: {model}
# do_lower_case: true
# learning_rate: 5e-5                # instead of the one below

{for_cn}max_seq_len: 32
batch_size: 16
num_epochs: 20                     # passes over the main task's training file
optimizer: adam
learning_rate: 1e-3
warmup_proportion: 0.1
weight_decay: 0.01
print_every_n_steps: 20
random_seed: 1
"""
OTHER_MODEL = {
    False: ", run `palm download minilm-l6-en`, and set",
    True: ",\n# run `palm download ERNIE-v1-zh-base` (with `backbone: ernie`), and set",
}
MODEL = {False: "pretrain/minilm-l6-en", True: "pretrain/ERNIE-v1-zh-base/params"}
TITLE = {
    False: "Two travel tasks on one encoder: the intent of a sentence, and whether two sentences have the same intent.",
    True: "同一个编码器上的两个旅行任务：判断一句话的意图，以及两句话的意图是否相同。",
}

INTENT = """\
# Classification of single sentences: data/intent.*.tsv with columns label and text_a.
reader: cls
paradigm: cls
train_file: data/intent.train.tsv
dev_file: data/intent.dev.tsv
pred_file: data/intent.dev.tsv
"""
SAME = """\
# Classification of pairs: data/same.*.tsv with columns label, text_a and text_b; 1: the same intent.
reader: match
paradigm: match
train_file: data/same.train.tsv
dev_file: data/same.dev.tsv
pred_file: data/same.dev.tsv
"""

BACKBONE = """\
{{
  "vocab_size": {vocab_size},
  "hidden_size": 64,
  "num_hidden_layers": 2,
  "num_attention_heads": 4,
  "intermediate_size": 256,
  "max_position_embeddings": 64,
  "type_vocab_size": 2,
  "hidden_act": "gelu",
  "hidden_dropout_prob": 0.1,
  "attention_probs_dropout_prob": 0.1,
  "initializer_range": 0.02
}}
"""

README = {
    False: """\
# A PALM project

Two tasks share one encoder: `intent` (the intent of a sentence) and `same` (do two sentences have the same intent?).

    palm check config.yaml --task_dir tasks
    palm train config.yaml --task_dir tasks
    palm pred config.yaml intent --task_dir tasks

| file | content |
|---|---|
| `config.yaml` | tasks, backbone and hyper-parameters |
| `tasks/*.yaml` | one file per task: reader, paradigm, data |
| `data/*.tsv` | generated sentences; the first line names the columns |
| `backbone.json`, `vocab.txt` | a small encoder, trained from scratch |
| `output_model/` | written by training: inference models, metrics, log |

Replace `data/` with your own, add a task by writing `tasks/name.yaml` and naming it in `task_instance`, and start from
a pre-trained model as `config.yaml` shows.
""",
    True: """\
# 一个 PALM 项目

两个任务共享一个编码器：`intent`（旅客想要什么？）和 `same`（两句话的意图是否相同？）。

    palm check config.yaml --task_dir tasks
    palm train config.yaml --task_dir tasks
    palm pred config.yaml intent --task_dir tasks

| 文件 | 内容 |
|---|---|
| `config.yaml` | 任务、主干网络与超参数 |
| `tasks/*.yaml` | 每个任务一个文件：reader、paradigm、数据 |
| `data/*.tsv` | 由语法生成的句子，首行为列名 |
| `backbone.json`、`vocab.txt` | 从零开始训练的小编码器 |
| `output_model/` | 训练后出现：预测模型、指标与日志 |

用自己的数据替换 `data/`；新增任务只需编写 `tasks/名称.yaml` 并写入 `task_instance`；
`config.yaml` 中说明了如何使用预训练模型。
""",
}


def starter_files(*, for_cn: bool) -> dict[str, str]:
    """Every file of the project, by its path."""
    grammar = CHINESE if for_cn else ENGLISH
    sentences = list(grammar.sentences())
    vocabulary = vocabulary_of(grammar)
    train = [(intent, text) for intent, text, number in sentences if number % _DEV_EVERY]
    dev = [(intent, text) for intent, text, number in sentences if number % _DEV_EVERY == 0]
    config = CONFIG.format(
        title=TITLE[for_cn],
        for_cn="for_cn: true                       # Chinese: answers and tags are handled by character\n"
        if for_cn
        else "",
        other_model=OTHER_MODEL[for_cn],
        model=MODEL[for_cn],
    )
    return {
        "config.yaml": config,
        "tasks/intent.yaml": INTENT,
        "tasks/same.yaml": SAME,
        "data/intent.train.tsv": _tsv(("label", "text_a"), train),
        "data/intent.dev.tsv": _tsv(("label", "text_a"), dev),
        "data/same.train.tsv": _tsv(("label", "text_a", "text_b"), pairs(train)),
        "data/same.dev.tsv": _tsv(("label", "text_a", "text_b"), pairs(dev)),
        "backbone.json": BACKBONE.format(vocab_size=len(vocabulary)),
        "vocab.txt": "".join(f"{word}\n" for word in vocabulary),
        "README.md": README[for_cn],
        ".gitignore": "output_model/\npretrain/\n",
    }


def vocabulary_of(grammar: Grammar) -> list[str]:
    """Special tokens, then every word of the grammar (in Chinese, every character), then the alphabet as tokens."""
    texts = [text for _, text, _ in grammar.sentences()]
    words = sorted({word for text in texts for word in (text.split() if grammar.joint else text)})
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = [*words, *letters, *(f"##{letter}" for letter in letters)]
    return list(dict.fromkeys([*SPECIAL, *pieces]))


def pairs(sentences: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Each sentence with one of its own intent (label 1) and with one of another (label 0)."""
    found = []
    for position, (intent, text) in enumerate(sentences):
        rest = [*sentences[position + 1 :], *sentences[:position]]
        alike = [other for kind, other in rest if kind == intent]
        different = [other for kind, other in rest if kind != intent]
        found.append(("1", text, alike[position * 7 % len(alike)]))
        found.append(("0", text, different[position * 7 % len(different)]))
    return found


def _tsv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join("\t".join(row) + "\n" for row in (header, *rows))
