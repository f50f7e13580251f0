"""Weights on disk: one safetensors file a checkpoint, written atomically, never pickled."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mi.domain.checkpoint import Checkpoint
from mi.domain.jsonfile import write_atomic
from mi.errors import CheckpointError
from mi.store.layout import VariantPaths

if TYPE_CHECKING:
    import torch

# In the header's metadata: hashes of the tensors' bytes, and of the rest of the header itself.
CONTENT, HEADER = "mi.content", "mi.header"
_NAME = re.compile(r"e(\d{8,})\.safetensors")


def list_checkpoints(paths: VariantPaths) -> tuple[Checkpoint, ...]:
    """The variant's checkpoints, sorted by epoch; files of other names do not count."""
    return tuple(
        Checkpoint(epoch, index, path)
        for index, (epoch, path) in enumerate(sorted(_epochs(paths.checkpoints).items()))
    )


def list_states(paths: VariantPaths) -> dict[int, Path]:
    """Training states by epoch, sorted."""
    return dict(sorted(_epochs(paths.states).items()))


def _epochs(folder: Path) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    found = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return {int(match.group(1)): path for match, path in found if match}


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors so that a reader sees all of them or none; flushed to the disk.

    Raises:
        StoreError: the folder cannot be written.
    """
    from safetensors.torch import save

    # Contiguous copies on the CPU: safetensors refuses views that share storage.
    plain = {name: t.detach().to("cpu").contiguous() for name, t in tensors.items()}
    write_atomic(path, _canonical(save(plain, dict(metadata))))


def _canonical(data: bytes) -> bytes:
    """The same safetensors file with hashes of its tensors and of its header, and its metadata sorted.

    safetensors writes it in random order, but :func:`digest` wants the same content as the same bytes.
    """
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    content = _hash(memoryview(data)[8 + length :])
    metadata = header.pop("__metadata__", {}) | {CONTENT: content}
    metadata[HEADER] = _header_hash({"__metadata__": metadata, **header})
    header = {"__metadata__": dict(sorted(metadata.items())), **header}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def load_tensors(path: Path, device: str = "cpu", content: str | None = None) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file.

    The file is read once, whole: tensors mapped to it would change, or kill the process, when somebody
    writes over it while they are in use.

    Args:
        path: the file.
        device: where the tensors are to be.
        content: what :func:`digest` gave before, where the bytes must still be those.

    Raises:
        CheckpointError: the file is missing, truncated, no safetensors file, holds other bytes by now, or
            not those that were written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        data = path.read_bytes()
        if content is not None and _hash(data) != content:
            raise CheckpointError(f"{path}: was replaced while it was being analyzed; analyze it again")
        _check_bytes(path, data)
        # Copied to memory of torch's own: sums depend on how their terms are aligned.
        return {name: t.clone() if device == "cpu" else t.to(device) for name, t in load(data).items()}
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged or no safetensors file ({error})") from None


def read_metadata(path: Path) -> dict[str, str]:
    """The strings stored beside the tensors.

    Raises:
        CheckpointError: the file is missing, truncated or no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:  # the same checks of the file, and no torch
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged or no safetensors file ({error})") from None


def count_nonfinite(tensors: Mapping[str, torch.Tensor]) -> int:
    """How many of all cells are NaN or infinite."""
    import torch

    floats = (t for t in tensors.values() if t.is_floating_point())
    return sum(int(t.numel() - torch.isfinite(t).sum()) for t in floats)


class WeightShapes(Mapping[str, tuple[int, ...]]):
    """Name -> shape of a variant's floating-point tensors, from the header of its first readable checkpoint.

    Read on the first question, without torch.
    """

    def __init__(self, paths: VariantPaths) -> None:
        self._paths = paths

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        error: CheckpointError | None = None
        for checkpoint in list_checkpoints(self._paths):
            try:
                return _header_shapes(checkpoint.path)
            except CheckpointError as found:
                error = error or found
        raise error or CheckpointError(f"{self._paths.checkpoints}: no checkpoint")

    def __getitem__(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


def _header_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return {
            name: tuple(map(int, said["shape"]))
            for name, said in header.items()
            if name != "__metadata__" and said["dtype"].startswith(("F", "BF"))
        }
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError):
        raise CheckpointError(f"{path}: damaged or no safetensors file") from None


def check_content(path: Path) -> None:
    """Compare the bytes with the hashes that the file carries; files of other writers carry none.

    Raises:
        CheckpointError: a bit has changed, or the file cannot be read.
    """
    try:
        _check_bytes(path, path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None


def _check_bytes(path: Path, data: bytes) -> None:
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        told = header.get("__metadata__", {})
        found = {CONTENT: _hash(memoryview(data)[8 + length :])} if CONTENT in told else {}
        found |= {HEADER: _header_hash(header)} if HEADER in told else {}
    except (ValueError, AttributeError, TypeError):
        raise CheckpointError(f"{path}: damaged or no safetensors file") from None
    if any(told[name] != hash for name, hash in found.items()):
        raise CheckpointError(f"{path}: damaged, its bytes are not those that were written")


def _header_hash(header: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in header["__metadata__"].items() if name != HEADER}
    return _hash(json.dumps({**header, "__metadata__": rest}, sort_keys=True).encode())


def _hash(data: bytes | memoryview) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def digest(path: Path) -> str:
    """Hash of a checkpoint's bytes (32 hex digits): what "the same checkpoint" means.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
