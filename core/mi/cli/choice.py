"""The variants and the device that a command is told to work with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mi.domain.workspace import FamilyResults, Variant, Workspace


def chosen_variants(workspace: Workspace, names: tuple[str, ...], every: bool, doing: str) -> list[Variant]:
    """Those named, each once, or all there are.

    Raises:
        MiError: neither names nor ``--all``, or both.
        UnknownNameError: no variant of that name, or none at all.
    """
    from mi.errors import MiError, UnknownNameError

    if every == bool(names):
        raise MiError(f"name the variants to {doing}, or give --all (see `mi variants`)")
    if not every:
        return list({v.id: v for v in (workspace.variant(name) for name in names)}.values())
    found = workspace.variants()
    if not found:
        raise UnknownNameError("there are no variants yet (see `mi train`)")
    return found


def with_families(variants: list[Variant]) -> list[Variant | FamilyResults]:
    """The variants, and after them what spans their families, where there is such a thing."""
    from mi.domain.workspace import FamilyResults

    families = {one.family.name: FamilyResults(one.workspace, one.family) for one in variants}
    return [*variants, *(one for one in families.values() if one.folder.is_dir())]


def check_device(device: str) -> None:
    """Refuse a device that torch does not have; torch is imported only for others than the CPU.

    Raises:
        ParameterError: names the device.
    """
    if device == "cpu":
        return
    import torch

    from mi.errors import ParameterError

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise ParameterError(f"device {device!r} cannot be used ({first}); cpu always can") from None
