#!/usr/bin/env bash
# Train with two callbacks. Any key may follow: bash run.sh --num_epochs 2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python}
"$python" run.py "$@"
