"""What this distribution contributes to `mi`, for every family: the path of the weights, the loss around it.

Light, so that listing plugins costs no second. It knows no task and no architecture.
"""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.family import Family
from mi.domain.output import Output
from mi.domain.values import Option
from mi.domain.visualization import Field, Visualization
from mi.hookspecs import hookimpl
from mi_geometry_library.declare_sharpness import AROUND, CURVATURE, SHARPNESS, TOP_CURVATURE

_VIEWS = "mi_geometry_library.views"
GRADIENTS = "core.weight_gradients"

PARAMETER_PATH = Analyzer(
    id="geometry_library.parameter_path",
    version=1,
    title="Path of the weights",
    description="Where each weight tensor, and all of them together, went during training: principal "
    "components of the path, each checkpoint weighted by the stretch of training that it stands for; speed, "
    "cosine of successive updates, squared norm.",
    function="mi_geometry_library.weight_path:parameter_path",
    scope="trajectory",
    weights=True,
    coordinates="mi_geometry_library.weight_path:coordinates",
    cost="mi_geometry_library.costs:parameter_path",
    outputs={
        "position": Output(
            ("epoch", "matrix", "component"),
            description="coordinates in the path's own principal components; the path ends on their "
            "positive side",
        ),
        "share": Output(
            ("matrix", "component"),
            units="1",
            description="share of the path's weighted variance; missing for a tensor that does not move",
            gaps=True,
        ),
        "speed": Output(
            ("epoch", "matrix"),
            "float64",
            units="1/epoch",
            description="distance from the checkpoint before, over the epochs between; missing at the first",
            gaps=True,
        ),
        "cosine": Output(
            ("epoch", "matrix"),
            units="1",
            description="cosine of the update to this checkpoint and the update from it; missing at both "
            "ends, and where the tensor does not move",
            gaps=True,
        ),
        "squared_norm": Output(("epoch", "matrix"), "float64", description="sum of squares"),
    },
)

_MATRIX = Option(
    type="str",
    default="all",
    role="selector",
    dim="matrix",
    description="weight tensor, or all of them together",
)
_MATRICES = Option(
    type="strings",
    default=[],
    description="tensors to draw; the eight largest at the end, and all together, when empty",
)


def _component(default: int) -> Option:
    return Option(
        type="int",
        default=default,
        choices=(1, 2, 3),
        role="selector",
        dim="component",
        description="principal component on this axis",
    )


PATH = Visualization(
    id="geometry_library.parameter_path",
    title="Path of the weights",
    description="The path of the weights in its own principal components, coloured by the logarithm of the "
    "epoch; the ring is the cursor. Axes have one scale. Any path that drifts at random looks like a smooth "
    "arc here: its first components are half a wave, a whole wave, and so on (Antognini & Sohl-Dickstein, "
    "2018). Read corners and loops against the losses before making anything of them.",
    reads=(PARAMETER_PATH.id,),
    fields={
        "path": Field("points", ("epoch",), value="age", static=True),
        "now": Field("points", ("cursor",)),
    },
    static=f"{_VIEWS}:path_static",
    frame=f"{_VIEWS}:path_frame",
    figure=f"{_VIEWS}:path_figure",
    options={"matrix": _MATRIX, "x": _component(1), "y": _component(2)},
)

SPEED = Visualization(
    id="geometry_library.parameter_speed",
    title="Speed of the weights",
    description="Distance between successive checkpoints over the epochs between them. A mean over the gap: "
    "what oscillates inside it is not seen, so wide gaps look slow.",
    reads=(PARAMETER_PATH.id,),
    fields={"lines": Field("line", ("epoch",), scale="log", static=True)},
    static=f"{_VIEWS}:speed_static",
    figure=f"{_VIEWS}:speed_figure",
    options={"matrices": _MATRICES},
    x="epoch",
)

TURNING = Visualization(
    id="geometry_library.update_cosine",
    title="Cosine of successive updates",
    description="1 where the weights go straight on from checkpoint to checkpoint, 0 where they turn by a "
    "right angle, below 0 where they go back. In many dimensions a random walk shows 0.",
    reads=(PARAMETER_PATH.id,),
    fields={"lines": Field("line", ("epoch",), range=(-1, 1), units="1", static=True)},
    static=f"{_VIEWS}:turning_static",
    figure=f"{_VIEWS}:turning_figure",
    options={"matrices": _MATRICES},
    x="epoch",
)

NORMS = Visualization(
    id="geometry_library.parameter_norms",
    title="Squared norms of the weights",
    description="Sum of squares of each weight tensor: what weight decay pulls down, tensor by tensor.",
    reads=(PARAMETER_PATH.id,),
    fields={"lines": Field("line", ("epoch",), scale="log", static=True)},
    static=f"{_VIEWS}:norms_static",
    figure=f"{_VIEWS}:norms_figure",
    options={"matrices": _MATRICES},
    x="epoch",
)

PULLS = Visualization(
    id="geometry_library.loss_and_decay",
    title="The loss against weight decay",
    description="Above, the cosine of what the loss asks of a tensor (−∇L) and what weight decay asks of it "
    "(−λθ); below, how many times as strong the first is. Where they balance, the cosine is −1 and the ratio "
    "1 for plain gradient descent; one that rescales gradients, as Adam does, balances elsewhere.",
    reads=(GRADIENTS,),
    fields={
        "cosine": Field("line", ("epoch",), range=(-1, 1), units="1", static=True),
        "ratio": Field("line", ("epoch",), scale="log", units="1", static=True),
    },
    static=f"{_VIEWS}:pulls_static",
    figure=f"{_VIEWS}:pulls_figure",
    options={
        "matrices": _MATRICES,
        "decay": Option(
            type="str",
            default="weight_decay",
            description="domain parameter that is λ; 1 where there is none",
        ),
    },
    x="epoch",
)


VIEWS = (PATH, SPEED, TURNING, NORMS, PULLS, AROUND, CURVATURE)


@hookimpl
def analyze(family: Family) -> list[Analyzer]:
    """Offered to every family."""
    return [PARAMETER_PATH, SHARPNESS, TOP_CURVATURE]


@hookimpl
def visualize(family: Family) -> list[Visualization]:
    """Offered to every family."""
    return list(VIEWS)
