"""Gradients in analyzers' hands: what each declared, from passes that all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from mi.domain.site import Site
from mi.engine.differentiate import Differentiator
from mi.engine.guard import Declared, Watch
from mi.engine.item import Item
from mi.errors import PlanError

if TYPE_CHECKING:
    import torch

    from mi.engine.model import Model

_WEIGHTS, _SITES = "weights", "sites"


@frozen(eq=False)
class Gradients:
    """Gradients of the family's loss over some rows at one checkpoint: ``data.gradients(rows)``.

    The loss is the mean of ``VariantCode.row_losses`` over those rows.

    Attributes:
        loss: it, a scalar in its own precision, without a graph.
        weights: name -> tensor of the weight's shape, for each of the checkpoint's; zero where the loss does
            not depend on it. Empty unless declared.
        activations: site key -> tensor, (rows, …) of all the probe's rows, the position's axis gone where the
            site names one. Being of a mean, it is each row's own gradient over the number of rows that count;
            zero at rows that do not.
        globs: key of each declared site pattern -> the hooks that it stands for, in natural order.
    """

    loss: torch.Tensor
    weights: Mapping[str, torch.Tensor]
    activations: Mapping[str, torch.Tensor]
    globs: Mapping[str, tuple[str, ...]] = field(factory=dict)

    def site(self, hook: str, position: int | None = None) -> torch.Tensor:
        """The gradient with respect to the activation at a site, rows first.

        Raises:
            PlanError: the analyzer did not declare it.
        """
        return self.activations[Site(hook, position).key]

    def sites(self, hook: str, position: int | None = None) -> dict[str, torch.Tensor]:
        """Those of all hooks that a declared pattern stands for: hook -> tensor, in layer order.

        Raises:
            PlanError: the analyzer did not declare this pattern.
        """
        site = Site(hook, position)
        if site.glob and site.key not in self.globs:
            raise PlanError(f"gradient at {site.key} is read but not declared")
        return {name: self.site(name, position) for name in self.globs.get(site.key, (hook,))}


class SharedGradients:
    """The gradients of one checkpoint: each pass made when it is first asked for, freed after its last asker.

    Args:
        differentiator: makes the passes.
        items: the analyzers that will run here.
        weights: the checkpoint's.
        model: the resident model with these weights, where sites are asked for.
        watch: finds edits.
    """

    def __init__(
        self,
        differentiator: Differentiator,
        items: Mapping[str, Item],
        weights: Mapping[str, torch.Tensor],
        model: Model | None,
        watch: Watch,
    ) -> None:
        self.differentiator, self.weights = differentiator, weights
        self.model, self.watch = model, watch
        self.made: dict[tuple[str, str], tuple[torch.Tensor, Mapping[str, torch.Tensor]]] = {}
        self.askers: dict[tuple[str, str], int] = {}
        self.union: dict[str, dict[Site, None]] = {}
        for item in items.values():
            for key in _keys(item):
                self.askers[key] = self.askers.get(key, 0) + 1
            for rows, need in item.gradients.items():
                self.union.setdefault(rows, {}).update(dict.fromkeys(need.sites))

    def of(self, item: Item, rows: str, watched: set[str]) -> Gradients:
        """What an analyzer declared over these rows; the names to watch join ``watched``.

        Raises:
            PlanError: it declared nothing over them.
            PluginError: another analyzer changed them in place.
        """
        need = Declared("gradients over rows", item.gradients)[rows]
        loss: torch.Tensor | None = None
        weights: Mapping[str, torch.Tensor] = {}
        activations: Mapping[str, torch.Tensor] = {}
        if need.weights:
            loss, weights = self._made(_WEIGHTS, rows)
        if need.sites:
            value, found = self._made(_SITES, rows)
            loss = value if loss is None else loss
            activations = {site.key: found[site.key] for site in need.sites}
        names = {f"{_named(_WEIGHTS, rows)} {n}": t for n, t in weights.items()}
        names |= {f"{_named(_SITES, rows)} {k}": t for k, t in activations.items()}
        self.watch.refuse(set(names))
        for name, tensor in names.items():
            self.watch.add(name, tensor)
        watched.update(names)
        assert loss is not None  # a need is of weights, of sites, or of both
        return Gradients(
            loss=loss,
            weights=Declared("gradient of weight", weights),
            activations=Declared("gradient at site", activations),
            globs={key: hooks for key, hooks in item.globs.items() if _covers(key, hooks, activations)},
        )

    def finish(self, item: Item) -> None:
        """Count an analyzer as done, whether it ran or not."""
        for key in _keys(item):
            self.askers[key] -= 1
            if self.askers[key] == 0 and key in self.made:
                _, tensors = self.made.pop(key)
                self.watch.forget({f"{_named(*key)} {name}" for name in tensors})

    def _made(self, kind: str, rows: str) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        if (kind, rows) not in self.made:
            if kind == _WEIGHTS:
                self.made[kind, rows] = self.differentiator.by_weights(self.weights, rows)
            else:
                assert self.model is not None  # loaded wherever a gradient at a site is asked for
                sites = tuple(self.union[rows])
                self.made[kind, rows] = self.differentiator.by_sites(self.model.resident, sites, rows)
        return self.made[kind, rows]


def _keys(item: Item) -> list[tuple[str, str]]:
    """The passes that an analyzer's gradients come from."""
    return [
        (kind, rows)
        for rows, need in item.gradients.items()
        for kind, wanted in ((_WEIGHTS, need.weights), (_SITES, need.sites))
        if wanted
    ]


def _named(kind: str, rows: str) -> str:
    what = "weight" if kind == _WEIGHTS else "site"
    return f"the gradient over {rows or 'all'} rows by {what}"


def _covers(key: str, hooks: tuple[str, ...], activations: Mapping[str, Any]) -> bool:
    """Whether gradients at all hooks of a pattern were declared."""
    position = Site.parse(key).position
    return all(Site(hook, position).key in activations for hook in hooks)
