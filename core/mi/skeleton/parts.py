"""The parts that a new plugin may have, and the files that each of them brings."""

from __future__ import annotations

from attrs import frozen

from mi.errors import ParameterError, unknown

PARTS = ("family", "probe", "analyzer", "visualization")


@frozen
class File:
    """One file of a new plugin.

    Attributes:
        template: below ``templates/``, without its suffix ``.j2``.
        target: where it goes; ``{package}`` and ``{family}`` are filled in.
        parts: it is written only when all of these were chosen.
    """

    template: str
    target: str
    parts: tuple[str, ...] = ()


_PACKAGE, _DECLARED = "src/{package}", "src/{package}/families/{family}"
FILES = (
    File("pyproject.toml", "pyproject.toml"),
    File("README.md", "README.md"),
    File("gitignore", ".gitignore"),
    File("package/init.py", f"{_PACKAGE}/__init__.py"),
    File("package/py.typed", f"{_PACKAGE}/py.typed"),
    File("package/plugin.py", f"{_PACKAGE}/plugin.py"),
    File("package/model.py", f"{_PACKAGE}/model.py", ("family",)),
    File("package/family.py", f"{_PACKAGE}/family.py", ("family",)),
    File("package/probes.py", f"{_PACKAGE}/probes.py", ("probe",)),
    File("package/dimension.py", f"{_PACKAGE}/dimension.py", ("analyzer",)),
    File("package/figures.py", f"{_PACKAGE}/figures.py", ("visualization",)),
    File("declared/family.json", f"{_DECLARED}/family.json", ("family",)),
    File("declared/full.json", f"{_DECLARED}/probes/full.json", ("family",)),
    File("declared/balanced.json", f"{_DECLARED}/probes/balanced.json", ("family", "probe")),
    File("declared/default.json", f"{_DECLARED}/reports/default.json", ("family",)),
    File("tests/conftest.py", "tests/conftest.py"),
    File("tests/test_plugin.py", "tests/test_plugin.py"),
    File("tests/test_family.py", "tests/test_family.py", ("family",)),
    File("tests/test_probes.py", "tests/test_probes.py", ("probe",)),
    File("tests/test_dimension.py", "tests/test_dimension.py", ("analyzer",)),
    File("tests/test_figures.py", "tests/test_figures.py", ("visualization",)),
)


def chosen_parts(text: str) -> tuple[str, ...]:
    """The parts that a list such as ``family,analyzer`` names, in their usual order.

    Raises:
        ParameterError: no part, or one that does not exist.
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise ParameterError(f"--with is {text!r}, expected some of {','.join(PARTS)}")
    for name in names:
        if name not in PARTS:
            raise ParameterError(f"--with {text}: {unknown('part', name, PARTS)}")
    return tuple(part for part in PARTS if part in names)


def files_of(parts: tuple[str, ...]) -> list[File]:
    """The files of a plugin with these parts."""
    return [file for file in FILES if set(file.parts) <= set(parts)]
