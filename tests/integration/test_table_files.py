"""Tables as other programs write them train and predict by the command line, and what was guessed is reported."""

import csv
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.integration import tiny
from tests.palm_command import palm_here

ROWS = [
    ("water", "the big, red fish"),
    ("air", "a bird\nin the sky"),
    ("water", 'the "small" fish'),
    ("air", "鸟在天"),
] * 4
CSV, JSON = "read as csv, delimiter", "read as a list of JSON objects"
SAID_OF_TSV = "cells in quotation marks are read without them, since the header is. Set quoting: none to keep them."


def palm_command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return palm_here(*words, cwd=folder, environment={"PALM_CACHE": str(folder / "cache")})


def write_csv(file: Path, **form: object) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, **form).writerows([("label", "text_a"), *ROWS])


def write_json(file: Path, *, is_wrapped: bool) -> None:
    rows = [{"label": label, "text_a": text} for label, text in ROWS]
    file.write_text(json.dumps({"data": rows} if is_wrapped else rows, indent=1), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("数据.csv", write_csv, f"t: 数据.csv: {CSV} `,`, cells may be quoted."),
        ("x.csv", lambda file: write_csv(file, delimiter=";"),
          f"t: x.csv: {CSV} `;`, cells may be quoted."),
        ("x.tsv", lambda file: write_csv(file, delimiter="\t", quoting=csv.QUOTE_ALL),
         f"Warning: x.tsv: {SAID_OF_TSV}"),
        ("x.json", lambda file: write_json(file, is_wrapped=False), f"t: x.json: {JSON}."),
        ("y.json", lambda file: write_json(file, is_wrapped=True), f"t: y.json: {JSON} in `data`."),
    ],
)  # fmt: skip
def test_a_table_from_check_to_predictions(tmp_path, name, write, said):
    write(tmp_path / name)
    task = {"reader": "cls", "paradigm": "cls", "train_file": name, "pred_file": name}
    config = tiny.config(tmp_path, {"t": task}, num_epochs=1, save_path="out")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    checked = palm_command(tmp_path, "check", "config.yaml", "--data")
    assert f"train_file {name}, {len(ROWS)} records" in checked.stdout, checked.stderr
    assert (checked.stdout + checked.stderr).count(said) == 1
    trained = palm_command(tmp_path, "train", "config.yaml")
    assert trained.returncode == 0, trained.stderr
    assert (trained.stdout + trained.stderr).count(said) == 1
    predicted = palm_command(tmp_path, "pred", "config.yaml", "t")
    assert predicted.returncode == 0, predicted.stderr
    lines = (tmp_path / "out" / "t" / "predictions.json").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(ROWS)


def test_gbk_is_named_and_then_read(tmp_path):
    (tmp_path / "x.csv").write_bytes("label,text_a\n1,红鱼在河\n0,绿鸟在天\n".encode("gbk"))
    task = {"reader": "cls", "paradigm": "cls", "train_file": "x.csv"}
    config = tiny.config(tmp_path, {"t": task}, num_epochs=1, save_path="out", for_cn=True)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    refused = palm_command(tmp_path, "check", "config.yaml", "--data")
    assert refused.returncode == 2
    assert "x.csv:2: a data file must be UTF-8" in refused.stderr
    assert "set `encoding: gb18030`, or convert the file." in refused.stderr
    checked = palm_command(tmp_path, "check", "config.yaml", "--data", "--encoding", "gb18030")
    assert checked.returncode == 0, checked.stderr
    assert "[UNK]        0.00% of the subword tokens" in checked.stdout
