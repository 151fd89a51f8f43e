#!/usr/bin/env bash
# bash run.sh         download MiniLM and train on it, then predict
# bash run.sh tiny    the same on a small encoder with random weights: no download, for a CPU
# Any key may follow: bash run.sh tiny --num_epochs 2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python}
if [ "${1:-}" = tiny ]; then
  "$python" -m palm train config_tiny.yaml --task_dir tasks "${@:2}"
  "$python" -m palm pred config_tiny.yaml mrqa --task_dir tasks "${@:2}"
else
  "$python" -m palm download minilm-l6-en --to ../../pretrain
  "$python" run.py "$@"
fi
