"""Inputs and outputs of the encoders, under the names of the manual."""

from palm.spec import Spec, Specs

ENCODER_INPUTS: Specs = {
    "token_ids": Spec("batch seq", "int64"),
    "position_ids": Spec("batch seq", "int64"),
    "segment_ids": Spec("batch seq", "int64"),
    "input_mask": Spec("batch seq", "float32"),
}

ONE_SEGMENT_INPUTS: Specs = {name: spec for name, spec in ENCODER_INPUTS.items() if name != "segment_ids"}
"""Those of encoders that do not tell the texts of a pair by segments."""

TASK_IDS: Specs = {"task_ids": Spec("batch seq", "int64")}

ENCODER_OUTPUTS: Specs = {
    "word_embedding": Spec("batch seq emb", "float32"),
    "embedding_table": Spec("vocab emb", "float32"),
    "encoder_outputs": Spec("batch seq hidden", "float32"),
    "sentence_embedding": Spec("batch hidden", "float32"),
    "sentence_pair_embedding": Spec("batch hidden", "float32"),
}
