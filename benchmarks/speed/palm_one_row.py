"""A worker that predicts one text with an exported model, again and again. A lap is one call.

Settings: `folder` of the inference model, `text`, `precision`.
"""

from benchmarks.speed.worker import Pace


def main() -> None:
    pace = Pace.of_process()
    import palm  # noqa: PLC0415 (stdout belongs to the pace by now)

    precision = pace.settings["precision"]
    predictor = palm.Predictor(pace.settings["folder"], precision=precision, allow_unmeasured=True)
    text = pace.settings["text"]
    pace.ready()
    while True:
        pace.lap(len(predictor([text])))


if __name__ == "__main__":
    main()
