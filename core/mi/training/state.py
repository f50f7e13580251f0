"""Training states: everything that makes a training continue to the bit.

A state of epoch e holds the weights after e steps, the optimizer's state, and the generator as it was before
the pass of epoch e. Tensors lie in a safetensors file, the rest as JSON in its metadata; nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

from attrs import frozen

from mi.errors import CheckpointError, ParameterError
from mi.store.checkpoints import list_checkpoints, list_states, load_tensors, read_metadata, save_tensors
from mi.store.layout import VariantPaths

if TYPE_CHECKING:
    import torch

    from mi.domain.code import Training

FORMAT = "mi.state/1"


@frozen
class StatePolicy:
    """Which training states are kept: those of every ``every``-th checkpoint, and always the latest.

    Attributes:
        text: as given: ``all``, ``every N`` or ``last``.
        every: 1 keeps all; 0 keeps the latest alone.
    """

    text: str
    every: int

    @classmethod
    def parse(cls, text: str) -> StatePolicy:
        """The policy that ``all``, ``every N`` or ``last`` stands for.

        Raises:
            ParameterError: none of these.
        """
        words = text.split()
        if words == ["all"]:
            return cls("all", 1)
        if words == ["last"]:
            return cls("last", 0)
        if len(words) == 2 and words[0] == "every" and words[1].isdecimal() and int(words[1]) > 0:
            return cls(f"every {int(words[1])}", int(words[1]))
        raise ParameterError(f"states is {text!r}, expected 'all', 'every N' or 'last'")

    def keeps(self, index: int) -> bool:
        """Whether the state of the checkpoint with this 0-based index stays once there is a later one."""
        return self.every > 0 and index % self.every == 0

    def thin(self, paths: VariantPaths, latest: int, added: Set[int] = frozenset()) -> None:
        """Remove states before ``latest`` that are not kept; those saved between checkpoints go too.

        Args:
            paths: the variant's.
            latest: the epoch whose state stays in any case.
            added: checkpoints that came later, by densifying: they do not count.
        """
        scheduled = [c.epoch for c in list_checkpoints(paths) if c.epoch not in added]
        index = {epoch: i for i, epoch in enumerate(scheduled)}
        for epoch, path in list_states(paths).items():
            if epoch < latest and not (epoch in index and self.keeps(index[epoch])):
                path.unlink(missing_ok=True)


def save_state(
    paths: VariantPaths,
    epoch: int,
    weights: Mapping[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    generator: torch.Tensor,
) -> None:
    """Write the state of ``epoch``, atomically and flushed.

    Raises:
        StoreError: the folder cannot be written.
    """
    import torch

    tensors = {f"weights.{name}": tensor for name, tensor in weights.items()}
    tensors["generator"] = generator
    scalars: dict[str, Any] = {}
    state = optimizer.state_dict()
    for i, slots in state["state"].items():
        for name, value in slots.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimizer.{i}.{name}"] = value
            else:
                scalars[f"{i}.{name}"] = value
    metadata = {"format": FORMAT, "epoch": str(epoch), "scalars": json.dumps(scalars)}
    metadata["groups"] = json.dumps(state["param_groups"])
    save_tensors(paths.state(epoch), tensors, metadata)


def restore_latest(
    paths: VariantPaths,
    training: Training,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    until: float = float("inf"),
) -> tuple[int, list[str]]:
    """Put the latest usable state at or before epoch ``until`` back in place.

    Returns:
        its epoch (−1 when there is none, and the training is at its initialization), and a sentence for each
        state that could not be used.
    """
    notes = []
    for epoch, path in reversed(list_states(paths).items()):
        if epoch > until:
            continue
        try:
            _restore(epoch, load_tensors(path), read_metadata(path), training, optimizer, generator)
        except CheckpointError as error:
            notes.append(f"{error}; going back to the state before it")
            continue
        return epoch, notes
    return -1, notes


def _restore(
    epoch: int,
    tensors: Mapping[str, torch.Tensor],
    metadata: Mapping[str, str],
    training: Training,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> None:
    """Check the whole state, then copy it in: a state that is refused changes nothing."""
    import torch

    def refuse(what: str) -> CheckpointError:
        return CheckpointError(f"training state of epoch {epoch}: {what}")

    if metadata.get("format") != FORMAT:
        raise refuse(f"format is {metadata.get('format')!r}, expected {FORMAT!r}")
    if "generator" not in tensors:
        raise refuse("the generator is missing")
    for name, weight in training.weights.items():
        stored = tensors.get(f"weights.{name}")
        if stored is None or stored.shape != weight.shape or stored.dtype != weight.dtype:
            found = "missing" if stored is None else f"{tuple(stored.shape)} {stored.dtype}"
            raise refuse(f"tensor {name} is {found}, expected {tuple(weight.shape)} {weight.dtype}")
    try:
        slots: dict[int, dict[str, Any]] = {}
        for key, value in json.loads(metadata["scalars"]).items():
            i, _, name = key.partition(".")
            slots.setdefault(int(i), {})[name] = value
        for key, tensor in tensors.items():
            kind, _, rest = key.partition(".")
            if kind == "optimizer":
                i, _, name = rest.partition(".")
                # Cloned: what lies in a file's buffer is not aligned as what torch allocates.
                slots.setdefault(int(i), {})[name] = tensor.clone()
        groups = [_group(group) for group in json.loads(metadata["groups"])]
        optimizer.load_state_dict({"state": slots, "param_groups": groups})
        generator.set_state(tensors["generator"])
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise refuse(f"does not fit this training ({error})") from None
    with torch.no_grad():
        for name, weight in training.weights.items():
            weight.copy_(tensors[f"weights.{name}"])


def _group(group: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter group as torch has it: JSON made its tuples lists."""
    return {k: tuple(v) if isinstance(v, list) and k != "params" else v for k, v in group.items()}
