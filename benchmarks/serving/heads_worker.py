"""A worker that predicts texts with some heads of a run's model, or with a model for each. A lap is all texts.

Settings: `run`, `tasks`, `file`, `runtime`, `precision`, and `separate`: each task's own model instead of the run's.
"""

from pathlib import Path
from typing import Any

from benchmarks.serving.text_laps import Predict, run_laps


def build(settings: dict[str, Any]) -> Predict:
    """What predicts all texts.

    Raises:
        SystemExit: The run has no model with all heads.
    """
    import palm  # noqa: PLC0415 (stdout belongs to the pace by now)
    from palm.inference.exported import run_model  # noqa: PLC0415

    run, tasks = Path(settings["run"]), settings["tasks"]
    keys = {"precision": settings["precision"], "allow_unmeasured": settings["precision"] == "int8"}
    if settings["separate"]:
        models = [palm.Predictor(run / task / "infer_model", **keys) for task in tasks]
        return lambda texts: [model.predict_rows(texts) for model in models]
    if run_model(run) is None:
        raise SystemExit(f"{run}: no model with the heads of all tasks; this version of PALM writes none")
    together = palm.load(run, tasks=tasks, runtime=settings["runtime"], **keys)
    return lambda texts: together(texts)


if __name__ == "__main__":
    run_laps(build)
