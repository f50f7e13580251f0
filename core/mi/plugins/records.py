"""What is known of one plugin, as data: it prints, it goes into JSON and comes back."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from attrs import asdict, define, field, fields, frozen

from mi.faults import details, one_line, place, sentence

# ``ready`` is what a survey knows; loading turns it into ``loaded`` or ``failed``.
STATUSES = ("ready", "loaded", "failed", "disabled", "untrusted")
KINDS = ("builtin", "installed", "local", "given")


@frozen(kw_only=True)
class Failure:
    """One thing that went wrong in a plugin.

    Attributes:
        hook: where: ``discover``, ``import``, ``register``, or the name of a hook.
        error: one sentence.
        details: the traceback, where there is one.
    """

    hook: str
    error: str
    details: str = ""


@define(kw_only=True)
class Record:
    """What is known of one plugin.

    Attributes:
        name: of the entry point, or of the local file without its suffix.
        kind: ``builtin``, ``installed`` (an entry point), ``local`` (a file of the workspace) or ``given``
            (an object that the caller handed over).
        distribution, version: the package that it came with; empty for a local file.
        value: ``package.module`` of the entry point, or the local file's path.
        api: the requirement on ``mi-core`` (or the local file's ``MI_API``), as it was written.
        digest: of a local file's content.
        status: one of ``STATUSES``.
        failures: everything that went wrong, in order.
        warnings: what did not stop it (written for a newer minor version, a slow import).
        hooks: names of the hooks that it implements.
        offers: hook -> ids of what it returned, over all families asked for so far.
        milliseconds: time to import it.
    """

    name: str
    kind: str = "installed"
    distribution: str = ""
    version: str = ""
    value: str = ""
    api: str = ""
    digest: str = ""
    status: str = "ready"
    failures: list[Failure] = field(factory=list)
    warnings: list[str] = field(factory=list)
    hooks: tuple[str, ...] = ()
    offers: dict[str, list[str]] = field(factory=dict)
    milliseconds: float | None = None

    @property
    def source(self) -> str:
        """``distribution version``, or the file, for messages."""
        return f"{self.distribution} {self.version}".strip() or self.value

    @property
    def package(self) -> str:
        """The top package of an entry point's module."""
        return self.value.split(":")[0].split(".")[0].strip()

    @property
    def owner(self) -> str:
        """``plugin name (distribution version)``, for messages."""
        return f"plugin {one_line(self.name)} ({one_line(self.source)})"

    def fail(self, hook: str, error: BaseException | str) -> Failure | None:
        """Keep a failure, an exception with its traceback; the same one only once, and None then.

        The text becomes one line; for a local file's exception the line in that file is added.
        """
        if isinstance(error, str):
            failure = Failure(hook=hook, error=one_line(error))
        else:
            said, where = sentence(error), place(error, self.value) if self.kind == "local" else ""
            failure = Failure(hook=hook, error=f"{said} ({where})" if where else said, details=details(error))
        if any((f.hook, f.error) == (hook, failure.error) for f in self.failures):
            return None
        self.failures.append(failure)
        return failure

    def line(self, failure: Failure) -> str:
        """The one loud line of a failure."""
        more = f"; see `mi plugins {shlex.quote(one_line(self.name))}`"
        return f"{self.owner} failed in {failure.hook}: {failure.error}{more}"

    def why_not(self, id: str) -> str:
        """What keeps it from offering ``id``, a clause without a full stop; empty where nothing does."""
        if self.failures:
            first = next((f for f in self.failures if id in f.error), self.failures[0])
            return f"{self.owner} failed in {first.hook}: {first.error}".rstrip(".")
        if self.status == "untrusted":
            return f"{self.owner} is untrusted: {one_line(self.warnings[-1])}"
        if self.status == "disabled":
            return f"{self.owner} is disabled (MI_LOAD_PLUGINS, MI_DISABLE_PLUGINS)"
        return ""

    def offer(self, hook: str, id: str) -> None:
        """Keep the id of something that the plugin returned."""
        ids = self.offers.setdefault(hook, [])
        if id not in ids:
            ids.append(id)

    def lines(self) -> list[str]:
        """A loud line for each failure, and for a local file that is not run."""
        said = [self.line(failure) for failure in self.failures]
        if self.status == "untrusted":
            said.append(f"local {self.owner}: {one_line(self.warnings[-1])}")
        return said

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, in the order of the attributes."""
        return asdict(self) | {"hooks": list(self.hooks)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        """The record that :meth:`to_json` made.

        Raises:
            KeyError, TypeError: it did not.
        """
        known = {f.name: data[f.name] for f in fields(cls)}
        known["failures"] = [Failure(**failure) for failure in data["failures"]]
        return cls(**known | {"hooks": tuple(data["hooks"])})
