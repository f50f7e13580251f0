"""What analyzers receive: plain data of one checkpoint, or of one whole trajectory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from attrs import define, field, frozen

from mi.domain.site import Site
from mi.errors import PlanError

if TYPE_CHECKING:
    import numpy as np
    import torch
    import xarray as xr

    from mi.domain.probe import Probe
    from mi.engine.gradients import Gradients
    from mi.engine.model import Model


@frozen(eq=False)
class Subject:
    """What is known of a variant before any checkpoint is loaded.

    Attributes:
        parameters: the variant's domain parameters.
        dimensions: the family's named dimensions -> coordinates.
        context: the family's precomputed values.
        probe: the probe.
        epochs: epochs of the checkpoints that will have artifacts, sorted; empty for functions of scope
            ``checkpoint``, whose results follow from one checkpoint, whatever others there are.
        hooks: the model's hooks -> shape of one row's activation there: how many layers, heads or positions
            there are, where neither the probe nor the family says. Built on first use.
        weights: names of the checkpoints' floating-point tensors -> shape, as the first that can be read has
            them. Read on first use.
    """

    parameters: Mapping[str, Any]
    dimensions: Mapping[str, Sequence[Any]]
    context: Mapping[str, Any]
    probe: Probe
    epochs: tuple[int, ...]
    hooks: Mapping[str, tuple[int, ...]] = field(factory=dict)
    weights: Mapping[str, tuple[int, ...]] = field(factory=dict)


@define(eq=False)
class CheckpointData:
    """Everything a checkpoint-scope analyzer declared that it needs; tensors lie on ``device``.

    Attributes:
        subject: parameters, dimensions, context, probe.
        epoch: the checkpoint's.
        device: where tensors lie.
        activations: site key -> tensor, rows first; (rows, …) with the position axis gone where the site
            names a position.
        weights: name -> tensor, as the checkpoint stores them; empty unless declared.
        artifacts: analyzer id -> {output: tensor} of this same checkpoint.
        reference: analyzer id -> {output: tensor} of the reference checkpoint.
        derive: computes shared quantities; read them with :meth:`derived`.
        globs: key of each declared site pattern -> the hooks that it stands for, in natural order.
        rows: of a batch, which rows of the probe it holds; everything over rows (activations, labels, masks,
            ``probe``) is of these alone. None where it holds all.
        doubts: what :meth:`refuse_if` noted.
        differentiate: gives shared gradients; read them with :meth:`gradients`.
    """

    subject: Subject
    epoch: int
    device: str
    activations: Mapping[str, torch.Tensor]
    weights: Mapping[str, torch.Tensor]
    artifacts: Mapping[str, Mapping[str, torch.Tensor]] = field(factory=dict)
    reference: Mapping[str, Mapping[str, torch.Tensor]] = field(factory=dict)
    derive: Callable[[str], Any] | None = None
    globs: Mapping[str, tuple[str, ...]] = field(factory=dict)
    rows: slice | None = None
    differentiate: Callable[[str], Gradients] | None = None
    _model: Model | None = None
    doubts: list[tuple[str, torch.Tensor]] = field(factory=list, repr=False)

    @property
    def model(self) -> Model:
        """The resident model with this checkpoint's weights.

        Raises:
            PlanError: the analyzer did not declare it.
        """
        if self._model is None:
            raise PlanError("the model is read but not declared; declare model=True")
        return self._model

    @property
    def probe(self) -> Probe:
        """The probe that was fed."""
        return self.subject.probe

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The variant's domain parameters."""
        return self.subject.parameters

    @property
    def context(self) -> Mapping[str, Any]:
        """The family's precomputed values."""
        return self.subject.context

    def site(self, hook: str, position: int | None = None) -> torch.Tensor:
        """The activation at a site, rows first.

        Raises:
            PlanError: the analyzer did not declare it.
        """
        key = Site(hook, position).key
        if key not in self.activations:
            raise PlanError(f"site {key} is read but not declared; declared: {sorted(self.activations)}")
        return self.activations[key]

    def sites(self, hook: str, position: int | None = None) -> dict[str, torch.Tensor]:
        """The activations that a declared pattern stands for: hook -> tensor, rows first, in layer order.

        ``torch.stack([*data.sites("blocks.*.attn.hook_pattern").values()])`` is (layers, rows, …). A site
        that is no pattern gives itself alone.

        Raises:
            PlanError: the analyzer did not declare this pattern.
        """
        site = Site(hook, position)
        if site.glob and site.key not in self.globs:
            declared = sorted({*self.globs, *self.activations})
            raise PlanError(f"site {site.key} is read but not declared; declared: {declared}")
        return {name: self.site(name, position) for name in self.globs.get(site.key, (hook,))}

    def grid(self, hook: str, position: int | None = None) -> torch.Tensor:
        """The activation at a site, rows folded into the probe's named axes: (*shape, …)."""
        return self.probe.fold(self.site(hook, position))  # type: ignore[no-any-return]

    def derived(self, id: str) -> Any:
        """A shared quantity, computed at most once a checkpoint."""
        if self.derive is None:
            raise PlanError(f"derived quantity {id} is read but not declared")
        return self.derive(id)

    def gradients(self, rows: str = "") -> Gradients:
        """Gradients of the family's loss; a pass of its own, made once a checkpoint whoever asks.

        Args:
            rows: name of the mask over rows that the loss is the mean over; all rows when empty.

        Raises:
            PlanError: the analyzer declared no gradients, or none over these rows.
        """
        if self.differentiate is None:
            raise PlanError("gradients are read but not declared; declare gradients=(GradientNeed(…),)")
        return self.differentiate(rows)

    def refuse_if(self, flag: torch.Tensor, why: str) -> None:
        """Have no result if ``flag`` is true, which nobody waits for here.

        ``if bool(flag): raise`` would stop until the device has worked everything out; this notes the doubt,
        and the writer looks at it when the result has arrived anyway.

        Args:
            flag: bool, (); on ``device``.
            why: a clause that says what is wrong.
        """
        self.doubts.append((why, flag))

    def mask(self, name: str) -> torch.Tensor:
        """A mask over rows as a bool tensor on ``device``, (rows,)."""
        return self._tensor(self.probe.masks[name])

    @property
    def tokens(self) -> torch.Tensor:
        """Tokens as an int64 tensor on ``device``, (rows, n_ctx)."""
        return self._tensor(self.probe.tokens)

    @property
    def labels(self) -> torch.Tensor:
        """Labels as an int64 tensor on ``device``, (rows,)."""
        return self._tensor(self.probe.labels)

    def _tensor(self, array: np.ndarray | None) -> torch.Tensor:
        import torch

        if array is None:
            raise PlanError("the probe has no labels")
        # A copy, for the probe's own is everybody's; queued, not awaited.
        return torch.tensor(array).to(self.device, non_blocking=True)


