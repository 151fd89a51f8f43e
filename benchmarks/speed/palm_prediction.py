"""A worker that predicts a file with an exported model, as `palm pred --model` does. A lap is the whole file.

Settings: `folder` of the inference model, `file`.
"""

from benchmarks.speed.worker import Pace


def main() -> None:
    pace = Pace.of_process()
    import palm  # noqa: PLC0415 (stdout belongs to the pace by now)

    predictor = palm.Predictor(pace.settings["folder"])
    pace.ready()
    while True:
        predictions = predictor.predict(pace.settings["file"])
        pace.lap(len(predictions))


if __name__ == "__main__":
    main()
