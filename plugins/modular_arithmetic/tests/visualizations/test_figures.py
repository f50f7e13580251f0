"""Every visualization, with every choice of its options, draws what it declares."""

import itertools
from typing import Any

import pytest
from bokeh.core.serialization import Serializer
from bokeh.models import HoverTool, Plot
from view_kit import BY_NAME, draw

CASES = [
    (id, dict(zip(choices, picked, strict=True)))
    for id, visualization in BY_NAME.items()
    for choices in [{name: o.choices for name, o in visualization.options.items() if o.choices}]
    for picked in itertools.product(*choices.values())
]


def plots(figure: Any) -> list[Any]:
    """The figure, or those of a layout."""
    found = [figure] if isinstance(figure, Plot) else list(figure.select({"type": Plot}))
    assert found
    return found


@pytest.mark.parametrize(("id", "options"), CASES, ids=lambda x: str(x))
def test_it_draws(id: str, options: dict[str, Any]) -> None:
    drawn = draw(id, **options)
    Serializer().encode(drawn.figure)
    for plot in plots(drawn.figure):
        assert plot.renderers
        assert plot.xaxis.axis_label and plot.yaxis.axis_label, "axes say what they show"
    assert drawn.figure.select(HoverTool), "values can be read off"


@pytest.mark.parametrize("id", BY_NAME)
def test_it_is_described_and_its_options_are(id: str) -> None:
    visualization = BY_NAME[id]
    assert visualization.title and visualization.description.endswith(".")
    assert all(option.description for option in visualization.options.values())


@pytest.mark.parametrize("id", [id for id, v in BY_NAME.items() if v.x == "epoch"])
def test_epoch_axes_carry_the_cursor(id: str) -> None:
    from mi.views.context import CURSOR

    drawn = draw(id, epoch=250)
    for plot in plots(drawn.figure):
        assert [cursor.location for cursor in plot.select({"name": CURSOR})] == [250]
        assert plot.x_range is drawn.context.x_epochs
