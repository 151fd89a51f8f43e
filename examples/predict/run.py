"""Predict with only an exported model: no configuration, no training files.

python run.py --model ../quickstart/output_model/intent/infer_model --data ../../data/travel/en/intent/test.tsv
"""

import argparse
import json
from pathlib import Path

import palm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="an exported model, of any task")
    parser.add_argument("--data", type=Path, required=True, help="the file to predict; gold columns are not needed")
    parser.add_argument("--out", type=Path, default=Path("output_model"), help="folder for predictions.json")
    args = parser.parse_args()

    predictor = palm.Predictor(args.model)
    predictions = predictor.predict(args.data)
    args.out.mkdir(parents=True, exist_ok=True)
    with (args.out / "predictions.json").open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in predictions)
    for row in predictions[:5]:
        shown = {key: value for key, value in row.items() if key not in ("logits", "nbest")}
        print(json.dumps(shown, ensure_ascii=False))
    print(f"{len(predictions)} predictions in {args.out / 'predictions.json'}")


if __name__ == "__main__":
    main()
