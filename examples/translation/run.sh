#!/usr/bin/env bash
# Write the corpus, train, show translations. Any key may follow: bash run.sh --num_beams 1 --num_epochs 2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python}
"$python" make_data.py --out data
"$python" run.py "$@"
