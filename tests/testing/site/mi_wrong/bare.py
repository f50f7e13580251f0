"""Offers nothing to anybody, which a plugin may."""

from __future__ import annotations

import mi


@mi.hookimpl
def analyze(family):
    return []
