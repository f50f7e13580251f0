from __future__ import annotations

from mi.domain.code import FamilyCode
from mi.hookspecs import hookimpl


@hookimpl
def register_family() -> FamilyCode:
    return FamilyCode(
        id="lines.lines", implementation="mi_lines.family:Lines", families=("mi_lines:families/lines",)
    )
