#!/usr/bin/env bash
# Download MiniLM, train three tasks, show predictions. Any key may follow: bash run.sh --num_epochs 2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python}
"$python" -m palm download minilm-l6-en --to ../../pretrain
"$python" run.py "$@"
