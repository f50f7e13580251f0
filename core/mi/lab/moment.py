"""A variant at one checkpoint: weights, activations, artifacts and views there."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

from mi.domain.checkpoint import Checkpoint
from mi.domain.report import Panel
from mi.domain.values import check_options
from mi.domain.workspace import Variant
from mi.errors import CheckpointError, DataWarning, MiError, PluginError, unknown
from mi.store.layout import VariantPaths
from mi.views.cache import ByteCache

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from bokeh.models import LayoutDOM

    from mi.views.panel import Card


@define(eq=False, repr=False)
class Moment:
    """A variant at one checkpoint.

    Attributes:
        variant: the declaration behind it.
        checkpoint: which.
        probe: name of the saved probe that views and activations are over; None for the family's default.
    """

    variant: Variant
    checkpoint: Checkpoint
    probe: str | None = None
    _frames: ByteCache = field(factory=ByteCache)

    @property
    def epoch(self) -> int:
        """Optimizer steps taken."""
        return self.checkpoint.epoch

    @property
    def index(self) -> int:
        """0-based position among the variant's checkpoints."""
        return self.checkpoint.index

    def weights(self, device: str = "cpu") -> dict[str, torch.Tensor]:
        """The checkpoint's tensors, as it stores them.

        Raises:
            CheckpointError: the file is damaged.
        """
        from mi.store.checkpoints import load_tensors

        return load_tensors(self.checkpoint.path, device)

    def model(self, device: str = "cpu") -> Any:
        """A model of its own with this checkpoint's weights, loaded strictly.

        Raises:
            CheckpointError: the file is damaged, or does not fit the family.
        """
        model = self.variant.code.build_model(device)
        try:
            self.variant.code_at(self.epoch).load_weights(model, self.weights(device))
        except (CheckpointError, RuntimeError, KeyError) as error:
            if str(self.checkpoint.path) in str(error):
                raise
            raise CheckpointError(f"{self.checkpoint.path}: does not fit its family ({error})") from error
        return model

    def run_with_cache(
        self, names_filter: str | Sequence[str] | None = None, device: str = "cpu"
    ) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        """Logits and activations of every row of the probe, without gradients.

        Args:
            names_filter: hook points to keep; all by default, which takes memory: see the probe's size.
            device: where the model runs and the activations stay.

        Returns:
            Logits (rows, n_ctx, d_vocab_out) and the model's own cache: hook point -> tensor, rows first.

        Raises:
            UnknownNameError: no such hook point (the model would drop it in silence), or no such probe.
            CheckpointError: the file is damaged, or does not fit the family.
        """
        import torch

        _, probe = self.variant.probe(self.probe)
        model = self.model(device)
        wanted = [names_filter] if isinstance(names_filter, str) else names_filter
        for name in wanted or ():
            if name not in model.hook_dict:
                raise unknown("hook point", name, model.hook_dict)
        tokens = torch.as_tensor(probe.tokens, device=device)
        with torch.no_grad():
            logits, cache = model.run_with_cache(
                tokens, names_filter=None if wanted is None else list(wanted)
            )
        return logits, cache

    def artifacts(self, analyzer: str) -> xr.Dataset:
        """An analyzer's artifacts at this epoch, loaded, without the ``epoch`` dimension.

        Raises:
            UnknownNameError: nothing of that name has been computed, or not at this epoch.
            StoreError: damage.
        """
        from mi.store.artifacts import ArtifactReader, steady

        probe = self.probe or self.variant.family.default_probe

        def read() -> xr.Dataset:
            data = ArtifactReader(VariantPaths(self.variant.folder)).dataset(probe, analyzer)
            if "epoch" not in data.dims:
                return data.load()
            if self.epoch not in data.indexes["epoch"]:
                raise unknown(f"epoch of {probe}/{analyzer}", str(self.epoch), map(str, data["epoch"].values))
            return data.sel(epoch=self.epoch).load()

        return steady(read)

    def view(self, visualization: str, /, **options: Any) -> View:
        """A visualization of this checkpoint, scaled over all epochs.

        Args:
            visualization: its id.
            options: as the visualization declares them; the family's own where it sets some.

        Raises:
            UnknownNameError: no plugin offers it; the message names the nearest.
            ParameterError: an option that it does not have, or a value that it does not allow.
            MiError: artifacts that it reads are missing; the message says how to compute them.
            PluginError: it failed; its traceback is in the notes.

        Warns:
            DataWarning: something that it shows is not finite.
        """
        family, host = self.variant.family, self.variant.workspace.host
        offered = host.visualizations(family)
        if visualization not in offered:
            raise host.unoffered("visualization", visualization, offered)
        given = {**family.use("visualization", visualization).options, **options}
        check_options(f"visualization {visualization}", offered[visualization].options, given)
        view = View(self, visualization, options)
        if flagged := view._card().flagged:
            warnings.warn(f"{visualization}: {flagged}", DataWarning, stacklevel=2)
        return view

    def __repr__(self) -> str:
        return f"<{self.variant.id} at epoch {self.epoch:,} (checkpoint {self.index})>"


@define(eq=False, repr=False)
class View:
    """A visualization of one checkpoint; options are those that were given."""

    moment: Moment
    visualization: str
    options: Mapping[str, Any]

    def figure(self) -> LayoutDOM:
        """A new Bokeh model that shows this epoch; ``bokeh.io.show`` displays it."""
        root = self._card().root
        assert root is not None  # `_card` gives only cards that are ok
        return root

    def data(self) -> dict[str, Any]:
        """Exact values: field -> 2D array, {column: 1D array} or text; fields over all epochs included."""
        frames = self._card().frames
        assert frames is not None
        return {**frames.static, **frames.exact(self.moment.epoch)}

    def _card(self) -> Card:
        from mi.views.context import epoch_range
        from mi.views.data import DataSource
        from mi.views.panel import OK, CardMaker

        source = DataSource.of(self.moment.variant, self.moment.probe)
        maker = CardMaker(source, self.moment.epoch, epoch_range(source.epochs), cache=self.moment._frames)
        card = maker.make(0, Panel(visualization=self.visualization, options=self.options))
        if card.state == OK:
            return card
        sentence = card.sentence + (f" Run `{card.command}`." if card.command else "")
        error = PluginError(sentence) if card.details else MiError(sentence)
        if card.details:
            error.add_note(card.details)
        raise error

    def __repr__(self) -> str:
        said = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"<view {self.visualization}{said} of {self.moment!r}>"
