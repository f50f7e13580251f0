import re
import subprocess
import sys
from pathlib import Path

import pytest

import mi_fourier_library
from mi_fourier_library import (
    amplitude_phase,
    component,
    components,
    dominant,
    energy,
    energy_share,
    fraction_of_variance,
    frequency_fractions,
    from_basis,
    to_basis,
    trig_coefficients,
)

README = Path(__file__).parents[1] / "README.md"


def test_needs_neither_mi_nor_torch() -> None:
    code = (
        "import mi_fourier_library, sys; "
        "print([m for m in ('mi', 'torch', 'xarray', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=README.parent,
    )
    assert done.stdout.strip() == "[]"


def test_results_stay_on_the_device() -> None:
    torch = pytest.importorskip("torch")
    # A device that has shapes and no data: anything that left it would fail or be elsewhere.
    x = torch.zeros((12, 12, 3), device="meta")
    square = x[:, :, 0]
    frac = frequency_fractions(x).frac
    results = [
        to_basis(x, 0),
        from_basis(x, 0),
        *amplitude_phase(x, 0),
        energy(x, 0),
        energy_share(x, 0, keep_other_axes=True),
        frac,
        *dominant(frac),
        *components(square),
        component(square, [2, 6]),
        trig_coefficients(square),
        fraction_of_variance(trig_coefficients(square), 1.0, 12),
    ]
    assert {result.device.type for result in results} == {"meta"}


def test_every_public_name_is_in_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    functions = [name for name in mi_fourier_library.__all__ if name[0].islower()]
    assert [name for name in functions if f"`{name}(" not in text] == []


def test_the_examples_of_the_readme_run(capsys: pytest.CaptureFixture[str]) -> None:
    text = README.read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:python|text)\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 4
    for code, output in zip(blocks[::2], blocks[1::2], strict=True):
        exec(code, {})
        assert capsys.readouterr().out == output
