#!/usr/bin/env bash
# bash run.sh DIR     DIR: data/atis of github.com/monologg/JointBERT. Any key may follow: bash run.sh DIR --num_epochs 2
set -euo pipefail
if [ $# -eq 0 ]; then
  echo "usage: bash run.sh DIR [--key value …]    (DIR: data/atis of github.com/monologg/JointBERT)" >&2
  exit 2
fi
data=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python}
"$python" -m palm download minilm-l6-en --to ../../pretrain
"$python" prepare.py --data "$data" --out data
"$python" run.py "${@:2}"
"$python" score.py
