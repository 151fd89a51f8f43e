"""The multi-task model: one shared backbone, and one head for each group of tasks that share it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from paddle import Tensor, nn

from palm.backbone.adapters import build_parts
from palm.backbone.base import Backbone
from palm.backbone.embeddings import EMBEDDING_SHIFT, SOFT_IDS, SOFT_WORDS
from palm.backbone.scalar_mix import ScalarMix
from palm.backbone.soft_prompt import PrefixVectors, SoftPrompt
from palm.backbone.task_layers import CopiedLayers, OwnLayers, squared_distance
from palm.data.dataset import Batch
from palm.engine.no_grad import without_gradients
from palm.engine.regularizers.rdrop import rdrop_loss
from palm.engine.regularizers.smart import dropout_seed, smart_penalty
from palm.engine.shared_state import seeded
from palm.engine.task_instance import TaskInstance
from palm.paradigm.base import Paradigm
from palm.runtime.device import as_tensors
from palm.spec import Phase

# Keyword of the backbone → name under the head.
_TASK_MODULES = {"mix": "scalar_mix", "parts": "task_adapters"}
_SOFT_PROMPT = "soft_prompt"


def own_layer_name(head: str, name: str) -> str:
    """The name of the backbone's parameter `name` in the own layers of the head `head`."""
    inside = f"heads.{head}.{_TASK_MODULES['parts']}.{OwnLayers.KEPT_AS}."
    return name.replace("backbone.encoder.layers.", inside, 1)


@dataclass(frozen=True)
class LossFactors:
    """The factors of what regularisers add to the mean loss of one process's part of a batch.

    Attributes:
        distance: That of distances of two outputs, whose mean may be over something else than that of the loss.
        penalty: That of what depends on parameters alone.
        examples: That which makes of a mean distance the sum over the whole batch; None: the examples of the part.
    """

    distance: float = 1.0
    penalty: float = 1.0
    examples: float | None = None


WHOLE = LossFactors()
"""Those of a batch that one process has alone."""


class HasHead(Protocol):
    """The attributes of a task that the model needs to build its head."""

    @property
    def head(self) -> str:
        """Key of the head."""

    @property
    def paradigm(self) -> Paradigm:
        """The paradigm that builds it."""


