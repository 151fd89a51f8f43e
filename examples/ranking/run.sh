#!/usr/bin/env bash
# Generate lists, train, show predictions. Any key may follow: bash run.sh --rank_loss margin --num_epochs 8
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python}
"$python" make_data.py --out data
"$python" run.py "$@"
