"""The notebook face: a workspace, its variants, their data and views, as plain Python objects.

    import mi

    v = mi.open(".").variant("a_family", seed=999)
    v.losses, v.checkpoints, v.artifacts("plugin.analyzer")     # xarray, a sequence, xarray
    logits, cache = v.run_with_cache(epoch=1000)                # the real model, that epoch's weights
    v.at(epoch=1000).view("plugin.visualization").figure()      # a Bokeh figure

Nothing is global: what is opened is a value that holds everything it needs.
"""

from __future__ import annotations

from mi.lab.family import LabFamily
from mi.lab.moment import Moment, View
from mi.lab.variant import Checkpoints, LabVariant
from mi.lab.workspace import Families, Lab, open

__all__ = ["Checkpoints", "Families", "Lab", "LabFamily", "LabVariant", "Moment", "View", "open"]
