"""Which libraries of kernels lie in a folder, and whether they are of the sources beside them."""

import re
import shutil
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from palm.kernels.fused import library
from palm.kernels.fused.built import (
    FLAGS_OF_LEVEL,
    FOLDER,
    OPTIONS_OF_LEVEL,
    SOURCES,
    best_level,
    find_library,
    levels_here,
    sources_digest,
)

BUILT = [level for level in OPTIONS_OF_LEVEL if find_library(level)]
needs_libraries = pytest.mark.skipif(not BUILT, reason="the C kernels were not built")


def test_each_level_says_what_it_is_compiled_with_and_what_it_needs():
    assert list(OPTIONS_OF_LEVEL) == list(FLAGS_OF_LEVEL)
    for level, options in OPTIONS_OF_LEVEL.items():
        sets = {re.sub(r"\W|_", "", option[2:]) for option in options if not option.startswith("-mprefer")}
        assert sets == {flag.replace("_", "") for flag in FLAGS_OF_LEVEL[level]}, level


def test_the_best_built_level_that_the_processor_runs_is_taken(monkeypatch):
    built = ["_amx", "_avx2", "_base"]
    monkeypatch.setattr("palm.kernels.fused.built.built_levels", lambda: built)
    everything = FLAGS_OF_LEVEL["_avx512"] | {"avx2"}
    assert best_level(everything) == "_avx2"
    assert best_level({"avx2", "sse2"}) == "_base"
    built.insert(1, "_avx512")
    assert best_level(everything) == "_avx512"
    built.clear()
    assert best_level(everything) == "_base"


def test_other_processors_have_one_level(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert levels_here() == {"_base": ()}


def test_every_c_file_is_compiled():
    assert {file.name for file in FOLDER.glob("*.c")} == set(SOURCES)


@needs_libraries
@pytest.mark.parametrize("level", BUILT)
def test_what_was_built_here_is_of_these_sources(level):
    built = find_library(level)
    assert built.file.name == f"{level}.so", "built before PALM 1.0: run python setup.py build_ext --inplace"
    assert built.sources == sources_digest()
    assert not built.is_stale


def test_the_digest_depends_on_every_source_and_header(tmp_path):
    copies = tmp_path / "fused"
    shutil.copytree(FOLDER, copies, ignore=shutil.ignore_patterns("*.so", "*.py", "__pycache__"))
    digests = {sources_digest(copies)}
    assert digests == {sources_digest()}
    for file in (*copies.glob("*.c"), *copies.glob("*.h")):
        file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        sources_digest.cache_clear()
        digests.add(sources_digest(copies))
    assert len(digests) == 1 + len([*copies.glob("*.c"), *copies.glob("*.h")])


def test_the_name_of_today_goes_before_those_with_a_version_of_python(tmp_path):
    assert find_library("_avx2", tmp_path) is None
    earlier = tmp_path / f"_avx2{EXTENSION_SUFFIXES[0]}"
    earlier.write_bytes(b"machine code")
    found = find_library("_avx2", tmp_path)
    assert (found.file, found.sources, found.is_stale) == (earlier, None, False)
    (tmp_path / "_avx2.so").write_bytes(b"\0palm-sources:0123456789abcdef\0")
    found = find_library("_avx2", tmp_path)
    assert (found.file.name, found.sources, found.is_stale) == ("_avx2.so", "0123456789abcdef", True)


@needs_libraries
def test_a_library_of_other_sources_is_refused(monkeypatch, tmp_path: Path):
    level = BUILT[-1]
    data = find_library(level).file.read_bytes()
    (tmp_path / f"{level}.so").write_bytes(data.replace(sources_digest().encode(), b"0123456789abcdef"))
    monkeypatch.setattr(library, "find_library", lambda name: find_library(name, tmp_path))
    with pytest.raises(
        library.KernelsUnavailableError, match=rf"{level}\.so was built from other sources .* setup\.py"
    ):
        library._load(level)


def test_where_there_is_none_the_reason_names_the_system(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(library, "find_library", lambda name: find_library(name, tmp_path))
    with pytest.raises(library.KernelsUnavailableError, match="this installation has none; the wheels for Linux"):
        library._load("_base")
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(library.KernelsUnavailableError, match="they are built for Linux only"):
        library._load("_base")
