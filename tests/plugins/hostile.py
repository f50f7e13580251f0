"""Plugins that do harm, each in its own way, as real installed distributions: `mi-<name>` 1.0."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

ANALYZER = (
    "mi.Analyzer(id='{name}.{id}', version=1, title='', function='x:y', outputs={{'m': mi.Output(())}})"
)
CORE = "mi-core>=0.1,<1"


@frozen
class Hostile:
    """One plugin.

    Attributes:
        source: its module.
        hook: where it fails; empty when it does not.
        error: a part of the sentence.
        requires: its requirement on the core.
    """

    source: str
    hook: str = ""
    error: str = ""
    requires: str = CORE


def hook(body: str, name: str = "analyze", arguments: str = "family", before: str = "") -> str:
    return f"import mi, os, sys\n{before}\n@mi.hookimpl\ndef {name}({arguments}):\n    {body}\n"


def analyzer(name: str, id: str = "mean") -> str:
    return ANALYZER.format(name=name, id=id)


EVIL_ID = """
class Evil(mi.Analyzer):
    def __getattribute__(self, name):
        raise RuntimeError('do not look')
"""
TEXT_ID = """
class Text(str):
    def __eq__(self, other): raise RuntimeError('equal')
    __hash__ = str.__hash__
"""
ODD = """import sys
class Odd:
    def __getattr__(self, name): raise RuntimeError(f'no {name}')
    def __dir__(self): return ['analyze']
