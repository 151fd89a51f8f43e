"""`palm convert`: convert a model from one format into another."""

import argparse
import sys
from pathlib import Path
from typing import Any

EPILOG = """example:
  palm convert google-bert/bert-base-uncased bert-palm          Hugging Face → PALM (a downloaded folder)
  palm convert output_model/intent/infer_model intent-hf        a model trained by PALM → transformers
  palm convert bert-palm bert-again                             PALM → Hugging Face, bit-identical to the original
  palm convert ernie_v1_zh/params ernie-hf --to hf              Paddle 1.x → Hugging Face
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "convert",
        help="convert a model between Hugging Face, PALM and Paddle",
        description="Convert an encoder (BERT, ERNIE, RoBERTa, XLM-R, CamemBERT, ELECTRA, DistilBERT, MPNet, ALBERT, "
        "ModernBERT, DeBERTa) between a Hugging Face folder and a PALM folder, or from .bin, .pdparams and Paddle 1.x "
        "params folders into either.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "source",
        type=Path,
        help="Hugging Face or PALM folder, inference model, .bin, .pdparams, Paddle 1.x params folder",
    )
    parser.add_argument("target", type=Path, help="folder to write")
    parser.add_argument(
        "--to",
        choices=("palm", "hf"),
        help="format to write (default: hf for a model that PALM wrote, else palm)",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    del overrides  # the command reads no configuration
    from palm.pretrained.convert_from import is_palm_model, read_encoder  # noqa: PLC0415 (numpy; `palm --help` is quick)
    from palm.pretrained.convert_to import write_hugging_face, write_palm  # noqa: PLC0415

    encoder = read_encoder(args.source)
    to = args.to or ("hf" if is_palm_model(args.source) else "palm")
    (write_hugging_face if to == "hf" else write_palm)(encoder, args.target)
    head = f" and its head ({encoder.head.paradigm})" if encoder.head and to == "hf" else ""
    form = "Hugging Face" if to == "hf" else "PALM"
    sys.stdout.write(
        f"{args.target.as_posix()}: {form} folder, {len(encoder.tensors)} tensors of a {encoder.backbone}{head}.\n"
    )
    if encoder.left_out and encoder.origin is None:
        sys.stdout.write(f"  skipped, since they do not belong to an encoder: {', '.join(encoder.left_out[:8])}\n")
    return 0
