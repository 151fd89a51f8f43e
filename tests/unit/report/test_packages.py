import sys

import pytest

from palm.errors import ConfigError
from palm.report.packages import NEEDED, check_report_packages, report_package


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_package_is_named_with_what_to_do(monkeypatch, name):
    for each in NEEDED[: NEEDED.index(name)]:
        monkeypatch.setitem(sys.modules, each, sys)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError) as caught:
        check_report_packages()
    assert f"a report is made with the package {name}. Found none" in str(caught.value)
    assert str(caught.value).endswith('Install it: pip install "paddle-palm[report]"')


def test_a_package_that_is_there():
    assert report_package("json").dumps({}) == "{}"
