"""Write the travel requests of this repository as a parallel corpus: pairs of text files, as OPUS and WMT have them.

    python make_data.py --out data

Line n of train.en is the source of line n of train.zh; the same for dev and test.
"""

import argparse
import csv
from pathlib import Path

CORPUS = Path(__file__).resolve().parents[2] / "data" / "travel" / "en_zh" / "translation"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder to write to (default: data)")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for split in ("train", "dev", "test"):
        with (CORPUS / f"{split}.tsv").open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
        for language in ("en", "zh"):
            text = "".join(f"{row[language]}\n" for row in rows)
            (out / f"{split}.{language}").write_text(text, encoding="utf-8")
        print(f"{split}: {len(rows)} pairs")


if __name__ == "__main__":
    main()
