"""A worker that predicts texts with some heads of a run's model, or with a model for each. A lap is all texts.

Settings: `run`, `tasks`, `file`, `runtime`, `precision`, and `separate`: each task's own model instead of the run's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.serving.models import texts_of
from benchmarks.speed.worker import Pace


def build(settings: dict[str, Any]) -> Callable[[list[str]], object]:
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


def main() -> None:
    pace = Pace.of_process()
    predict = build(pace.settings)
    texts = texts_of(Path(pace.settings["file"]))
    predict(texts[:8])
    pace.ready()
    while True:
        predict(texts)
        pace.lap(len(texts))


if __name__ == "__main__":
    main()
