"""A hook raises."""

from __future__ import annotations

import mi


@mi.hookimpl
def analyze(family):
    raise KeyError("no such family")
