#!/usr/bin/env bash
# Train, evaluate and annotate. Any key may follow: bash run.sh --num_epochs 20
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python}
"$python" run.py "$@"