sys.modules[__name__] = Odd()
"""

FAILING = {
    "absent": Hostile(
        "import nowhere_to_be_found", "import", "ModuleNotFoundError: No module named 'nowhere"
    ),
    "syntax": Hostile("def broken(:", "import", "SyntaxError: invalid syntax"),
    "exits": Hostile("import sys; sys.exit(3)", "import", "SystemExit: 3"),
    "base": Hostile("class Evil(BaseException): pass\nraise Evil('deep')", "import", "Evil: deep"),
    "ctrl_c": Hostile("raise KeyboardInterrupt('not by hand')", "import", "KeyboardInterrupt: not by hand"),
    "lines": Hostile(
        r"raise ValueError('one\ntwo\r\n\x1b[31mthree\u2028mi: four\u202e')",
        "import",
        r"ValueError: one two \x1b[31mthree mi: four\u202e;",
    ),
    "mute": Hostile(
        "class Mute(Exception):\n    def __str__(self): raise RuntimeError\nraise Mute",
        "import",
        "Mute: its message cannot be read (RuntimeError)",
    ),
    "no_such": Hostile("nothing = 1", "import", "AttributeError"),
    "odd": Hostile(ODD, "register", "RuntimeError: no register_family"),
    "misspelt": Hostile(
        hook("return []", "analyse"), "register", "unknown hook 'analyse'; did you mean analyze?"
    ),
    "argument": Hostile(hook("return []", arguments="familly"), "register", "familly"),
    "raising": Hostile(hook("raise RuntimeError('no luck')"), "analyze", "RuntimeError: no luck"),
    "leaving": Hostile(hook("sys.exit(1)", "visualize"), "visualize", "SystemExit: 1"),
    "shut": Hostile(
        hook("raise GeneratorExit('shut')", "provide_probe"), "provide_probe", "GeneratorExit: shut"
    ),
    "late": Hostile(
        hook("yield from ()\n    raise KeyError('late')", "register_family", ""),
        "register_family",
        "KeyError: 'late'",
    ),
    "endless": Hostile(hook("while True: yield None"), "analyze", "returned more than 10,000 items"),
    "deep": Hostile(hook("return analyze(family)"), "analyze", "RecursionError: maximum recursion depth"),
    "huge": Hostile(hook("raise ValueError('x' * 10_000_000)"), "analyze", "ValueError: xxxxx"),
    "wrong": Hostile(hook("return ['mean']"), "analyze", "returned 'mean', expected Analyzer"),
    "number": Hostile(hook("return 7"), "analyze", "returned 7, expected Analyzer"),
    "unsaid": Hostile(
        hook("return [Evil()]", before="class Evil:\n    def __repr__(self): raise RuntimeError('no name')"),
        "analyze",
        "RuntimeError: no name",
    ),
    "hidden": Hostile(
        hook(
            "return [Evil(id='hidden.x', version=1, title='', function='x:y', outputs={'m': mi.Output(())})]",
            before=EVIL_ID,
        ),
        "analyze",
        "RuntimeError: do not look",
    ),
    "text_id": Hostile(
        hook(
            "return [mi.Analyzer(id=Text('text_id.x'), version=1, title='', function='x:y', "
            "outputs={'m': mi.Output(())})]",
            before=TEXT_ID,
        ),
        "analyze",
        "analyzer id is 'text_id.x', expected 'text_id.<name>'",
    ),
    "path_id": Hostile(
        hook(f"return [{analyzer('path_id', '../../x')}]"),
        "analyze",
        "analyzer id is 'path_id.../../x', expected",
    ),
    "thief": Hostile(
        hook(f"return [{analyzer('sample', 'answers')}]"),
        "analyze",
        "analyzer id is 'sample.answers', which belongs to plugin sample (mi-sample 1.0); expected 'thief.",
    ),
    "twice": Hostile(
        hook(f"return [{analyzer('twice')}, {analyzer('twice')}]"),
        "analyze",
        "'twice.mean' is declared twice",
    ),
    "nothing": Hostile(
        hook("return [mi.Analyzer(id='nothing.x', version=1, title='', function='x:y', outputs={})]"),
        "analyze",
        "no outputs are declared",
    ),
    "typed": Hostile(
        hook("return [mi.Analyzer(id='typed.x', version=1, title='', function='x:y', outputs={'m': 7})]"),
        "analyze",
        "analyzer typed.x: outputs['m'] is 7, expected Output",
    ),
    "unnamed": Hostile(
        hook(
            "return [mi.Analyzer(id='unnamed.x', version=1, title='', function='f', "
            "outputs={'m': mi.Output(())})]"
        ),
        "analyze",
        "function is 'f', expected a function, or one named as 'package.module:name'",
    ),
    "letters": Hostile(
        hook("return [mi.Output('neuron')]"),
        "analyze",
        "'neuron' is a string, expected a tuple such as ('neuron',)",
    ),
    "major": Hostile(
        "raise AssertionError", "discover", "it needs mi-core>=7,<8, this is 0.1.0", "mi-core>=7,<8"
    ),
    "above": Hostile(
        "raise AssertionError", "discover", "it needs mi-core>=0.0.1,<0.1, this is", "mi-core>=0.0.1,<0.1"
    ),
    "Bad-Name": Hostile("raise AssertionError", "discover", "the plugin name 'Bad-Name' is reserved or not"),
}
# These work, in ways that a host must bear.
BORNE = {
    "noisy": Hostile(
        "print('NOISE at import')\nimport os\nos.write(2, b'')\n"
        + hook("print('NOISE'); return []", "register_family", "")
    ),
    "swapping": Hostile(
        "import io, sys\nsys.stdout = io.StringIO()\nsys.stderr = None\n"
        + hook("sys.stdout = None; return []", "register_family", "")
    ),
    "moving": Hostile("import os\nos.chdir('/')\n" + hook("os.chdir('/'); return []", "register_family", "")),
    "newer": Hostile(hook("return []"), requires="mi-core>=0.9,<1"),
    "slow": Hostile("import time; time.sleep(0.4)\n" + hook("return []")),
}
# Only where the process is one of its own: streams of the tests must stay open, and the thread never ends.
ALONE = {
    "closing": Hostile(
        "import sys\nsys.stdout.close()\nsys.__stdout__.close()\nsys.__stderr__.close()\n"
        + hook("sys.stdout.close(); sys.stderr.close(); return []", "register_family", "")
    ),
    "threads": Hostile(
        "import threading\nthreading.Thread(target=threading.Event().wait).start()\n" + hook("return []")
    ),
}
# Distributions whose metadata are broken: folder -> (METADATA, entry_points.txt, who is named, if anybody).
BROKEN: dict[str, tuple[bytes, bytes, str]] = {
    "mi_garbled-1.0.dist-info": (
        b"Name: mi-garbled\nVersion: 1.0\n",
        b"[mi.plugins]\nno equals sign\n",
        "mi-garbled",
    ),
    "mi_latin-1.0.dist-info": (
        b"Name: mi-latin\nVersion: 1.0\n",
        b"[mi.plugins]\n\xe9t\xe9 = x\n",
        "mi-latin",
    ),
    "nameless-1.0.dist-info": (b"Summary: nothing\n", b"[mi.plugins]\n", ""),
    "other_a-1.0.dist-info": (b"\xff\xfe", b"[console_scripts]\nno equals sign\n", ""),
    "other_b-1.0.dist-info": (b"Name: other-b\nVersion: ???\nRequires-Dist: >>>\n", b"\xff\xfe", ""),
    "other_c-1.0.dist-info": (b"", b"[mi.plug\n", ""),
}


def write_distribution(site: Path, name: str, source: str, *, dist: str = "", requires: str = CORE) -> None:
    """Install a plugin: its module and its dist-info."""
    dist = dist or f"mi-{name}"
    module = f"mi_hostile_{dist.removeprefix('mi-').replace('-', '_').lower()}"
    site.mkdir(parents=True, exist_ok=True)
    (site / f"{module}.py").write_text(source)
    info = site / f"{dist.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    required = f"Requires-Dist: {requires}\n" if requires else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n{required}")
    value = f"{module}:nothing_of_that_name" if name == "no_such" else module
    (info / "entry_points.txt").write_text(f"[mi.plugins]\n{name} = {value}\n")


def write_site(site: Path, *, broken: bool = True) -> Path:
    """Everything above, two that claim one name, and a good plugin that must not notice.

    Args:
        site: where.
        broken: with broken metadata, which xarray cannot bear.
    """
    for name, plugin in {**FAILING, **BORNE, **ALONE}.items():
        write_distribution(site, name, plugin.source, requires=plugin.requires)
    for dist in ("mi-twin-one", "mi-twin-two"):
        write_distribution(site, "twin", "raise AssertionError", dist=dist)
    write_distribution(site, "good", hook(f"return [{analyzer('good')}]"))
    for folder, (metadata, entries, _) in BROKEN.items() if broken else ():
        (site / folder).mkdir()
        (site / folder / "METADATA").write_bytes(metadata)
        (site / folder / "entry_points.txt").write_bytes(entries)
    return site


def names(*more: str) -> str:
    """Value of ``MI_LOAD_PLUGINS`` that loads all that may share a process, and those named."""
    return ",".join([*FAILING, *BORNE, "twin", "good", "sample", "mi-garbled", "mi-latin", *more])
