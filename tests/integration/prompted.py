"""A paradigm with prompt parameters: a transform of the encoder's vector, adapters in it, and a layer of labels."""

from typing import TYPE_CHECKING, ClassVar, final

from palm.paradigm.base import Paradigm
from palm.paradigm.decoding import decode_classes, split_logits
from palm.paradigm.losses import mean_cross_entropy
from palm.schema.prompt_training import PromptTrainingFields
from palm.spec import Spec

if TYPE_CHECKING:
    from paddle import nn

NAME = "prompted"


@final
class Prompted(Paradigm):
    Config: ClassVar = PromptTrainingFields
    prompt_parameters = ("task_adapters.", "label_layer.")
    default_metrics = ("accuracy",)

    def reader_inputs(self, phase):
        return {} if phase == "predict" else {"label_ids": Spec("batch", "int64")}

    def backbone_inputs(self):
        return {"sentence_embedding": Spec("batch hidden", "float32")}

    def outputs_attr(self, phase):
        return {"logits": Spec("batch class", "float32")}

    def head_shape(self, backbone):
        return (NAME, backbone.hidden_size, len(self.labels))

    def build_layers(self, backbone) -> "nn.Layer":
        from paddle import nn

        layers = nn.Layer()
        layers.transform = nn.Linear(backbone.hidden_size, backbone.hidden_size)
        layers.layer_norm = nn.LayerNorm(backbone.hidden_size)
        layers.label_layer = nn.Linear(backbone.hidden_size, len(self.labels))
        return layers

    def forward(self, layers, inputs, phase):
        from paddle.nn import functional

        from palm.kernels import plain
        from palm.kernels.batch_position import sequences_before

        dropout = self.config.dropout_prob if phase == "train" else 0.0
        features = plain.dropout(inputs["sentence_embedding"], dropout, before=sequences_before())
        features = layers.layer_norm(functional.tanh(layers.transform(features)))
        return {"logits": layers.label_layer(features)}

    def loss(self, outputs, inputs):
        return mean_cross_entropy(outputs["logits"], inputs["label_ids"])

    def split(self, outputs, batch):
        return split_logits(outputs)

    def decode(self, outputs, dataset):
        return decode_classes(outputs, dataset, self.labels)


@final
class PromptedWithoutAny(Paradigm):
    """The same with prompt parameters that no head has, as for a template without soft vectors."""

    Config: ClassVar = PromptTrainingFields
    prompt_parameters = ("soft_prompt.",)
    default_metrics = ("accuracy",)
    reader_inputs = Prompted.reader_inputs
    backbone_inputs = Prompted.backbone_inputs
    outputs_attr = Prompted.outputs_attr
    head_shape = Prompted.head_shape
    build_layers = Prompted.build_layers
    forward = Prompted.forward
    loss = Prompted.loss
    split = Prompted.split
    decode = Prompted.decode

    @property
    def compares_examples(self):
        return "use_rgl"
