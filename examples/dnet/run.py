"""D-Net's recipe: reading comprehension with masked words and ranking of passages as auxiliary tasks."""

import json
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
sys.path.insert(0, str(HOME.parent))

import public_data  # noqa: E402 (beside the examples' folders)
from yaml_run import run  # noqa: E402


def with_auxiliary_files(name: str) -> None:
    """Prepare the data set `name`, with two more files from its passages and questions."""
    plain = public_data.SETS[name]

    def prepared(data: Path, out: Path) -> None:
        plain(data, out)
        articles = json.loads((out / "train.json").read_text(encoding="utf-8"))["data"]
        passages = [passage for article in articles for passage in article["paragraphs"]]
        texts = [" ".join(passage["context"].split()) for passage in passages]
        public_data.write(out / "masked_words.tsv", ("text_a",), [(text,) for text in texts])
        public_data.write(out / "ranking.tsv", ("label", "text_a", "text_b"), pairs(passages, texts))

    public_data.SETS[name] = prepared


def pairs(passages: list[dict], texts: list[str]) -> list[tuple[str, str, str]]:
    """Each question with its own passage (1) and with the next one (0)."""
    rows = []
    for place, passage in enumerate(passages):
        for question in (" ".join(qa["question"].split()) for qa in passage["qas"]):
            rows.append(("1", question, texts[place]))
            rows.append(("0", question, texts[(place + 1) % len(texts)]))
    return rows


if __name__ == "__main__":
    for data_set in ("policyqa", "cmrc2018"):
        with_auxiliary_files(data_set)
    run(HOME, __doc__, english="policyqa", chinese="cmrc2018")
