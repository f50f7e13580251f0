"""What frames of paths and of the two pulls hold, against the artifacts that they are made of."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("mi")

import xarray as xr

from mi.errors import ParameterError, UnknownNameError
from mi.views.context import FigureContext, epoch_range
from mi.views.data import ViewData
from mi.views.frames import FrameSet, make_frames
from mi.views.palettes import ColorBook
from mi.views.sources import current_sources
from mi_geometry_library.plugin import GRADIENTS, PARAMETER_PATH, SHARPNESS, TOP_CURVATURE, VIEWS
from mi_geometry_library.views import SHOWN

EPOCHS = (0, 100, 1000)
NAMES = ["W_E", "W_U", "W_in"]
random = np.random.RandomState(0)
PATHS = xr.Dataset(
    {
        "position": (("epoch", "matrix", "component"), random.randn(3, 4, 3)),
        "share": (("matrix", "component"), np.tile([0.6, 0.3, 0.1], (4, 1))),
        "speed": (("epoch", "matrix"), random.rand(3, 4)),
        "cosine": (("epoch", "matrix"), random.rand(3, 4)),
        "squared_norm": (("epoch", "matrix"), random.rand(3, 4) + 1),
    },
    coords={"epoch": list(EPOCHS), "matrix": [*NAMES, "all"], "component": [1, 2, 3]},
)
PULLS = xr.Dataset(
    {
        "weight_norm": (("epoch", "weight"), random.rand(3, 3) + 1),
        "cosine": (("epoch", "weight"), random.rand(3, 3)),
        "ratio": (("epoch", "weight"), random.rand(3, 3) + 0.1),
    },
    coords={"epoch": list(EPOCHS), "weight": NAMES},
)

AROUND = xr.Dataset(
    {
        "loss": (("epoch", "subset", "radius", "direction"), random.rand(3, 2, 2, 5) + 1),
        "base": (("epoch", "subset"), random.rand(3, 2) + 0.1),
    },
    coords={"epoch": list(EPOCHS), "subset": ["train", "test"], "radius": [0.1, 0.2], "direction": range(5)},
)
CURVED = xr.Dataset(
    {"eigenvalue": ("epoch", [1.0, 20.0, 3.0]), "residual": ("epoch", [0.5, 0.001, 0.02])},
    coords={"epoch": list(EPOCHS)},
)


def draw(name: str, parameters: dict[str, Any] | None = None, **options: Any) -> tuple[FrameSet, Any]:
    from mi.domain.values import check_options
    from mi.refs import resolve

    visualization = next(v for v in VIEWS if v.id == f"geometry_library.{name}")
    chosen = check_options(name, visualization.options, options)
    artifacts = {PARAMETER_PATH.id: PATHS, GRADIENTS: PULLS, SHARPNESS.id: AROUND, TOP_CURVATURE.id: CURVED}
    data = ViewData(
        variant="family/variant",
        parameters=parameters or {},
        dimensions={},
        epochs=np.array(EPOCHS),
        artifacts={id: artifacts[id] for id in visualization.reads},
        per_checkpoint=frozenset({GRADIENTS, SHARPNESS.id, TOP_CURVATURE.id} & set(visualization.reads)),
        losses=None,
        probe_name="full",
        build_probe=lambda: pytest.fail("no probe is read"),
        token="",
    )
    frames = make_frames(data, visualization, chosen)
    context = FigureContext(
        visualization=visualization,
        data=data,
        scales=frames.scales,
        extents=frames.extents,
        epoch=EPOCHS[-1],
        x_epochs=epoch_range(data.epochs),
        colors=ColorBook(),
    )
    sources = current_sources(frames, EPOCHS[-1], "panel-0")
    return frames, resolve(visualization.figure)(sources, context, chosen)


def test_the_cursor_is_the_point_of_its_epoch_on_the_path_of_the_chosen_tensor() -> None:
    frames, figure = draw("parameter_path", matrix="W_U", x=3, y=1)
    expected = PATHS["position"].sel(matrix="W_U").values
    np.testing.assert_allclose(frames.static["path"]["x"], expected[:, 2])
    np.testing.assert_allclose(frames.static["path"]["age"], np.log10([1, 101, 1001]))
    for t, epoch in enumerate(EPOCHS):
        now = frames.exact(epoch)["now"]
        np.testing.assert_allclose([now["x"][0], now["y"][0]], expected[t, [2, 0]], rtol=1e-6)
    assert figure.xaxis.axis_label == "component 3 (10 % of the variance)"
    spans = [r.end - r.start for r in (figure.x_range, figure.y_range)]
    assert spans[0] == pytest.approx(spans[1]), "a distance means the same along both axes"


@pytest.mark.parametrize(
    ("name", "output"),
    [("parameter_speed", "speed"), ("update_cosine", "cosine"), ("parameter_norms", "squared_norm")],
)
def test_lines_are_the_artifacts_of_the_tensors_chosen(name: str, output: str) -> None:
    lines = draw(name)[0].static["lines"]
    assert list(lines) == ["epoch", *NAMES, "all"]
    np.testing.assert_allclose(lines["W_in"], PATHS[output].sel(matrix="W_in"))
    assert list(draw(name, matrices=["W_U"])[0].static["lines"]) == ["epoch", "W_U"]
    with pytest.raises(UnknownNameError, match="W_in"):
        draw(name, matrices=["W_im"])


def test_of_many_tensors_the_largest_are_drawn_in_their_own_order() -> None:
    from mi_geometry_library.views import _shown

    names = [f"w{i}" for i in range(20)] + ["all"]
    sizes = np.append(np.arange(20) % 7 + 0.01 * np.arange(20), 99.0)
    shown = _shown(names, sizes, [])
    largest = sorted(range(20), key=lambda i: -sizes[i])[:SHOWN]
    assert shown == [f"w{i}" for i in sorted(largest)] + ["all"]


def test_the_pulls_are_measured_in_units_of_the_variant_s_weight_decay() -> None:
    frames, figure = draw("loss_and_decay", {"weight_decay": 0.5})
    np.testing.assert_allclose(frames.static["ratio"]["W_E"], PULLS["ratio"].sel(weight="W_E") / 0.5)
    np.testing.assert_allclose(frames.static["cosine"]["W_E"], PULLS["cosine"].sel(weight="W_E"))
    assert len(figure.children) == 2
    without = draw("loss_and_decay", {"weight_decay": 0.0})[0].static["ratio"]
    np.testing.assert_allclose(without["W_E"], PULLS["ratio"].sel(weight="W_E"))


@pytest.mark.parametrize(("radius", "index"), [(0, 1), (1, 0), (2, 1)])
def test_the_loss_around_the_weights_is_drawn_as_quantiles_over_directions(radius: int, index: int) -> None:
    frames, plot = draw("sharpness", radius=radius)
    lines = frames.static["lines"]
    for s, subset in enumerate(("train", "test")):
        loss = AROUND["loss"].values[:, s, index]
        np.testing.assert_allclose(lines[f"{subset}|median"], np.median(loss, axis=-1))
        np.testing.assert_allclose(lines[f"{subset}|lowest"], loss.min(axis=-1))
        np.testing.assert_allclose(lines[f"{subset}|highest"], loss.max(axis=-1))
        np.testing.assert_allclose(lines[f"{subset}|base"], AROUND["base"].values[:, s])
    assert plot.y_range.start <= AROUND["base"].values.min() and plot.y_range.end >= 2 * 0.9
    bands = [r for r in plot.renderers if type(r.glyph).__name__ == "VArea"]
    assert len(bands) == 4, "two for each subset"
    with pytest.raises(ParameterError, match="radius is 3, expected at most 2"):
        draw("sharpness", radius=3)


def test_an_eigenvalue_that_did_not_converge_is_marked() -> None:
    frames, layout = draw("top_curvature", tolerance=0.01)
    np.testing.assert_allclose(frames.static["eigenvalue"]["unconverged"], [1.0, np.nan, 3.0])
    np.testing.assert_allclose(frames.static["residual"]["residual"], [0.5, 0.001, 0.02])
    assert [type(plot.y_scale).__name__ for plot in layout.children] == ["LogScale", "LogScale"]
