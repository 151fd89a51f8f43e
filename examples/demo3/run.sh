#!/usr/bin/env bash
# bash run.sh         download MiniLM and train on it
# bash run.sh tiny    train a small encoder from random weights: no download, for a CPU
# Any key may follow: bash run.sh tiny --num_epochs 2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python}
if [ "${1:-}" = tiny ]; then
  "$python" -m palm train config_tiny.yaml --task_dir tasks "${@:2}"
else
  "$python" -m palm download minilm-l6-en --to ../../pretrain
  "$python" run.py "$@"
fi