class MultiTaskModel(nn.Layer):
    """Backbone and heads. Parameters are named `backbone.*` and `heads.<key>.*`.

    Args:
        backbone: The encoder that all tasks share.
        tasks: The task instances; a shared head is built by the first one.
        seed: Seed of the initial parameters.

    Attributes:
        encoder: The pre-trained encoder that it started from, with its commit; None if the run names none.
        amp: The precision that it is trained in, and evaluated and predicts in unless told otherwise.
        frozen_encoder: Fingerprint of the model that its encoder is from and stays that of; None if the encoder trains.
    """

    encoder: str | None
    frozen_encoder: str | None
    amp: Literal["off", "bf16"]

    def __init__(self, backbone: Backbone, tasks: Sequence[HasHead], *, seed: int) -> None:
        super().__init__()
        self.encoder = None
        self.frozen_encoder = None
        self.amp = "off"
        self.backbone_config = backbone.config
        self.backbone_inputs = tuple(backbone.inputs_attr())
        self.backbone_outputs = backbone.outputs_attr()
        self.backbone_kind = type(backbone)
        self.backbone_shapes = backbone.shapes()
        with seeded(seed):
            self.backbone = backbone.build_layers()
            self.heads = nn.LayerDict()
            self._paradigms: dict[str, Paradigm] = {}
            for task in tasks:
                if task.head not in self.heads:
                    self._paradigms[task.head] = task.paradigm
                    self.heads[task.head] = self._build_head(task.paradigm)
        self.start_from_encoder()

    def forward(
        self, task: TaskInstance, batch: Batch, phase: Phase, shift: Tensor | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The head's outputs, and its inputs: the batch and the backbone's outputs.

        Args:
            task: The task of the head.
            batch: A batch from its reader.
            phase: Purpose of the pass.
            shift: Perturbation of the word embeddings, float32[batch seq hidden].
        """
        inputs = self.encode(batch, layer=task.settings.layer, head=task.head, shift=shift)
        return task.paradigm.forward(self.heads[task.head], inputs, phase), inputs

    def task_modules(self, head: str) -> dict[str, nn.Layer]:
        """The head's own modules in the encoder: a mix of layers, parts around them, or nothing."""
        found = {name: getattr(self.heads[head], child, None) for name, child in _TASK_MODULES.items()}
        return {name: layer for name, layer in found.items() if layer is not None}

    def has_own_pass(self, head: str) -> bool:
        """Whether a head sees the encoder with parts of its own; all other heads share a pass."""
        return bool(self.task_modules(head)) or hasattr(self.heads[head], _SOFT_PROMPT)

    def encoder_inputs(self, inputs: Mapping[str, Tensor], head: str | None) -> dict[str, Tensor]:
        """What the encoder takes of a batch for the head `head`, the soft vectors of its prompt included."""
        taken = {name: inputs[name] for name in self.backbone_inputs}
        prompt = getattr(self.heads[head], _SOFT_PROMPT, None) if head else None
        if prompt is not None:
            taken |= {SOFT_IDS: inputs[SOFT_IDS], SOFT_WORDS: prompt(inputs[SOFT_IDS])}
        return taken

    def encode(
        self, batch: Batch, *, layer: int = -1, head: str | None = None, shift: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The inputs of the head `head`: the batch, and the backbone's outputs up to `layer`.

        Without a head, the inputs of heads without own modules in the encoder.
        """
        inputs = as_tensors(batch)
        taken = self.encoder_inputs(inputs, head)
        if shift is not None:
            taken[EMBEDDING_SHIFT] = shift
        modules = self.task_modules(head) if head else {}
        # The gradient of a shift, and of parts that train inside the encoder, goes through its frozen layers.
        ends_above = self.frozen_encoder is not None and shift is None and not (head and self.has_own_pass(head))
        run_encoder = without_gradients(self.backbone) if ends_above else self.backbone
        inputs.update(run_encoder(taken, layer=layer, **modules))
        return inputs

    def encode_for(self, tasks: Sequence[TaskInstance], batch: Batch) -> Iterator[dict[str, Tensor]]:
        """The inputs of the head of each of `tasks` for one batch, in their order.

        The encoder runs once for all heads with the same layer and without own modules. It runs lazily, for the first
        of them: a caller's computation with one head comes before the next pass, and so do the random numbers of its
        dropout.
        """
        passes: dict[tuple[int, str | None], dict[str, Tensor]] = {}
        for task in tasks:
            key = task.settings.layer, task.head if self.has_own_pass(task.head) else None
            if key not in passes:
                passes[key] = self.encode(batch, layer=task.settings.layer, head=task.head)
            yield passes[key]

    def loss(
        self,
        task: TaskInstance,
        batch: Batch,
        encoded: Mapping[str, Tensor] | None = None,
        *,
        factors: LossFactors = WHOLE,
    ) -> Tensor:
        """Mean loss of a training batch and its regularisers, before `loss_weight`: float32[].

        Args:
            task: The task of the loss.
            batch: A batch from its reader.
            encoded: The backbone's outputs for the batch, if already computed; not with SMART.
            factors: Those of what regularisers add.
        """
        loss = self._batch_loss(task, batch, encoded, factors)
        weight = task.settings.soft_sharing_weight * factors.penalty
        own, others = self._encoders(task.head)
        if own is None or not others or not weight:
            return loss
        return loss + weight * squared_distance(own, others)

    def _batch_loss(
        self, task: TaskInstance, batch: Batch, encoded: Mapping[str, Tensor] | None, factors: LossFactors
    ) -> Tensor:
        if task.settings.smart_weight:
            return self._smooth_loss(task, batch, factors)
        if encoded is None:
            outputs, inputs = self.forward(task, batch, "train")
        else:
            inputs = {**as_tensors(batch), **encoded}
            outputs = task.paradigm.forward(self.heads[task.head], inputs, "train")
        return self._consistent_loss(task, batch, outputs, inputs, factors)

    def _consistent_loss(
        self,
        task: TaskInstance,
        batch: Batch,
        outputs: dict[str, Tensor],
        inputs: dict[str, Tensor],
        factors: LossFactors,
    ) -> Tensor:
        """The loss of `outputs`; with R-Drop also that of a second pass, and the distance of the two."""
        of_mean, of_sum = task.settings.rdrop_alpha, task.settings.rdrop_sum_alpha
        if not of_mean and not of_sum:
            return task.paradigm.loss(outputs, inputs)
        # A second pass also where its factor is 0: it takes the seeds that all processes take.
        alpha = of_mean * factors.distance
        if of_sum:
            part = task.paradigm.count_losses(batch, len(batch["token_ids"]))
            alpha += of_sum * (part if factors.examples is None else factors.examples)
        return rdrop_loss(task.paradigm, outputs, inputs, lambda: self.forward(task, batch, "train")[0], alpha)

    def _smooth_loss(self, task: TaskInstance, batch: Batch, factors: LossFactors) -> Tensor:
        """The loss with the SMART penalty: the sensitivity of the outputs to small perturbations of the embeddings."""
        seed = dropout_seed()

        def shifted(shift: Tensor | None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
            with seeded(seed):
                return self.forward(task, batch, "train", shift)

        outputs, inputs = shifted(None)
        loss = self._consistent_loss(task, batch, outputs, inputs, factors)
        penalty = smart_penalty(
            self, task.paradigm, lambda shift: shifted(shift)[0], outputs, inputs, epsilon=task.settings.smart_epsilon
        )
        return loss + task.settings.smart_weight * factors.distance * penalty

    def use_training_mode(self, *, encoder_dropout: bool = True) -> None:
        """Compute with dropout from now on, but for a frozen encoder, which computes as it does in prediction.

        Args:
            encoder_dropout: Whether an encoder that is not frozen computes with dropout.
        """
        self.train()
        if self.frozen_encoder is not None or not encoder_dropout:
            self.backbone.eval()

    def start_from_encoder(self) -> None:
        """Initialize what starts as a copy of something in the encoder, after loading pre-trained weights if any.

        These are the heads' own layers, the soft vectors of words, and the label layers of verbalizers.
        """
        for head, paradigm in self._paradigms.items():
            parts = self.task_modules(head).get("parts")
            if isinstance(parts, CopiedLayers):
                parts.start_as(self.backbone.encoder.layers)
            if paradigm.prompt is not None:
                table = self.backbone.embeddings.word_embeddings.weight
                if hasattr(self.heads[head], _SOFT_PROMPT):
                    self.heads[head].soft_prompt.start_as(table)
                paradigm.start_from_words(self.heads[head], table)

    def added_parameters(self, head: str) -> list[str]:
        """Names, inside the head, of the parameters that it has beside its paradigm's pre-trained ones."""
        own = (*self._paradigms[head].prompt_parameters, *(f"{child}." for child in _TASK_MODULES.values()))
        return [name for name, _ in self.heads[head].named_parameters() if name.startswith(own)]

    def copied_parameters(self) -> dict[str, int]:
        """Number of parameters of each head's own encoder layers."""
        return {
            head: sum(int(parameter.size) for parameter in parts.parameters())
            for head in self.heads.keys()  # noqa: SIM118 (a LayerDict)
            if isinstance(parts := self.task_modules(head).get("parts"), CopiedLayers)
        }

    def weights_of(self, head: str) -> dict[str, Tensor]:
        """Weights of a model with only the head `head`, `backbone.*` and `heads.<head>.*`.

        The head's own layers replace the shared ones in the backbone.
        """
        prefix = f"heads.{head}."
        found = {name: each for name, each in self.state_dict().items() if name.startswith(("backbone.", prefix))}
        own = self.task_modules(head).get("parts")
        if isinstance(own, OwnLayers):
            inside = [name for name in found if name.startswith("backbone.encoder.layers.")]
            replaced = [name for name in inside if own_layer_name(head, name) in found]
            found |= {name: found.pop(own_layer_name(head, name)) for name in replaced}
        return found

    def _encoders(self, head: str) -> tuple[OwnLayers | None, list[list[nn.Layer]]]:
        """The head's own layers that replace shared ones, and the encoders of other heads."""
        own = {key: self.task_modules(key).get("parts") for key in self.heads.keys()}  # noqa: SIM118 (a LayerDict)
        mine = own.pop(head)
        if not isinstance(mine, OwnLayers):
            return None, []
        shared = list(self.backbone.encoder.layers)
        others = [parts.encoder(shared) for parts in own.values() if isinstance(parts, OwnLayers)]
        return mine, others if len(others) == len(own) else [*others, shared]

    def _build_head(self, paradigm: Paradigm) -> nn.Layer:
        layers = paradigm.build_layers(self.backbone_config)
        mixed = paradigm.config.mixed_layers(self.backbone_config.num_hidden_layers)
        if mixed:
            layers.add_sublayer(_TASK_MODULES["mix"], ScalarMix(mixed))
        if paradigm.config.sharing != "hard":
            parts = build_parts(paradigm.config, self.backbone_config, self._copied_layer)
            layers.add_sublayer(_TASK_MODULES["parts"], parts)
        form = paradigm.prompt
        if form is not None and form.soft_starts:
            width, deviation = self.backbone_config.mlm_head().width, self.backbone_config.initializer_range
            layers.add_sublayer(_SOFT_PROMPT, SoftPrompt(form, width, deviation))
        if form is not None and form.prefix_length:
            layers.add_sublayer(_TASK_MODULES["parts"], PrefixVectors(form, self.backbone_config))
        return layers

    def _copied_layer(self, number: int) -> nn.Layer:
        """A layer like the backbone's layer `number`."""
        built: nn.Layer = self.backbone.encoder.build_layer(number)
        return built
