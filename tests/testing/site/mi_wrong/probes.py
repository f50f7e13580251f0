"""Probe kinds, each wrong in one way."""

from __future__ import annotations

import os

import numpy as np
from attrs import evolve

from mi.domain.probe import probe_from_rows


def some(code, rows=(0, 3, 5), complete=False):
    meshes = np.meshgrid(*code.axes().values(), indexing="ij")
    columns = {name: mesh.ravel() for name, mesh in zip(code.axes(), meshes, strict=True)}
    if complete:
        return probe_from_rows(code, columns, complete=True)
    return probe_from_rows(code, {n: c[list(rows)] for n, c in columns.items()}, complete=False)


def right(code, options, folder):
    return some(code)


untitled = right


def raises(code, options, folder):
    raise LookupError("no rows today")


def floats(code, options, folder):
    probe = some(code)
    return evolve(probe, tokens=probe.tokens.astype(np.float64))


def inconsistent(code, options, folder):
    return evolve(some(code, complete=True), complete=False)


def drawn(code, options, folder):
    return some(code, rows=[byte % 25 for byte in os.urandom(16)])


def outside(code, options, folder):
    probe = some(code)
    return evolve(probe, tokens=probe.tokens + code.parameters["size"])


def option(code, options, folder):
    return some(code, rows=[[0, 1, 2][i] for i in range(options["n"])])


def folder(code, options, folder):
    return some(code, rows=range(len(list(folder.glob("*folder*.json"))) + 1))


def global_draw(code, options, folder):
    np.random.seed(0)
    return some(code)
