"""What integration tests use."""

import pytest

from palm.kernels.precision import ChosenPrecision, choose_precision
from palm.training import run


@pytest.fixture(autouse=True)
def _float32_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process whose `amp` is `auto` compute in float32: their numbers are those of any processor.

    Processes that tests start are not affected; tests/integration/test_amp_auto.py is about `auto`.
    """

    def chosen(amp: str, **keys: str) -> ChosenPrecision:
        return choose_precision("off" if amp == "auto" else amp, **keys)

    monkeypatch.setattr(run, "choose_precision", chosen)
