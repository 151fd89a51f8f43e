#!/usr/bin/env bash
# 训练三个任务并展示预测；编码器在第一次运行时自动下载。可追加任意配置项：bash run.sh --num_epochs 2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python}
"$python" run.py "$@"
