"""Writing a new plugin: everything beside its place first, then into it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from mi.errors import StoreError
from mi.skeleton.names import checked_name
from mi.skeleton.render import render


def create_plugin(name: str, parts: tuple[str, ...], to: Path | None = None) -> Path:
    """Write the package of the plugin ``name``, whole or not at all.

    Args:
        name: the plugin's name.
        parts: some of :data:`mi.skeleton.PARTS`.
        to: the folder to make; ``mi-<name>`` in the present one by default. It may exist when it is empty.

    Raises:
        ParameterError: the name cannot be a plugin's.
        PluginError: the name is taken by something installed.
        StoreError: the folder holds something, or cannot be written.
    """
    names = checked_name(name)
    target = (to or Path(names.distribution)).expanduser().absolute()
    rendered = render(names, parts)
    try:
        if target.is_symlink() or (target.exists() and not (target.is_dir() and _is_empty(target))):
            raise StoreError(f"{target}: exists already and is not an empty folder; choose another with --to")
        if target.parent.exists() and not target.parent.is_dir():
            raise StoreError(f"{target.parent}: is no folder, so nothing can be made in it")
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(rendered, target)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error.strerror or error})") from None
    return target


def _write(files: dict[str, str], target: Path) -> None:
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".partial"))
    try:
        for path, text in files.items():
            file = temporary / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        if target.exists():
            _move_into(temporary, target)
        else:
            temporary.chmod(0o755)  # mkdtemp's is for its owner alone
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move_into(temporary: Path, target: Path) -> None:
    """Fill an empty folder, which is kept: a shell may stand in it."""
    try:
        for child in sorted(temporary.iterdir()):
            child.rename(target / child.name)
    except OSError:
        for child in target.iterdir():
            shutil.rmtree(child) if child.is_dir() else child.unlink()
        raise


def _is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())
