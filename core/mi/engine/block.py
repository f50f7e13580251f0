"""One task: the stale checkpoints of one block of one variant, from weights to committed artifacts."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, suppress

from mi.engine.blockwork import BlockWork
from mi.engine.readahead import read_ahead
from mi.engine.resolve import set_up
from mi.engine.session import Session
from mi.engine.task import Outcome, Task
from mi.numerics import exactly
from mi.timing import timed


@exactly()
def run_block(task: Task, session: Session, done: Callable[[int], None] | None = None) -> Outcome:
    """Work on one block; its results are committed when this returns, also after Ctrl-C.

    Args:
        task: the block; its groups are prepared.
        session: this process's workspaces and model.
        done: ``f(epoch)``, called after each checkpoint.

    Raises:
        StoreError: the store cannot be written.
        StrictError: in strict mode, the first failure of an analyzer; results before it are committed.
        PlanError: what was planned with has changed since.
    """
    variant = session.workspace(task.root).variant(task.variant)
    every = tuple(c.epoch for c in task.checkpoints)
    with timed("plan", "bind analyzers to a block"):
        bench, _, _ = set_up(
            variant,
            task.probe,
            task.asked,
            every,
            task.device,
            task.dtype,
            session,
            task.keep,
            task.memory,
        )
        block = BlockWork(task, bench, session)
    try:
        there = {c.epoch: c for c in task.checkpoints}
        chosen = [there[e] for e in task.epochs]
        with closing(read_ahead(chosen, task.contents, task.device, block.unread)) as pace:
            start = time.perf_counter()
            for loaded in pace:
                block.outcome.spent("load", start)
                if loaded.error is not None:
                    block.damaged(loaded.checkpoint.epoch, str(loaded.error))
                else:
                    block.checkpoint(loaded)
                if done is not None:
                    done(loaded.checkpoint.epoch)
                start = time.perf_counter()
    except KeyboardInterrupt:
        block.outcome.interrupted = True
    except BaseException:
        with suppress(Exception):  # the writer's own error is the one that is raised
            block.writer.close()  # what was done before stays
        raise
    start = time.perf_counter()
    with timed("write", "wait for the writer's end"):
        block.writer.close()
    block.outcome.spent("write", start)
    block.strict()
    block.outcome.failures += block.writer.failures
    block.outcome.computed = sum(len(group.written) for group in block.groups.values())
    return block.outcome
