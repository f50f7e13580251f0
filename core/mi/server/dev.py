"""``mi serve --dev``: plugins are loaded anew when they are saved, and open pages are told.

Modification times are looked at a few times a second: that works on every file system, and needs no library.
Pages ask for the *generation*, which differs after each reading and each start of a server, and reload
themselves at the same address when it is not theirs.
"""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import secrets
import sys
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from mi.domain.workspace import FAMILIES, Workspace
from mi.errors import MiError
from mi.plugins import load_host
from mi.plugins.local import FOLDER
from mi.plugins.trust import Trust

if TYPE_CHECKING:
    from mi.plugins import Host, Record
    from mi.server.site import Site

INTERVAL_MS = 250
Stamp = tuple[int, int, int]


@define(eq=False)
class Dev:
    """Watches what a served workspace is made of.

    A local file that may run when the server starts, or that is trusted later, may go on running while it is
    edited: who edits it knows what it holds. Elsewhere it is asked about again.

    Attributes:
        site: what is served; its workspace is replaced.
        say: prints a line.
        generation: changes whenever pages must be made anew.
        trusted: local files that run whatever they hold now.
    """

    site: Site
    say: Callable[[str], None]
    generation: str = ""
    trusted: set[Path] = field(factory=set)
    _places: list[Path] = field(factory=list)
    _seen: dict[Path, Stamp] = field(factory=dict)
    _settling: dict[Path, Stamp] | None = None

    def __attrs_post_init__(self) -> None:
        sys.dont_write_bytecode = True  # its stamps are whole seconds: two saves in one would look alike
        self._adopt(self.site.workspace.host)
        self._seen = self._stamps()

    async def tick(self) -> None:
        """Look once; read anew when something has changed and is not being written any more."""
        now = await self.site.in_thread(self._stamps)
        if now == self._seen:
            self._settling = None
        elif now != self._settling:
            self._settling = now
        else:
            changed = {p for p in now.keys() | self._seen.keys() if now.get(p) != self._seen.get(p)}
            await self.site.in_thread(self._read_anew, changed)
            after = await self.site.in_thread(self._stamps)
            self._seen, self._settling = {path: now.get(path, after[path]) for path in after}, None

    def _read_anew(self, changed: set[Path]) -> None:
        root = self.site.workspace.root
        names = ", ".join(sorted(path.name for path in changed))
        if not all(path.is_relative_to(root / FAMILIES) for path in changed):
            try:
                self._reload(changed)
            except MiError as error:  # MI_STRICT_PLUGINS: what was loaded before stays
                self.say(str(error))
        self.generation = secrets.token_hex(6)
        self.say(f"read anew: {names}")

    def _reload(self, changed: Iterable[Path]) -> None:
        root, before = self.site.workspace.root, self.site.workspace.host
        for path in changed:
            if path.suffix == ".py":
                Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
        packages = {record.package for record in before.records if _editable(record)}
        for name in list(sys.modules):
            if name.split(".")[0] in packages or name.startswith("mi_local_"):
                sys.modules.pop(name, None)
        importlib.invalidate_caches()
        linecache.checkcache()
        host = load_host(root, trusted=self.trusted)
        host.announce(self.say, before)
        self.site.workspace = Workspace(root, host)
        self._adopt(host)

    def _adopt(self, host: Host) -> None:
        """Watch this host's plugins, and trust the local files that it has run."""
        ran = (r for r in host.records if r.kind == "local" and r.milliseconds is not None)
        self.trusted |= {Path(record.value) for record in ran}
        self._places = [place for record in host.records for place in _editable(record)]
        self.generation = secrets.token_hex(6)

    def _stamps(self) -> dict[Path, Stamp]:
        """Path -> when and how each watched file was last written."""
        root = self.site.workspace.root
        files = [*(root / FOLDER).glob("*.py"), *(root / FAMILIES).rglob("*.json"), Trust.read().path]
        for place in self._places:
            files += place.rglob("*.py") if place.is_dir() else [place]
        stamps = {}
        for path in files:
            try:
                about = path.stat()
            except OSError:
                continue
            stamps[path] = (about.st_mtime_ns, about.st_size, about.st_ino)
        return stamps


def _editable(record: Record) -> list[Path]:
    """Files and folders of an installed plugin's package; none for one that pip has copied to its folder."""
    if record.kind != "installed" or record.status == "disabled" or not record.package:
        return []
    try:
        spec = importlib.util.find_spec(record.package)
    except (ImportError, ValueError, AttributeError):
        return []
    if spec is None:
        return []
    found = list(spec.submodule_search_locations or ()) or [spec.origin or ""]
    owned = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return [Path(f) for f in found if f and not any(Path(f).is_relative_to(folder) for folder in owned)]
