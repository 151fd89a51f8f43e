"""Whatever a data file holds: it is refused with its name, or every row of it is read; never a traceback."""

from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.reader_faults import CASES, attempt, corpus, mutations

PHASES = ("train", "predict")
by_name = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.reader}-{case.ending}")
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@by_name
@pytest.mark.parametrize("phase", PHASES)
def test_the_file_that_is_right_is_read(case, phase, tmp_path):
    file = tmp_path / f"数据.{case.ending}"
    file.write_bytes(case.content)
    assert attempt(case, file, phase) == "read"


@by_name
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_corpus_of_malformed_files(case, tmp_path):
    ends = set()
    for name, content in corpus(case):
        file = tmp_path / f"a.{case.ending}"
        file.write_bytes(content)
        for phase in PHASES:
            try:
                ends.add(attempt(case, file, phase))
            except Exception as error:
                raise AssertionError(f"{name}, {phase}") from error
    assert ends == {"read", "refused"}


@by_name
@pytest.mark.parametrize("seed", range(2))
def test_mutated_files(case, seed, tmp_path):
    for content in mutations(case, 150, Random(seed)):
        file = tmp_path / f"a.{case.ending}"
        file.write_bytes(content)
        for phase in PHASES:
            try:
                attempt(case, file, phase)
            except Exception as error:
                raise AssertionError(f"{content!r}, {phase}") from error


@by_name
@given(content=st.binary(max_size=80))
@example(content=b"the/D cat/N")
@quick
def test_any_bytes(case, content, tmp_path):
    file = tmp_path / f"a.{case.ending}"
    file.write_bytes(content)
    for phase in PHASES:
        attempt(case, file, phase)


CELLS = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("the cat\t\r\v\f\x1c\x85\u2028\ufeff\"'\\我[]")))


@by_name
@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=5))
@quick
def test_any_rows_under_the_right_header(case, rows, tmp_path):
    header = case.content.split(b"\n")[0] + b"\n" if case.ending == "tsv" else b""
    text = "".join("\t".join(row) + "\n" for row in rows)
    file = tmp_path / f"a.{case.ending}"
    file.write_bytes(header + text.encode("utf-8", "replace"))
    for phase in PHASES:
        attempt(case, file, phase)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), CELLS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["data", "paragraphs", "context", "qas", "id", "question", "answers", "text", "label",
                             "answer_start", "is_impossible", "text_a", "text_b"]),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize("case", [case for case in CASES if "json" in case.ending], ids=lambda case: case.reader)
@given(found=st.lists(JSON, min_size=1, max_size=3))
@quick
def test_any_json(case, found, tmp_path):
    import json

    file = tmp_path / f"a.{case.ending}"
    if case.ending == "json":
        file.write_text(json.dumps(found[0]), encoding="utf-8")
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    for phase in PHASES:
        attempt(case, file, phase)
