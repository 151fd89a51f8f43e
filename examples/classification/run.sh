#!/usr/bin/env bash
# bash run.sh DIR     DIR: sst2, from palm download --data sst2. Options of run.py may follow.
set -euo pipefail
if [ $# -eq 0 ]; then
  echo "usage: bash run.sh DIR [options of run.py]    (DIR: sst2, from palm download --data sst2)" >&2
  exit 2
fi
data=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python}
"$python" -m palm download minilm-l6-en --to ../../pretrain
"$python" run.py --data "$data" "${@:2}"
