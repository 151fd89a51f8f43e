import pytest

from palm.errors import RegistryError
from palm.tracking import TRACKERS, Started, Tracker


class Notebook(Tracker):
    """A tracker whose package is installed."""

    package, extra = "json", "notebook"

    def start(self, run):
        return Started("Notebook: open")

    def log(self, scalars, global_step):
        pass

    def finish(self, outcome):
        pass


def test_what_is_no_tracker_is_refused():
    with pytest.raises(RegistryError, match="a class that extends `Tracker` is expected"):
        TRACKERS.register("own")(dict)


def test_whether_a_tracker_is_installed():
    assert Notebook.is_installed()
    Notebook.package = "no_such_package.at_all"
    assert not Notebook.is_installed()
