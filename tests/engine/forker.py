"""Runs ``mi`` in forked children on request, so that a test can kill real processes without a start-up each.

Lines in: a JSON list of the command's arguments. Lines out: the child's process id, then its wait status.
"""

from __future__ import annotations

import json
import os
import sys

import torch

import mi.engine.analyze
import mi.engine.trajectory
import mi.engine.writer
import mi.store.losses
from mi.cli import cli


def main() -> None:
    torch.set_num_threads(1)
    mi.engine.writer.FLUSH_SECONDS = 0.05  # many early flushes: many instants that matter
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.environ["MI_TINY_SLEEP"] = "0.01"
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the pipe is for the parent's words
            os._exit(cli.run(json.loads(line)))
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(status, flush=True)


main()
