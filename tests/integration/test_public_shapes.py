"""Files in the shapes of public data sets and exports train and predict with the keys that benchmarks/formats says."""

import pytest

from benchmarks.formats.data import markdown, try_shape
from benchmarks.formats.shapes import SHAPES

pytest.importorskip("datasets", reason="the extra `data`")
pytest.importorskip("openpyxl", reason="the extra `data`")

# One of each kind in the quick round.
QUICK = {"GLUE MRPC", "CLUE CMNLI", "LCQMC", "Kaggle SMS spam", "Yelp polarity", "Amazon reviews US",
         "hub: go_emotions", "hub: conll2003", "hub: squad", "Excel workbook", "pandas json columns"}  # fmt: skip


def marks(name):
    return [] if name in QUICK else [pytest.mark.slow]


@pytest.mark.parametrize("shape", [pytest.param(shape, marks=marks(shape.name), id=shape.name) for shape in SHAPES])
@pytest.mark.filterwarnings("ignore")  # of packages that write the files
def test_a_public_shape(shape, tmp_path):
    found = try_shape(shape, tmp_path / "run")
    assert found.as_expected, (found.rows, found.message)


def test_the_table_counts_what_ran(tmp_path):
    shapes = [shape for shape in SHAPES if shape.name in ("ChnSentiCorp", "pandas json columns")]
    table = markdown([try_shape(shape, tmp_path / str(number)) for number, shape in enumerate(shapes)])
    assert "| ChnSentiCorp | `train.tsv` | cls |  | 8 | trained, predicted |" in table
    assert table.endswith(
        "2 shapes: 1 trained and predicted (1 of them without a further key), 1 refused by name, 0 failed."
    )


def test_at_least_sixty_shapes_are_tried():
    assert len({shape.name for shape in SHAPES}) == len(SHAPES) >= 60