State = TypeVar("State")


class Streaming(Protocol[State]):
    """What a streaming analyzer's ``function`` makes: it sees the probe batch by batch.

    It keeps nothing itself: a *state*, of whatever type, goes from step to step. Tensors in it stay on the
    device; none of them may be a view of a batch's, or the batch is held as long. Its sums are best in
    float64: then the result depends on where batches are cut by rounding alone.
    """

    def start(self, data: CheckpointData) -> State:
        """The state before the first batch.

        ``data`` has everything that was declared but activations, and the probe's rows only in parts
        (``data.probe.part(slice(0, 8))``).
        """

    def update(self, state: State, batch: CheckpointData) -> State:
        """The state after one more batch: activations, labels and masks of the rows ``batch.rows``."""

    def finish(self, state: State) -> Mapping[str, Any]:
        """The outputs, {output: array}."""


@define(eq=False)
class TrajectoryData:
    """Everything a trajectory-scope analyzer declared that it needs.

    Attributes:
        subject: parameters, dimensions, context, probe.
        artifacts: analyzer id -> Dataset over all committed epochs (sorted, leading dimension ``epoch``).
        reference: analyzer id -> {output: numpy array} of the reference checkpoint.
        losses: Dataset with one variable a metric over every epoch of training; None unless declared.
        checkpoints: iterator factory over (epoch, weights on the CPU, memory-mapped).
    """

    subject: Subject
    artifacts: Mapping[str, xr.Dataset]
    reference: Mapping[str, Mapping[str, np.ndarray]] = field(factory=dict)
    losses: xr.Dataset | None = None
    checkpoints: Callable[[], Iterator[tuple[int, Mapping[str, torch.Tensor]]]] | None = None

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The variant's domain parameters."""
        return self.subject.parameters
