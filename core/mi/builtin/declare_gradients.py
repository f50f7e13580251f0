"""What the core declares of gradients: an analyzer and its view; light, like all declarations."""

from __future__ import annotations

from mi.domain.analyzer import Analyzer
from mi.domain.needs import GradientNeed
from mi.domain.output import Output
from mi.domain.values import Option
from mi.domain.visualization import Field, Visualization

WEIGHT_GRADIENTS = Analyzer(
    id="core.weight_gradients",
    version=1,
    title="Gradients and weight decay",
    description="For each weight tensor: how large the gradient of the family's loss is, and how it lies to "
    "the tensor itself, along which weight decay pulls. Where the two balance, the cosine is -1 and the "
    "ratio is the weight decay of plain gradient descent; adaptive optimizers rescale the gradient.",
    function="mi.builtin.gradients:weight_gradients",
    weights=True,
    gradients=(GradientNeed(weights=True, rows_option="rows"),),
    options={
        "rows": Option(
            type="str",
            default="",
            description="mask over the probe's rows that the loss is the mean over (train); all when empty",
        )
    },
    coordinates="mi.builtin.gradients:coordinates",
    outputs={
        "gradient_norm": Output(("weight",), "float64", description="Euclidean norm of the gradient"),
        "weight_norm": Output(("weight",), "float64", description="Euclidean norm of the tensor"),
        "cosine": Output(
            ("weight",),
            units="1",
            description="of gradient and tensor; -1 where the loss wants the tensor to grow; missing where "
            "one of them is zero",
            gaps=True,
        ),
        "ratio": Output(
            ("weight",),
            "float64",
            description="gradient norm over weight norm; missing where the tensor is zero",
            gaps=True,
        ),
        "total_norm": Output((), "float64", description="norm of all gradients together"),
        "loss": Output((), "float64", description="the loss that the gradient is of"),
    },
)

WEIGHT_GRADIENTS_VIEW = Visualization(
    id=WEIGHT_GRADIENTS.id,
    title="Gradients and weight decay",
    description="Above, the norm of the loss's gradient by weight tensor, on a logarithmic scale; below, the "
    "cosine of gradient and tensor: at -1 the loss alone wants the tensor to grow and weight decay alone to "
    "shrink. An optimizer with momentum or rescaling does not step along the gradient shown.",
    reads=(WEIGHT_GRADIENTS.id,),
    static="mi.builtin.gradients:static",
    figure="mi.builtin.gradients:figure",
    x="epoch",
    fields={
        "norm": Field("image", ("weight", "epoch"), scale="log", static=True),
        "cosine": Field(
            "image", ("weight", "epoch"), scale="symmetric", range=(-1, 1), units="1", static=True
        ),
    },
)
