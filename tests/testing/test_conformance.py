"""The core's own declarations, and the kit's, conform."""

from __future__ import annotations

from mi.testing import FamilyConformance


class TestTinyFamily(FamilyConformance):
    plugin = "testing"
    family = "tiny"
    parameters = {"size": 5}
    refused = ()
