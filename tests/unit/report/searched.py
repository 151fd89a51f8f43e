"""A search for the tests of its section: as tune.json has it."""

import math

SEARCH = {
    "learning_rate": {"low": 1e-5, "high": 5e-4, "log": True, "step": None},
    "num_epochs": {"low": 2, "high": 6, "log": False, "step": None},
    "tasks.意图.batch_size": {"choices": [16, 32, None]},
}


def a_trial(number, state="complete", **more):
    rate = 1e-5 * 50 ** ((number * 7 % 20) / 20)
    score = round(0.9 - 0.05 * abs(math.log10(rate / 1e-4)) + number % 3 / 100, 4)
    trial = {
        "number": number,
        "state": state,
        "values": {
            "learning_rate": rate,
            "num_epochs": 2 + number % 5,
            "tasks.意图.batch_size": [16, 32, None][number % 3],
        },
        "folder": f"trial_{number}",
        "score": score if state == "complete" else None,
        "scores": [score] if state == "complete" else [],
        "best_step": None if state == "failed" else 10 * number,
        "evaluations": [] if state == "failed" else [[5, 0.5], [10, score - 0.1]],
        "seconds": 12.3,
        "reason": "DataError: there is not enough memory" if state == "failed" else "",
    }
    return {**trial, **more}


def a_search(count=12, *, pruned=(4, 7), failed=(5,), **more):
    states = {**dict.fromkeys(pruned, "pruned"), **dict.fromkeys(failed, "failed")}
    trials = [a_trial(number, states.get(number, "complete")) for number in range(count)]
    complete = [trial for trial in trials if trial["score"] is not None]
    best = max(complete, key=lambda trial: trial["score"])["number"] if complete else None
    facts = {"version": 1, "metric": "mean of 意图 + two", "direction": "maximize", "search": SEARCH, "seeds": [1]}
    return {**facts, "best": best, "best_config": "best.yaml", "trials": trials, **more}
