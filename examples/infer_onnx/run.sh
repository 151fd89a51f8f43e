#!/usr/bin/env bash
# bash run.sh EXPORTED TASK ROWS     EXPORTED: what palm export --to onnx wrote; ROWS: one JSON object a line.
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: bash run.sh EXPORTED TASK ROWS    (EXPORTED: what palm export --to onnx wrote)" >&2
  exit 2
fi
"${PYTHON:-python}" "$(dirname "${BASH_SOURCE[0]}")/run.py" "$@"
