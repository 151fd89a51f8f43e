#!/usr/bin/env bash
# Generate texts, train, show predictions. Any key may follow: bash run.sh --span_scorer biaffine --num_epochs 12
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python}
"$python" make_data.py --out data
"$python" run.py "$@"
