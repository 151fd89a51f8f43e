import json

import pytest

pytest.importorskip("altair")

from palm.errors import CheckpointError
from palm.report.run_folder import find_runs
from palm.report.search_sections import read_searches, search_sections
from palm.report.section import Chart, Paragraph, Table
from tests.unit.report.searched import SEARCH, a_search, a_trial


def read(folder, content):
    folder.mkdir(exist_ok=True)
    (folder / "tune.json").write_text(json.dumps(content), encoding="utf-8")
    return read_searches([folder])


def blocks(folder, content):
    (section,) = search_sections(read(folder, content))
    return section.blocks


def test_the_trials_and_the_best_configuration(tmp_path):
    content = a_search()
    found = blocks(tmp_path / "搜索", content)
    assert found[0] == Paragraph(
        "12 trials: 9 complete, 2 pruned, 1 failed. They are compared by mean of 意图 + two; higher is better."
    )
    best = content["trials"][content["best"]]
    assert found[1].title.startswith(f"The best configuration: trial {content['best']} with {best['score']:.4f}")
    assert [key for key, _ in found[1].rows] == list(SEARCH)
    table = found[-2]
    assert isinstance(table, Table)
    assert table.header[4:7] == tuple(SEARCH)
    scores = [row[2] for row in table.rows]
    assert scores[:9] == sorted(scores[:9], reverse=True)
    assert [row[1] for row in table.rows[9:]] == ["pruned", "failed", "pruned"]
    assert table.rows[0][0] == content["best"]
    assert table.best == {(0, 0), (0, 1), (0, 2)}
    assert table.rows[10][-1] == "DataError: there is not enough memory"


def test_each_trial_is_a_point_of_each_chart_and_pruned_ones_have_their_last_value(tmp_path):
    content = a_search()
    charts = [block for block in blocks(tmp_path, content) if isinstance(block, Chart)]
    assert [chart.title for chart in charts[:4]] == ["mean of 意图 + two: trials", *SEARCH]
    for chart in charts[:4]:
        rows = max(chart.spec["datasets"].values(), key=lambda rows: (len({row["n"] for row in rows}), len(rows)))
        assert sorted(row["s"] for row in rows) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
        pruned = next(row for row in rows if row["s"] == 7)
        assert (pruned["n"], pruned["v"]) == ("pruned", round(content["trials"][7]["evaluations"][-1][1], 5))
    axes = [chart.spec["layer"][-1]["encoding"]["x"] for chart in charts[1:4]]
    assert [axis["scale"].get("type") for axis in axes] == ["log", "linear", None]
    assert axes[2]["sort"] == ["16", "32", "null"]


def test_a_search_for_the_lowest_value(tmp_path):
    content = a_search(pruned=(), failed=(), direction="minimize")
    content["best"] = min(content["trials"], key=lambda trial: trial["score"])["number"]
    found = blocks(tmp_path, content)
    assert found[0].text.endswith("lower is better.")
    assert found[-2].rows[0][0] == content["best"]
    line = next(block for block in found if isinstance(block, Chart)).spec["layer"][0]["data"]["name"]
    values = [row["v"] for row in next(b for b in found if isinstance(b, Chart)).spec["datasets"][line]]
    assert values == sorted(values, reverse=True)


def test_no_complete_trial(tmp_path):
    found = blocks(tmp_path, a_search(count=2, pruned=(0,), failed=(1,)))
    assert found[1].text == "No trial was complete, so there is no best configuration."
    assert sum(isinstance(block, Chart) for block in found) == 4
    assert find_runs(tmp_path) == []
    only_failed = blocks(tmp_path, a_search(count=1, pruned=(), failed=(0,)))
    assert not any(isinstance(block, Chart) for block in only_failed)


def test_the_run_of_a_search_is_that_of_its_best_trial(tmp_path):
    content = a_search()
    read(tmp_path, content)
    for trial in content["trials"]:
        (tmp_path / trial["folder"]).mkdir()
        (tmp_path / trial["folder"] / "metrics.jsonl").touch()
    assert find_runs(tmp_path) == [tmp_path / f"trial_{content['best']}"]
    read(tmp_path, {**content, "seeds": [3, 4]})
    assert find_runs(tmp_path) == []  # its runs are in folders of seeds, which were removed
    seeded = tmp_path / f"trial_{content['best']}" / "seed_3"
    seeded.mkdir()
    (seeded / "log.txt").touch()
    assert find_runs(tmp_path) == [seeded]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"trials": [a_trial(0, folder="../../etc")], "best": 0}, "the folder of a trial is in that of the search"),
        ({"best": 5}, "best is the number of a complete trial"),
        ({"trials": [a_trial(0, evaluations=[[1]])], "best": 0}, "an evaluation is a global step and a value"),
        ({"direction": "up"}, "Found `direction`"),
        ({"trials": {}}, "Found `trials`"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, change, found):
    with pytest.raises(CheckpointError, match=r"tune\.json: holds the trials of a search") as refused:
        read(tmp_path, a_search() | change)
    assert found in str(refused.value)
