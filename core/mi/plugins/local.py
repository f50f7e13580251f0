"""Plugins that are a single file of the workspace: ``local_plugins/<name>.py``."""

from __future__ import annotations

import ast
import hashlib
import io
import linecache
import stat
import sys
import tokenize
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from attrs import frozen

FOLDER, MAX_BYTES = "local_plugins", 2**20


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

    def load(self) -> Any:
        """Run the file as a module of its own.

        The module's name holds a hash of the path, so that files of two workspaces never meet. It stays in
        ``sys.modules``, where pickle and dataclasses look; there a module may put something else in its
        place, as any imported one.
        """
        where = hashlib.sha256(str(self.path).encode(errors="surrogateescape")).hexdigest()[:8]
        module = ModuleType(f"mi_local_{where}_{self.name}")
        module.__file__ = str(self.path)
        sys.modules[module.__name__] = module
        # Tracebacks show the lines that ran, also when the file has been edited since.
        text = self.content.decode("utf-8", "replace")
        linecache.cache[str(self.path)] = (len(text), None, text.splitlines(keepends=True), str(self.path))
        try:
            exec(compile(self.content, str(self.path), "exec", dont_inherit=True), module.__dict__)
        except BaseException:
            sys.modules.pop(module.__name__, None)
            raise
        return sys.modules.get(module.__name__) or module


def local_files(root: Path) -> list[LocalFile]:
    """The local plugins of a workspace, sorted; files that begin with ``_`` or ``.`` are not plugins.

    A link counts under its own name and with the content that it leads to. Never raises.
    """
    folder = root.absolute() / FOLDER
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix == ".py")
    except FileNotFoundError:
        return []
    except OSError as error:
        return [LocalFile(folder, problem=f"it cannot be read ({error.strerror})")]
    return [read_local(folder / name) for name in names if not name.startswith(("_", "."))]


def read_local(path: Path) -> LocalFile:
    """One local plugin, read; what is wrong with it is its ``problem``."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):  # reading a pipe would wait for ever
            return LocalFile(path, problem="it is not a file")
        if about.st_size > MAX_BYTES:
            return LocalFile(path, problem=f"it has {about.st_size:,} bytes, expected at most {MAX_BYTES:,}")
        content = path.read_bytes()
    except OSError as error:
        return LocalFile(path, problem=f"it cannot be read ({error.strerror})")
    try:
        with warnings.catch_warnings():  # said when it runs, not whenever it is looked at
            warnings.simplefilter("ignore")
            coding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            if coding not in ("utf-8", "utf-8-sig"):  # another would show as another text than runs
                return LocalFile(path, content, problem=f"its coding is {coding!r}, expected UTF-8")
            return LocalFile(path, content, _stated_api(ast.parse(content)))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        said = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        return LocalFile(path, content, problem=f"it is not Python ({said}{where})")


def _stated_api(tree: ast.Module) -> str | None:
    """The string that ``MI_API`` is set to at the top of the file; read, not run."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == "MI_API" for target in targets):
            value = node.value  # type: ignore[attr-defined]
            return str(value.value) if isinstance(value, ast.Constant) else ast.unparse(value or tree)
    return None
