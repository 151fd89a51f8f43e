from pathlib import Path

import pytest

from benchmarks.speed.lineup import EAGER, FUSED, MEDIUM, PALM_BF16, PLAIN, TORCH_BF16, TUNED, Lineup


def lineup(**keys):
    given = {"tcmalloc": None, "bf16": False, "only": (), **keys}
    return Lineup(model=Path("model"), peers=Path("peers/bin/python"), threads=2, **given)


def by_name(one):
    return {participant.name: participant for participant in one.usual({"seed": 1}, {"seed": 1})}


def test_kernels_and_precision_follow_the_name():
    found = by_name(lineup(bf16=True))

    assert list(found) == [FUSED, PLAIN, PALM_BF16, EAGER, TUNED, MEDIUM, TORCH_BF16]
    assert found[FUSED].settings == {"config": {"seed": 1, "kernels": "fused", "amp": "off"}}
    assert found[PLAIN].settings == {"config": {"seed": 1, "kernels": "plain", "amp": "off"}}
    assert found[PALM_BF16].settings == {"config": {"seed": 1, "kernels": "fused", "amp": "bf16"}}
    assert found[EAGER].settings == {"seed": 1, "matmul": "highest", "bf16": False}
    assert found[TUNED].settings == {"seed": 1, "matmul": "highest", "bf16": False}
    assert found[MEDIUM].settings == {"seed": 1, "matmul": "medium", "bf16": False}
    assert found[TORCH_BF16].settings == {"seed": 1, "matmul": "medium", "bf16": True}


def test_bf16_runs_only_where_the_processor_has_it():
    assert list(by_name(lineup())) == [FUSED, PLAIN, EAGER, TUNED]


def test_settings_of_the_shell_are_not_inherited(monkeypatch):
    for name in ("LD_PRELOAD", "MKL_DEBUG_CPU_TYPE", "KMP_BLOCKTIME", "PALM_CACHE"):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")

    for participant in by_name(lineup()).values():
        assert "mine" not in participant.environment.values()
        assert participant.environment["OMP_NUM_THREADS"] == "2"
        assert participant.environment["PALM_CACHE_LIMIT"] == "0"


def test_tuned_peers_have_tcmalloc_or_a_tuned_malloc():
    with_it, without = by_name(lineup(tcmalloc=Path("libtcmalloc.so"))), by_name(lineup())

    assert with_it[TUNED].environment["LD_PRELOAD"] == "libtcmalloc.so"
    assert "LD_PRELOAD" not in with_it[EAGER].environment
    assert without[TUNED].environment["MALLOC_MMAP_MAX_"] == "0"
    assert "MALLOC_MMAP_MAX_" not in without[EAGER].environment


def test_only_keeps_what_it_names_and_says_what_there_is():
    everybody = lineup().usual({}, {})

    assert [one.name for one in lineup(only=[PLAIN]).kept(everybody)] == [PLAIN]
    with pytest.raises(SystemExit, match=r"`PALM float32`, `PALM plain`.* Found PALM, torch"):
        lineup(only=["PALM", "torch"]).kept(everybody)
