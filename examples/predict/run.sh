#!/usr/bin/env bash
# bash run.sh MODEL FILE     MODEL: an exported folder; FILE: rows to predict.
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: bash run.sh MODEL FILE    (MODEL: an exported model, FILE: rows to predict)" >&2
  exit 2
fi
"${PYTHON:-python}" "$(dirname "${BASH_SOURCE[0]}")/run.py" --model "$1" --data "$2" "${@:3}"
