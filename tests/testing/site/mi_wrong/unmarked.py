"""A hook without its mark, beside one that has it."""

from __future__ import annotations

import mi


@mi.hookimpl
def analyze(family):
    return []


def visualize(family):
    return []
