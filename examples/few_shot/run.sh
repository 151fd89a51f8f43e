#!/usr/bin/env bash
# bash run.sh DATA [--model_name_or_path ENCODER …]     DATA: a folder of train.txt, dev.txt, test.txt, data.txt, label.txt.
set -euo pipefail
if [ $# -lt 1 ]; then
  echo "usage: bash run.sh DATA [arguments of train.py]    (DATA: a folder of train.txt, dev.txt, test.txt, data.txt and label.txt)" >&2
  exit 2
fi
home="$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python}
"$python" "$home/train.py" --data_dir "$1" --output_dir ./checkpoints/ --prompt "这条新闻标题的主题是" --max_seq_length 128 \
  --learning_rate 3e-5 --ppt_learning_rate 3e-4 --do_train --do_eval --do_predict --do_export --max_steps 1000 --eval_steps 100 \
  --logging_steps 10 --per_device_eval_batch_size 32 --per_device_train_batch_size 32 "${@:2}"
"$python" "$home/infer.py" --model_path_prefix checkpoints/export/model --data_dir "$1" --batch_size 32 --device cpu
