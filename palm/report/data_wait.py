"""Which share of the steps' time was spent waiting for batches."""

from dataclasses import dataclass, field

from palm.engine.run import StepResult

# More than this share of a run, and more seconds than these, are worth a word.
_MOST_SHARE, _MOST_SECONDS = 0.05, 1.0


@dataclass
class _Sum:
    waited: float = 0.0
    seconds: float = 0.0

    @property
    def share(self) -> float:
        return self.waited / self.seconds if self.seconds else 0.0


@dataclass
class DataWait:
    """Adds up what the steps of a run waited."""

    _all: _Sum = field(default_factory=_Sum)
    _latest: _Sum = field(default_factory=_Sum)

    def add(self, result: StepResult) -> None:
        """Count one step."""
        for part in (self._all, self._latest):
            part.waited += result.data_wait
            part.seconds += result.seconds

    @property
    def share(self) -> float:
        """The share of all steps so far."""
        return self._all.share

    @property
    def is_too_much(self) -> bool:
        """Whether people should know."""
        return self._all.share > _MOST_SHARE and self._all.waited > _MOST_SECONDS

    def share_since_last(self) -> float:
        """The share of the steps since this was last asked."""
        share, self._latest = self._latest.share, _Sum()
        return share
