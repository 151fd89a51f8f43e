"""docs/coming-from: what stands on PALM's side trains, and names that are called the same are."""

import re
from pathlib import Path

import pytest
import yaml

from tests.integration.documents import ROOT, blocks, read
from tests.integration.small_encoder import write_small_encoder
from tests.palm_command import palm_here

PAGES = ("transformers", "machamp", "paddlenlp")
SENTENCES = ["wake me at seven", "play some jazz", "set an alarm", "play the next song"] * 4
TAGS = ["O O O B-time", "O O B-genre", "O O O", "O O O O"] * 4
INTENTS = ["alarm", "music"] * 8


def write(path: Path, header: str, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*([header] if header else []), *lines, ""]), encoding="utf-8")


def conll() -> list[str]:
    lines = []
    for sentence, tags, intent in zip(SENTENCES, TAGS, INTENTS, strict=True):
        lines += [f"# text: {sentence}", f"# intent: {intent}"]
        words = enumerate(zip(sentence.split(), tags.split(), strict=True), 1)
        lines += [*(f"{number}\t{word}\t_\t{tag}" for number, (word, tag) in words), ""]
    return lines


def write_data(folder: Path) -> None:
    for part in ("train", "dev"):
        rows = [f"{one},it is {one},{number % 2}" for number, one in enumerate(SENTENCES)]
        write(folder / f"{part}.csv", "sentence1,sentence2,label", rows)
        write(folder / f"{part}.txt", "", ["球队赢了比赛\t体育", "股市今天上涨\t财经"] * 8)
    write(folder / "reviews.csv", "text,label", [f"{one} {n},{INTENTS[n]}" for n, one in enumerate(SENTENCES)])
    for part in ("train", "valid"):
        write(folder / "data" / "xSID-0.4" / f"en.{part}.conll", "", conll())
        rows = [f"{one}\t{label}" for one, label in zip(SENTENCES, INTENTS, strict=True)]
        write(folder / "data" / "xSID-0.4" / f"en.{part}.intent.tsv", "text_a\tlabel", rows)


@pytest.mark.parametrize("name", PAGES)
def test_palms_side_trains(name: str, tmp_path: Path) -> None:
    config, *more = blocks(read(f"docs/coming-from/{name}.md"), "yaml")
    encoder = re.search(r"^(?:encoder|model_name_or_path):.*\n", config, re.MULTILINE)
    assert encoder, config
    # A second task stands below the first one, at the end of `tasks`.
    config = config.replace(encoder[0], "".join(more) + "encoder: small\n")
    write_data(tmp_path)
    language = "zh" if name == "paddlenlp" else "en"
    write_small_encoder(tmp_path / "small", ROOT / "data" / "vocab" / f"vocab_{language}.txt")
    (tmp_path / "config.yaml").write_text(config, encoding="utf-8")
    words = ("train", "config.yaml", "--max_steps", "2", "--max_unk_fraction", "1", "--use_gpu", "false")
    done = palm_here(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for task in yaml.safe_load(config)["tasks"]:
        assert (tmp_path / "output_model" / task / "infer_model" / "manifest.json").is_file()
