import pytest

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

import vl_convert

from palm.report.page import VEGA_LITE
from palm.report.search_charts import key_charts, trials_chart
from palm.schema.search_results import SearchResults
from tests.unit.report.searched import a_search


def test_vega_draws_the_charts():
    found = SearchResults.model_validate(a_search())
    for chart in [trials_chart(found), *key_charts(found)]:
        picture = vl_convert.vegalite_to_svg({**chart.spec, "width": 300}, vl_version=VEGA_LITE)
        assert picture.count('aria-roledescription="point"') >= 11


def test_names_of_keys_are_data_and_never_names_of_fields():
    content = a_search()
    odd = "tasks.a.b[0] 'c'.batch_size"
    content["search"] = {odd: {"choices": [1, 2]}}
    for trial in content["trials"]:
        trial["values"] = {odd: 1}
    (chart,) = key_charts(SearchResults.model_validate(content))
    fields = {
        channel["field"]
        for layer in chart.spec["layer"]
        for channel in layer["encoding"].values()
        if isinstance(channel, dict) and "field" in channel
    }
    assert fields <= {"n", "s", "v", "x"}
