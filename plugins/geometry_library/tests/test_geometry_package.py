import re
import subprocess
import sys
from pathlib import Path

import pytest

import mi_geometry_library
from mi_geometry_library import (
    alignment,
    centroid_dimension,
    circularity,
    class_clouds,
    entropy_rank,
    fisher,
    fit_quadric,
    path_components,
    path_sums,
    principal_components,
    signal_to_noise,
    singular_values,
    speed,
    squared_distances,
    turning,
)

README = Path(__file__).parents[1] / "README.md"


def test_needs_neither_mi_nor_torch() -> None:
    code = (
        "import mi_geometry_library as g, sys; g.fit_quadric; g.alignment; "
        "print([m for m in ('mi', 'torch', 'xarray', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=README.parent
    )
    assert done.stdout.strip() == "[]"


def test_results_stay_on_the_device() -> None:
    torch = pytest.importorskip("torch")
    np = pytest.importorskip("numpy")
    # A device that has shapes and no data: anything that left it would fail or be elsewhere.
    x = torch.zeros((12, 5), device="meta")
    clouds = class_clouds(x, np.arange(12) % 4, 4)
    components = principal_components(x, 3)
    weights = np.full(12, 1 / 12)
    sums = path_sums(x, weights)
    results = [
        *clouds,
        signal_to_noise(clouds),
        *fisher(clouds),
        centroid_dimension(clouds),
        circularity(squared_distances(x)),
        *components,
        alignment(components.score, components.score),
        *sums,
        *path_components(sums, weights, 2),
        speed(sums, range(12)),
        turning(sums),
        *fit_quadric(x[:, :3]),
        entropy_rank(singular_values(x)),
    ]
    assert {result.device.type for result in results} == {"meta"}


def test_every_public_name_is_in_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    functions = [name for name in mi_geometry_library.__all__ if name[0].islower()]
    assert [name for name in functions if f"`{name}(" not in text] == []


def test_the_example_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = README.read_text(encoding="utf-8")
    code, output = re.findall(r"```(?:python|text)\n(.*?)```", text, flags=re.DOTALL)[:2]
    exec(code, {})
    assert capsys.readouterr().out == output
