"""What one call of an analyzer costs, by its own declaration: floating-point operations for given sizes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mi.engine.bench import own_coordinates
from mi.errors import MiError, PluginError
from mi.faults import is_fault, sentence
from mi.refs import resolve

if TYPE_CHECKING:
    from mi.engine.bench import Bench
    from mi.engine.item import Item


def sizes_of(bench: Bench, item: Item, epochs: int = 1) -> dict[str, int]:
    """What a cost may depend on: name -> whole number.

    The length of each of the family's dimensions, of the probe's axes and of the analyzer's own coordinates
    under its name; ``row``, the probe's rows; ``epoch``, the checkpoints that one call sees; ``numbers``, how
    many a checkpoint's floating-point tensors hold; and the variant's whole-number parameters under theirs,
    where no dimension has the name.
    """
    subject = bench.subject
    whole = {n: v for n, v in subject.parameters.items() if isinstance(v, int) and not isinstance(v, bool)}
    named = {**subject.dimensions, **subject.probe.axes, **own_coordinates(item, subject)}
    lengths = {name: len(values) for name, values in named.items()}
    numbers = sum(math.prod(shape) for shape in subject.weights.values())
    return {**whole, **lengths, "row": len(subject.probe), "epoch": epochs, "numbers": numbers}


def declared_cost(bench: Bench, item: Item, epochs: int = 1) -> float | None:
    """Floating-point operations of one call; None where the analyzer declares none.

    Args:
        bench: what it is bound to.
        item: the analyzer.
        epochs: of scope ``trajectory``: checkpoints that its call sees.

    Raises:
        PluginError: the declared function fails, or gives no number of at least 0.
    """
    if item.analyzer.cost is None:
        return None
    try:
        found = float(resolve(item.analyzer.cost)(sizes_of(bench, item, epochs), **item.options))
    except MiError:
        raise
    except BaseException as error:
        if not is_fault(error):
            raise
        raise PluginError(f"{item.called}: its cost raised {sentence(error)}") from error
    if not (math.isfinite(found) and found >= 0):
        raise PluginError(f"{item.called}: its cost is {found}, expected a number of at least 0")
    return found
