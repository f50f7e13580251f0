"""What a family's models are built by, as one digest: its code as it lies on the disk, and versions.

Versions alone would not do: a package under work is edited in place, and keeps its version all the while. So
the files of every package that the implementation inherits from are read (they are few, and small), and the
packages that models are made with are known by their versions.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from pathlib import Path
from types import ModuleType
from weakref import WeakKeyDictionary

from mi.domain.code import VariantCode
from mi.domain.workspace import Variant
from mi.engine.bench import versions_of
from mi.engine.broken import owner_of
from mi.store.schema import digest_of

KINDS = (".py", ".json", ".toml", ".yaml", ".yml")  # of files that say what a model is
_READ: WeakKeyDictionary[ModuleType, str | None] = WeakKeyDictionary()


def built_by(variant: Variant, dtype: str) -> str | None:
    """Digest of all that a variant's model follows from (32 hex digits), as far as it can be known unbuilt.

    None where there are no files to tell an edit by.

    A package that the family's code calls, and that is edited in place, is not seen: what relies on this
    digest compares once it has a model.
    """
    family = variant.family
    sources = {name: source_digest(name) for name in packages(type(variant.code))}
    if None in sources.values():
        return None
    return digest_of(
        [
            [family.code, owner_of(variant.workspace.host, family.code), dict(variant.parameters)],
            versions_of("", dtype),
            sources,
        ]
    )


def packages(implementation: type) -> list[str]:
    """Top-level packages (or modules) that a class and its bases were written in, but for ours; sorted."""
    own = [one for one in inspect.getmro(implementation) if one not in (*inspect.getmro(VariantCode),)]
    return sorted({one.__module__.partition(".")[0] for one in own} - {"mi", "builtins"})


def source_digest(package: str) -> str | None:
    """Digest of an imported package's source files (or a module's one), names and content; None without any.

    Read once for each time that it is imported: what runs is what was on the disk then.
    """
    module = sys.modules.get(package)
    if module is None:
        return None
    if module not in _READ:
        _READ[module] = _read(module)
    return _READ[module]


def _read(module: ModuleType) -> str | None:
    total = hashlib.blake2b(digest_size=16)
    folders = [Path(folder) for folder in getattr(module, "__path__", ())]
    files = [(str(path.relative_to(folder)), path) for folder in folders for path in folder.rglob("*")]
    if not folders and (file := getattr(module, "__file__", None)):
        files = [(Path(file).name, Path(file))]
    found = sorted((name, path) for name, path in files if path.suffix in KINDS and path.is_file())
    for name, path in found:
        content = path.read_bytes()
        total.update(f"{name}:{len(content)};".encode())
        total.update(content)
    return total.hexdigest() if found else None
