"""Which local files the user has looked at and allowed to run: path and content, in the user's own folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from attrs import define, field

from mi.domain.jsonfile import read_json, write_atomic, write_json
from mi.errors import FormatError, MiError, StoreError
from mi.plugins.local import LocalFile
from mi.userfolder import config_folder

SCHEMA = 1


@define
class Trust:
    """Trusted files.

    Attributes:
        path: the file that keeps them.
        digests: absolute path -> SHA-256 of the content that was trusted.
        everything: ``MI_TRUST=1``: whatever there is.
        problem: why the file that keeps them cannot be read; nothing is trusted then, and nothing saved.
    """

    path: Path
    digests: dict[str, str] = field(factory=dict)
    everything: bool = False
    problem: str = ""

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Trust:
        """What the user has trusted; never raises, since every command asks."""
        environ = os.environ if environ is None else environ
        path = config_folder(environ) / "trusted.json"
        everything = environ.get("MI_TRUST", "") not in ("", "0")
        if not os.path.lexists(path):
            return cls(path, everything=everything)
        try:
            digests = read_json(path).get("files")
            if not isinstance(digests, dict) or not all(isinstance(v, str) for v in digests.values()):
                raise FormatError(path, "files", digests, "an object of paths and SHA-256 sums")
        except MiError as error:
            return cls(path, everything=everything, problem=str(error))
        return cls(path, digests, everything)

    def holds(self, path: Path, digest: str) -> bool:
        """Whether this content of this file may run."""
        return self.everything or self.digests.get(str(path)) == digest

    def knows(self, path: Path) -> bool:
        """Whether some content of this file was trusted."""
        return str(path) in self.digests

    def before(self, path: Path) -> bytes | None:
        """The content of this file that was trusted; None where none was, or where its copy is gone."""
        try:
            content = self._copy(self.digests[str(path)]).read_bytes()
        except (KeyError, OSError):
            return None
        return content if hashlib.sha256(content).hexdigest() == self.digests[str(path)] else None

    def add(self, file: LocalFile) -> None:
        """Trust a file as it was read, and save, with a copy: what changes later can be shown.

        Raises:
            StoreError: what was kept before cannot be read, or nothing can be written there.
        """
        self._writable()
        write_atomic(self._copy(file.digest), file.content)
        self.digests[str(file.path)] = file.digest
        self._save()

    def remove(self, path: Path) -> None:
        """Trust this file no longer, and save.

        Raises:
            StoreError: as for :meth:`add`.
        """
        self._writable()
        self.digests.pop(str(path), None)
        self._save()

    def _copy(self, digest: str) -> Path:
        return self.path.parent / "trusted" / f"{digest}.py"

    def _writable(self) -> None:
        if self.problem:
            raise StoreError(f"{self.problem}; mend or delete the file")

    def _save(self) -> None:
        write_json(self.path, {"schema": SCHEMA, "files": dict(sorted(self.digests.items()))})
        wanted = {self._copy(digest) for digest in self.digests.values()}
        for copy in set(self._copy("x").parent.glob("*.py")) - wanted:
            copy.unlink(missing_ok=True)
