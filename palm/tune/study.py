"""The search itself, by Optuna: which values come next, which trials are pruned, all of it kept in a file."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, final

from palm.errors import CheckpointError, ConfigError, Problem
from palm.training.signals import StopSignals
from palm.tune.plan import TunePlan
from palm.tune.results import TrialRecord
from palm.tune.space import SearchedKey, Value, plain_space, shown_value
from palm.tune.trial import TrialResult, remove_models, run_trial, trial_folder

STUDY_FILE = "study.journal"

_NAME = "palm"
_RESULT, _STOPPED, _TAKEN = "result", "stopped", "taken again"
_SPACE, _KEYS = "search", "keys"
_BEFORE_PRUNING = 4
"""Trials that end before others are pruned: a median of fewer says little."""


def optuna_or_refuse() -> Any:  # noqa: ANN401 (a module)
    """Optuna, without its own log lines.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import optuna  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError:
        advice = 'pip install "paddle-palm[tune]"'
        raise ConfigError(Problem("palm tune", f"it needs the package `optuna`. Found none. {advice}.")) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


@final
class Study:
    """The trials of a search, in a file of its folder.

    Args:
        plan: The search.
        resume: Whether to continue the one in the folder.
        prune: Whether trials that are worse than the median at the same evaluation are ended.
        keep_models: Whether all trials keep models and checkpoints, and not only the best one.

    Raises:
        ConfigError: Optuna is not installed, or there is a study and none is to be continued, or another one.
        CheckpointError: The file cannot be read.
    """

    def __init__(self, plan: TunePlan, *, resume: bool, prune: bool, keep_models: bool) -> None:
        self._optuna = optuna_or_refuse()
        self._plan = plan
        self._keep_models = keep_models
        file = plan.folder / STUDY_FILE
        found = file.is_file()
        if found and not resume:
            rule = "save_path holds a search, which a new one would mix with."
            raise ConfigError(Problem(str(file), f"{rule} Continue it with --resume, or choose another save_path."))
        plan.folder.mkdir(parents=True, exist_ok=True)
        self._study = self._open(file, prune=prune)
        if found:
            self._check_same(file)
            self._take_again()
        else:
            self._study.set_user_attr(_SPACE, plain_space(plan.space))
            self._study.set_user_attr(_KEYS, _comparable(plan))
            own = plan.own_values()
            if own is not None:
                self._study.enqueue_trial(self._encoded(own))

    def _open(self, file: Path, *, prune: bool) -> Any:  # noqa: ANN401 (Optuna's study)
        from optuna.storages import JournalStorage  # noqa: PLC0415 (as above)
        from optuna.storages.journal import JournalFileBackend  # noqa: PLC0415

        optuna = self._optuna
        median = optuna.pruners.MedianPruner(n_startup_trials=_BEFORE_PRUNING)
        try:
            study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(file))),
                pruner=median if prune else optuna.pruners.NopPruner(),
                direction="minimize" if self._plan.objective.falls else "maximize",
                study_name=_NAME,
                load_if_exists=True,
            )
            # Another seed after each start: the same one would suggest the first values again.
            study.sampler = optuna.samplers.TPESampler(seed=self._plan.seeds[0] + len(study.trials))
        except (ValueError, KeyError, OSError) as error:  # what its reader raises for a damaged file
            rule = "the file of a search is one that Optuna can read"
            raise CheckpointError(f"{file}: {rule}. Found: {error}. Choose another save_path.") from error
        return study

    def _check_same(self, file: Path) -> None:
        """Refuse to continue a search over other keys, or of another configuration."""
        kept = self._study.user_attrs
        if kept.get(_SPACE) != json.loads(json.dumps(plain_space(self._plan.space))):
            rule = "a search continues over the keys and values that it began with."
            raise ConfigError(Problem(str(file), f"{rule} Found another `search:`. Choose another save_path."))
        before, now = kept.get(_KEYS, {}), json.loads(json.dumps(_comparable(self._plan), default=str))
        changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        if changed:
            rule = "a search continues with the configuration that it began with."
            raise ConfigError(
                Problem(str(file), f"{rule} Found others of {', '.join(changed)}. Choose another save_path.")
            )

    def _take_again(self) -> None:
        """Queue the values of trials that were stopped, or whose process died."""
        state = self._optuna.trial.TrialState
        for trial in self._study.get_trials(deepcopy=False):
            died = trial.state == state.RUNNING
            if died:
                self._study.tell(trial.number, state=state.FAIL)
            stopped = trial.user_attrs.get(_STOPPED, False)
            if trial.params and (died or stopped) and trial.number not in self._study.user_attrs.get(_TAKEN, []):
                self._study.enqueue_trial(trial.params)
                taken = [*self._study.user_attrs.get(_TAKEN, []), trial.number]
                self._study.set_user_attr(_TAKEN, taken)

    def run(self, trials: int, say: Callable[[str], None]) -> None:
        """Run trials until there are `trials` that have ended, those of before included.

        Args:
            trials: The number of trials.
            say: Called with one line per trial.

        Raises:
            KeyboardInterrupt: Ctrl-C; what has ended is kept.
            SystemExit: SIGTERM.
        """
        with StopSignals() as signals:
            while len(self.records()) < trials:
                if signals.received:
                    signals.stop()
                self._run_next(trials, say)

    def _run_next(self, trials: int, say: Callable[[str], None]) -> None:
        state = self._optuna.trial.TrialState
        trial = self._study.ask()
        values = {each.key: self._suggest(trial, each) for each in self._plan.space}

        def report(evaluation: int, value: float) -> bool:
            trial.report(value, evaluation)
            return bool(trial.should_prune())

        try:
            result = run_trial(self._plan, trial.number, values, report)
        except BaseException:
            trial.set_user_attr(_STOPPED, True)
            self._study.tell(trial, state=state.FAIL)
            raise
        trial.set_user_attr(_RESULT, vars(result))
        if result.score is not None:
            self._study.tell(trial, result.score)
        else:
            self._study.tell(trial, state=state.PRUNED if result.pruned else state.FAIL)
        if not self._keep_models:
            self._keep_best_models()
        say(self._line(trial.number, values, result, trials))

    def _suggest(self, trial: Any, key: SearchedKey) -> Value:  # noqa: ANN401 (Optuna's trial)
        if key.choices:
            return json.loads(trial.suggest_categorical(key.key, [_text(choice) for choice in key.choices]))
        if key.whole:
            return trial.suggest_int(key.key, key.low, key.high, step=int(key.step or 1), log=key.log)
        return trial.suggest_float(key.key, key.low, key.high, step=key.step, log=key.log)

    def _encoded(self, values: dict[str, Value]) -> dict[str, Value]:
        chosen = {each.key for each in self._plan.space if each.choices}
        return {key: _text(value) if key in chosen else value for key, value in values.items()}

    def records(self) -> list[TrialRecord]:
        """The trials that have ended, in their order; none of those that were stopped."""
        return list(self._records())

    def _records(self) -> Iterator[TrialRecord]:
        chosen = {each.key for each in self._plan.space if each.choices}
        for trial in self._study.get_trials(deepcopy=False):
            if _RESULT in trial.user_attrs:
                params = trial.params.items()
                values = {key: json.loads(value) if key in chosen else value for key, value in params}
                yield TrialRecord(trial.number, values, TrialResult(**trial.user_attrs[_RESULT]))

    @property
    def best(self) -> TrialRecord | None:
        """The best trial so far; the first of equal ones."""
        found: TrialRecord | None = None
        for each in self._records():
            score = each.result.score
            if score is not None and self._plan.objective.better(score, found.result.score if found else None):
                found = each
        return found

    def _keep_best_models(self) -> None:
        best = self.best
        for each in self.records():
            if best is None or each.number != best.number:
                remove_models(trial_folder(self._plan, each.number))

    def _line(self, number: int, values: dict[str, Value], result: TrialResult, trials: int) -> str:
        tried = ", ".join(f"{key} {shown_value(value)}" for key, value in values.items())
        best = self.best
        best_so_far = f" (best {best.result.score:.4f}, trial {best.number})" if best else ""
        if result.score is not None:
            outcome = f"{self._plan.objective.name} {result.score:.4f}"
        else:
            outcome = "pruned" if result.pruned else f"failed: {result.reason}"
        return (
            f"[{len(self.records())}/{trials}] trial {number}: {tried}: {outcome}{best_so_far}, {result.seconds:.0f} s"
        )


def _text(choice: Value) -> str:
    return json.dumps(choice, ensure_ascii=False)


def _comparable(plan: TunePlan) -> dict[str, object]:
    """The keys of the configuration that make a difference between trials of two searches."""
    named = {"save_path", "resume", "report_to", "run_name"}
    keys = {key: value for key, value in plan.base.resolved.items() if key not in named}
    return {**keys, "seeds": list(plan.seeds)}
