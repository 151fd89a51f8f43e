"""Routes through the source, each a declared chain of functions that is checked against the AST.

A stop is `module:function`, or `module:function as name` where an earlier stop calls it by another name (a layer by the
attribute that holds it, a method of a base class by its own). `paddle…` ends a chain outside the package.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.source_tree import Function, Module, SourceTree, names_in

# ---- Fill in here: the chains of today's source. If one breaks, the table and a test name the stop. ----

_TO_THE_PRODUCT_TODAY = (
    "palm.controller:Controller.train",
    "palm.controller:Controller._train",
    "palm.controller:Controller._train_alone",
    "palm.engine.train:train_steps",
    "palm.engine.train:train_step",
    "palm.engine.train:_train_parts",
    "palm.engine.train:_computed",
    "palm.engine.forward_backward:train_pass",
    "palm.engine.forward_backward:_losses",
    "palm.engine.model:MultiTaskModel.loss",
    "palm.engine.model:MultiTaskModel._batch_loss",
    "palm.engine.model:MultiTaskModel.forward",
    "palm.engine.model:MultiTaskModel.encode",
    "palm.backbone.encoder:LayeredEncoder.forward as backbone",
    "palm.backbone.encoder:Encoder.forward as encoder",
    "palm.backbone.encoder:Encoder._outputs",
    "palm.backbone.encoder:CheckpointedLayer.forward as layer",
    "palm.backbone.encoder:EncoderLayer.compute",
    "palm.kernels.plain:compute_layer as _compute_layer",
    "palm.kernels.plain:linear",
    "paddle.nn.functional:linear",
)
# Where the value itself goes. What only looks at it and hands nothing on (checks, warnings, tables) is beside the way.
_TO_A_BATCH_SIZE_TODAY = (
    "palm.controller:Controller.__init__",
    "palm.config.resolve:load_run_configs",
    "palm.config.sources:read",
    "palm.config.files:load_global",
    "palm.config.yaml_file:read_yaml",
    "palm.schema.places:read_text",
    "palm.config.yaml_file:parse_yaml",
    "palm.config.yaml_file:_Walk.mapping",
    "palm.config.yaml_file:_Walk.plain",
    "palm.config.files:_keys",
    "palm.schema.values:settle_aliases",
    "palm.config.stages:split_into_stages",
    "palm.config.merge:merge",
    "palm.config.broadcast:broadcast",
    "palm.schema.values:stack",
    "palm.config.typed:type_keys",
    "palm.config.typed:_task",
    "palm.schema.validate:validate",
    "palm.schema.fields:computable as model_validate",
    "palm.config.resolve:check",
    "palm.config.resolve:_run_config",
    "palm.training.tasks:build_tasks_of",
    "palm.training.tasks:_build_task",
    "palm.engine.task_instance:TaskInstance._plan as TaskInstance",
    "palm.data.batching:plan_by_length",
)
# The chains of revision 28829f8, to compare with.
_TO_THE_PRODUCT_BEFORE = (
    "palm.controller:Controller.train",
    "palm.controller:Controller._train",
    "palm.controller:Controller._train_alone",
    "palm.engine.train:train_steps",
    "palm.engine.train:train_step",
    "palm.engine.train:_train_parts",
    "palm.engine.backward:train_pass",
    "palm.engine.backward:_losses",
    "palm.engine.model:MultiTaskModel.loss",
    "palm.engine.model:MultiTaskModel._batch_loss",
    "palm.engine.model:MultiTaskModel.forward",
    "palm.engine.model:MultiTaskModel.encode",
    "palm.backbone.encoder:TransformerEncoder.forward as backbone",
    "palm.backbone.encoder:Encoder.forward as encoder",
    "palm.backbone.encoder:Encoder._outputs",
    "palm.backbone.encoder:EncoderLayer.forward as layer",
    "palm.backbone.encoder:EncoderLayer._forward",
    "palm.kernels.plain:compute_layer as _compute",
    "palm.kernels.plain:linear",
    "paddle.nn.functional:linear",
)
_TO_A_BATCH_SIZE_BEFORE = (
    "palm.controller:Controller.__init__",
    "palm.build.run_config:load_run_configs",
    "palm.build.sources:read_sources",
    "palm.config.load:load_global",
    "palm.config.yaml_file:read_yaml",
    "palm.config.yaml_file:read_text",
    "palm.config.yaml_file:parse_yaml",
    "palm.config.yaml_file:_compose",
    "palm.config.yaml_file:_Walk.mapping",
    "palm.config.yaml_file:_Walk._key",
    "palm.config.yaml_file:_Walk.plain",
    "palm.config.yaml_file:_Walk._scalar",
    "palm.config.load:_split",
    "palm.config.load:_global_file",
    "palm.config.load:_keys",
    "palm.config.load:_plain",
    "palm.config.layer:settle_aliases",
    "palm.build.sources:_read",
    "palm.build.merge:merge",
    "palm.config.broadcast:broadcast",
    "palm.config.broadcast:split_task_lists",
    "palm.config.broadcast:_without_lists",
    "palm.config.layer:stack",
    "palm.config.paths:locate",
    "palm.build.merge:_share_vocabulary",
    "palm.build.run_config:_resolve",
    "palm.build.run_config:_unread_keys",
    "palm.build.unknown_keys:KnownKeys.unread_global",
    "palm.build.run_config:_task",
    "palm.config.messages:validate",
    "palm.config.fields:no_bool as model_validate",
    "palm.config.fields:no_giant as model_validate",
    "palm.build.task_checks:check_tasks",
    "palm.build.run_config:_finish",
    "palm.build.explain:plain_keys",
    "palm.build.explain:explain_rows",
    "palm.build.explain:resolved_mapping",
    "palm.build.stages:follow_on",
    "palm.build.idle:with_warnings",
    "palm.config.idle_keys:idle_settings",
    "palm.build.instances:build_tasks_of",
    "palm.build.instances:build_tasks",
    "palm.build.instances:_build_task",
    "palm.task_instance:TaskInstance.steps_per_epoch as TaskInstance",
    "palm.task_instance:TaskInstance._plan",
    "palm.task_instance:TaskInstance._new_plan",
    "palm.reader.batching:plan_batches",
)


@dataclass(frozen=True)
class Route:
    """A route and its length.

    Attributes:
        name: Its start and end.
        counts: Unit of its length: the files on it, or the functions.
        goal: The maximal length.
        chains: Its stops, one chain per layout that the source has had; the first one that holds is counted.
        consecutive: Whether each stop calls the next. Otherwise any earlier stop may, by a returned value.
    """

    name: str
    counts: str
    goal: int
    chains: Sequence[Sequence[str]]
    consecutive: bool


ROUTES = (
    Route(
        "from Controller.train to the matmul",
        "files",
        6,
        (_TO_THE_PRODUCT_TODAY, _TO_THE_PRODUCT_BEFORE),
        consecutive=True,
    ),
    Route(
        "from YAML to a batch size",
        "functions",
        25,
        (_TO_A_BATCH_SIZE_TODAY, _TO_A_BATCH_SIZE_BEFORE),
        consecutive=False,
    ),
)
# ---- End of what is to be filled in. ----


@dataclass(frozen=True)
class Stop:
    """One function of a route.

    Attributes:
        module: Where it is.
        function: Its qualified name.
        called: The name used in its call.
    """

    module: str
    function: str
    called: str

    @classmethod
    def parse(cls, text: str) -> "Stop":
        """`module:function as name`."""
        place, _, called = text.partition(" as ")
        module, _, function = place.partition(":")
        return cls(module, function, called or _usual_name(function))


def length(tree: SourceTree, route: Route) -> tuple[int | None, str]:
    """Length of the first chain of `route` that holds in `tree`; None and the broken stop of each if none does."""
    broken = []
    for chain in route.chains:
        stops = [Stop.parse(text) for text in chain]
        wrong = first_broken(tree, stops, consecutive=route.consecutive)
        if wrong is None:
            inside = [stop for stop in stops if stop.module in tree.modules]
            return len({stop.module for stop in inside} if route.counts == "files" else inside), ""
        broken.append(wrong)
    return None, "; ".join(broken)


def first_broken(tree: SourceTree, stops: Sequence[Stop], *, consecutive: bool) -> str | None:
    """The first stop that does not exist or that no stop before it calls; None if the chain holds."""
    bodies: list[Function] = []
    for number, stop in enumerate(stops):
        callers = bodies[-1:] if consecutive else bodies
        if number and not any(stop.called in names_in(body) for body in callers):
            return f"{stop.module}:{stop.function} is not called by the stop before it"
        body = _body(tree.modules.get(stop.module), stop.function)
        if body is not None:
            bodies.append(body)
        elif stop.module.partition(".")[0] == tree.package:
            return f"{stop.module}:{stop.function} does not exist"
    return None


def _body(module: Module | None, function: str) -> Function | None:
    return None if module is None else dict(module.functions()).get(function)


def _usual_name(function: str) -> str:
    """The name in a call of `function`: the class for its constructor, else the last part."""
    owner, _, name = function.rpartition(".")
    return owner if name == "__init__" else name
