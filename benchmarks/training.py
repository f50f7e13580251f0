"""Seconds an epoch: the factorized training pass against the same loop through a TransformerBridge.

    python benchmarks/training.py [--prime 113] [--rounds 7] [--threads N]

Both loops start from the same weights, take the same AdamW steps on the same pairs, cast logits to float64
for the loss, and measure loss and accuracy; only the forward pass differs. Rounds alternate, so that whatever
else the machine does hits both; the table has medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np

os.environ["GOMP_SPINCOUNT"] = os.environ.get("GOMP_SPINCOUNT", "1000")  # as `mi` sets it, before torch

import torch

from mi.domain.family import load_family
from mi_modular_arithmetic.family import ModularTransformer
from mi_modular_arithmetic.losses import accuracy, cross_entropy

Loop = tuple[Callable[[], None], Callable[[], None]]


def factorized(code: ModularTransformer) -> Loop:
    task = code.training("cpu")
    optimizer = task.optimizer(list(task.weights.values()))
    generator = torch.Generator()

    def step() -> None:
        optimizer.zero_grad()
        task.training_pass(task.weights, 0, generator).loss.backward()
        optimizer.step()

    def test() -> None:
        with torch.no_grad():
            task.evaluate(task.weights)

    return step, test


def bridged(code: ModularTransformer) -> Loop:
    model, task = code.build_model("cpu"), code.training("cpu")
    code.load_weights(model, {name: w.detach() for name, w in task.weights.items()})
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.endswith("bias"))  # zero and frozen
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = task.optimizer(trained)
    a, b = (grid.ravel() for grid in np.meshgrid(*code.axes().values(), indexing="ij"))
    rows = code.encode({"a": a, "b": b})
    tokens, labels = torch.as_tensor(rows.tokens), torch.as_tensor(rows.labels)
    sets = {name: (tokens[mask], labels[mask]) for name, mask in rows.masks.items()}

    def measure(name: str) -> torch.Tensor:
        tokens, labels = sets[name]
        logits = model(tokens)[:, -1]
        accuracy(logits.detach(), labels)
        return cross_entropy(logits, labels)

    def step() -> None:
        optimizer.zero_grad()
        loss = measure("train")
        with torch.no_grad():
            for parameter in trained:  # the weight norm, which the other loop measures too
                parameter.double().square().sum()
        loss.backward()
        optimizer.step()

    def test() -> None:
        with torch.no_grad():
            measure("test")

    return step, test


def timed(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prime", type=int, default=113)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    shipped = Path(str(files("mi_modular_arithmetic"))) / "families" / "modular_addition_1layer"
    family = load_family(shipped / "family.json")
    code = ModularTransformer(family.complete({"prime": arguments.prime}))
    loops = {"TransformerBridge": bridged(code), "factorized": factorized(code)}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    for i in range(arguments.rounds + 1):
        for name, (step, test) in loops.items():
            measured = timed(step), timed(test)
            if i:  # the first round warms up
                seconds[name].append(measured)
    alone = {name: statistics.median(step for step, _ in runs) for name, runs in seconds.items()}
    both = {name: statistics.median(step + test for step, test in runs) for name, runs in seconds.items()}
    print(
        f"p = {arguments.prime}, {code.parameters['train_fraction']:.0%} train, {arguments.threads} threads, "
        f"torch {torch.__version__}, {arguments.rounds} epochs of each loop, medians\n"
    )
    print("| an epoch of | TransformerBridge | factorized | ratio |")
    print("|---|---|---|---|")
    for label, times in (("training and a test pass", both), ("training alone", alone)):
        bridge, ours = times["TransformerBridge"], times["factorized"]
        print(f"| {label} | {1e3 * bridge:.0f} ms | {1e3 * ours:.0f} ms | {bridge / ours:.1f} × |")


if __name__ == "__main__":
    main()
