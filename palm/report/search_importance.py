"""How much each searched key matters for the values of the trials, by Optuna's fANOVA."""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from palm.schema.search_results import SearchRange, SearchResults, SearchValue

LEAST_TRIALS = 8
"""Complete trials from which on it says anything."""


def importances(results: SearchResults) -> Mapping[str, float] | None:
    """The fraction of the variance of values that each key explains, the greatest first (Hutter et al., ICML 2014).

    None where Optuna is not installed, trials are too few, or they all have one value.
    """
    keys = [key for key, searched in results.search.items() if searched.choices is None or len(searched.choices) > 1]
    complete = [each for each in results.trials if each.score is not None and set(keys) <= set(each.values)]
    differ = len({each.score for each in complete}) > 1
    if find_spec("optuna") is None or len(complete) < LEAST_TRIALS or len(keys) < 2 or not differ:
        return None
    import optuna  # noqa: PLC0415 (an extra)

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    ranges = {key: _distribution(optuna, results.search[key]) for key in keys}
    study = optuna.create_study(direction=results.direction)
    for each in complete:
        values = {key: _value(results.search[key], each.values[key]) for key in keys}
        study.add_trial(optuna.trial.create_trial(params=values, distributions=ranges, value=each.score))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found: dict[str, float] = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return found


def _distribution(optuna: Any, searched: SearchRange) -> Any:  # noqa: ANN401 (a module and what it has)
    if searched.choices is not None:
        return optuna.distributions.CategoricalDistribution([json.dumps(each) for each in searched.choices])
    return optuna.distributions.FloatDistribution(searched.low, searched.high, log=searched.log)


def _value(searched: SearchRange, value: SearchValue) -> object:
    return json.dumps(value) if searched.choices is not None else value
