"""Plugins that are a single file of the workspace: ``local_plugins/<name>.py``."""

from __future__ import annotations

import ast
import hashlib
import sys
from pathlib import Path
from types import ModuleType

from attrs import frozen

FOLDER = "local_plugins"


@frozen
class LocalFile:
    """A local plugin as it was read; what is run is exactly what was hashed.

    Attributes:
        path: the file, absolute.
        content: its bytes.
        api: the value of its ``MI_API``, or None.
        problem: why it cannot be a plugin, or an empty string.
    """

    path: Path
    content: bytes = b""
    api: str | None = None
    problem: str = ""

    @property
    def name(self) -> str:
        """The plugin's name: the file's, without its suffix."""
        return self.path.stem

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    def load(self) -> ModuleType:
        """Run the file as a module of its own.

        The module's name holds a hash of the path, so that files of two workspaces never meet. It stays in
        ``sys.modules``, where references such as ``"module:name"``, pickle and dataclasses look.
        """
        where = hashlib.sha256(str(self.path).encode()).hexdigest()[:8]
        module = ModuleType(f"mi_local_{where}_{self.name}")
        module.__file__ = str(self.path)
        sys.modules[module.__name__] = module
        try:
            exec(compile(self.content, str(self.path), "exec"), module.__dict__)
        except BaseException:
            del sys.modules[module.__name__]
            raise
        return module


def local_files(root: Path) -> list[LocalFile]:
    """The local plugins of a workspace, sorted; files that begin with ``_`` or ``.`` are not plugins."""
    paths = sorted((root / FOLDER).glob("*.py"))
    return [_read(path.resolve()) for path in paths if not path.name.startswith(("_", "."))]


def _read(path: Path) -> LocalFile:
    try:
        content = path.read_bytes()
    except OSError as error:
        return LocalFile(path, problem=f"it cannot be read ({error.strerror})")
    try:
        return LocalFile(path, content, _stated_api(ast.parse(content)))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        return LocalFile(path, content, problem=f"it is not Python ({said}{where})")


def _stated_api(tree: ast.Module) -> str | None:
    """The string that ``MI_API`` is set to at the top of the file; read, not run."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "MI_API" for target in targets):
            value = node.value  # type: ignore[attr-defined]
            return str(value.value) if isinstance(value, ast.Constant) else ast.unparse(value)
    return None
