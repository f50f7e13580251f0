"""The fixtures of the kit: isolated, tiny, seeded; and light where pytest starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mi.domain.workspace import Variant, Workspace
from mi.errors import UnknownNameError
from mi.store.checkpoints import list_checkpoints, load_tensors
from mi.store.layout import VariantPaths
from mi.testing import Ran
from mi.testing.fixtures import LoadHost, MakeVariant

HEAVY = ("torch", "transformer_lens", "numpy", "zarr", "xarray", "bokeh", "pandas", "attrs", "mi.domain")


def test_pytest_starts_without_anything_heavy(tmp_path: Path) -> None:
    (tmp_path / "test_start.py").write_text(
        "import sys\n"
        "def test_light(request):\n"
        "    assert request.config.pluginmanager.has_plugin('mi')\n"
        f"    assert [m for m in {HEAVY!r} if m in sys.modules] == []\n"
    )
    done = subprocess.run(
        # The entry point alone: zarr and others bring pytest plugins of their own, which are not light.
        [sys.executable, "-m", "pytest", "-q", "-p", "mi", "."],
        capture_output=True, text=True, cwd=tmp_path, check=False,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_no_variable_of_the_users_is_seen(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("MI_STRICT_PLUGINS", "1")
    monkeypatch.setenv("MI_WORKSPACE", "/nowhere")
    monkeypatch.setenv("MI_CHROMIUM", "/somewhere")
    request.getfixturevalue("mi_isolated")
    assert {k for k in os.environ if k.startswith("MI_")} == {
        *("MI_HOME", "MI_LOAD_PLUGINS", "MI_TRUST", "MI_CHROMIUM")
    }


def test_the_host_loads_what_is_named_and_nothing_else(mi_host: LoadHost) -> None:
    host = mi_host("fourier_library")
    assert [r.name for r in host.records if r.status == "loaded"] == ["core", "fourier_library"]
    assert {r.status for r in host.records if r.name not in ("core", "fourier_library")} == {"disabled"}


def test_a_plugin_that_is_not_there_is_an_error(mi_host: LoadHost) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown plugin 'fourier_libary': did you mean fourier_lib"):
        mi_host("fourier_libary")


def test_the_kits_plugin_can_be_given(mi_host: LoadHost) -> None:
    from mi.testing import tiny

    host = mi_host("fourier_library", given={"testing": tiny})
    assert list(host.family_codes()) == ["testing.mlp"]
    assert host.failures() == []


def test_the_workspace_holds_the_tiny_family(mi_workspace: Workspace, mi_cli: Callable[..., Ran]) -> None:
    assert mi_workspace.family_names() == ["tiny"]
    assert [one["family"] for one in mi_cli("families", "--json").json()] == ["tiny"]
    assert mi_cli("families", "validate").code == 0


def test_a_refused_command_is_one_sentence(mi_cli: Callable[..., Ran]) -> None:
    assert mi_cli("show", "nothing").refusal().startswith("unknown variant 'nothing'")
    with pytest.raises(AssertionError, match="expected a refusal"):
        mi_cli("families").refusal()


def test_the_tiny_variant_is_seeded(mi_tiny: Variant, mi_variant: MakeVariant) -> None:
    checkpoints = list_checkpoints(VariantPaths(mi_tiny.folder))
    assert [c.epoch for c in checkpoints] == [0, 2, 4, 6, 8]
    again = mi_variant("tiny", {"seed": 0})
    assert again.folder == mi_tiny.folder
    other = list_checkpoints(VariantPaths(mi_variant("tiny", {"seed": 1}).folder))
    start, otherwise = load_tensors(checkpoints[0].path), load_tensors(other[0].path)
    assert {n: tuple(t.shape) for n, t in start.items()} == {
        "embed": (7, 4),
        "inner": (4, 6),
        "outer": (6, 7),
    }
    assert not any(start[name].equal(otherwise[name]) for name in start)


def test_the_tiny_model_is_hooked(mi_tiny: Variant, mi_tiny_model: object) -> None:
    import torch

    _, probe = mi_tiny.probe()
    tokens = torch.as_tensor(probe.tokens)
    _, cache = mi_tiny_model.run_with_cache(tokens, names_filter="hook_hidden")  # type: ignore[attr-defined]
    assert cache["hook_hidden"].shape == (49, 2, 6)


def test_the_tiny_variant_goes_the_whole_way(
    mi_tiny: Variant, mi_cli: Callable[..., Ran], tmp_path: Path
) -> None:
    ran = mi_cli("analyze", mi_tiny.name, "--threads", "1")
    assert ran.code == 0, ran.err
    assert mi_cli("report", "validate").code == 0
    ran = mi_cli("report", "build", "default", mi_tiny.name, "--to", str(tmp_path / "tiny.html"))
    assert (ran.code, ran.err) == (0, "")
    assert "Activity of units" in (tmp_path / "tiny.html").read_text()


@pytest.fixture(scope="session")
def mi_plugins() -> tuple[str, ...]:
    return ("fourier_library",)


def test_plugins_are_named_by_overriding_a_fixture(mi_workspace: Workspace) -> None:
    loaded = [r.name for r in mi_workspace.host.records if r.status == "loaded"]
    assert loaded == ["core", "fourier_library", "testing"]
