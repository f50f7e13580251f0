"""A request bound to one variant and probe: options, dimensions and context resolved, fit checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mi.domain.keep import Keep
from mi.domain.workspace import Variant
from mi.engine.bench import Bench
from mi.engine.broken import blamed, check_needs
from mi.engine.capture import UnbuiltError
from mi.engine.data import Subject
from mi.engine.fit import check_gradients, misfit, of_variants, unfit
from mi.engine.graph import close
from mi.engine.hooks import recorded_hooks
from mi.engine.item import Item, make_item
from mi.engine.keep import expand, make_keep
from mi.engine.memory import NoRoomError, check_rows_stored, default_memory
from mi.engine.session import Session
from mi.errors import MiError, NotApplicableError, PlanError, PluginError
from mi.store.checkpoints import WeightShapes
from mi.store.layout import VariantPaths


def set_up(
    variant: Variant,
    probe_name: str | None,
    asked: Iterable[str] | None,
    epochs: tuple[int, ...],
    device: str,
    dtype: str,
    session: Session | None = None,
    keep: Sequence[Keep] = (),
    memory: int | None = None,
) -> tuple[Bench, dict[str, str], dict[str, str]]:
    """Bind a request to a variant.

    Args:
        variant: an existing variant.
        probe_name: a saved probe; None for the family's default.
        asked: ids of analyzers; None for those that family.json lists.
        epochs: epochs of the variant's checkpoints.
        device, dtype: of the passes.
        session: holds the model, which is built where an analyzer's sites or dimensions depend on it and
            no kept activations say what its hooks are.
        keep: sites whose activations are to be kept.
        memory: bytes that activations and probe may take; None for half of what is free.

    Returns:
        The bench; analyzers of family.json that do not apply to this probe, with the reason; and those that
        cannot be had at all (no plugin offers them, their code cannot be imported, their declaration does not
        fit the model, it does not fit the memory given), with the reason.

    Raises:
        UnknownNameError: an analyzer asked for by name, or the probe, does not exist.
        PlanError: an analyzer asked for by name does not apply or cannot be had; a need that cannot be met.
        PluginError: in strict mode, an analyzer that cannot be had.
    """
    family, host = variant.family, variant.workspace.host
    session, memory = session or Session(), default_memory(device) if memory is None else memory
    name, probe = session.probe(variant, probe_name)
    probe = probe.limited(memory)
    offered = host.analyzers(family)
    wanted = [use.id for use in family.analyzers] if asked is None else list(dict.fromkeys(asked))
    skipped: dict[str, str] = {}
    broken: dict[str, str] = {}
    for id in wanted:
        if id not in offered:
            error = host.unoffered(f"analyzer of family {family.name}", id, offered)
            if asked is not None:
                raise error
            broken[id] = str(error)
    usable = of_variants([id for id in wanted if id in offered], offered, probe, named=asked is not None)
    if asked is None:
        reasons = {id: unfit(id, offered, probe) for id in usable}
        skipped = {id: reason for id, reason in reasons.items() if reason}
        usable = [id for id in usable if id not in skipped]
    chain = close(usable, offered)
    for analyzer in chain:
        reason = misfit(analyzer, probe)
        if reason:
            raise PlanError(f"analyzer {analyzer.id} on probe {name}: {reason}")
    recorded = recorded_hooks(variant, name, probe.n_ctx, dtype)
    subject = Subject(
        parameters=dict(variant.parameters),
        dimensions=dict(variant.code.dimensions()),
        context=dict(variant.code.context()),
        probe=probe,
        epochs=epochs,
        hooks=recorded or session.hooks(variant, device, dtype, probe),
        weights=WeightShapes(VariantPaths(variant.folder)),
    )
    # Kept sites come first: they are copied before any analyzer sees them.
    kept = [make_keep(variant, one, subject, dtype) for one in expand(keep, subject.hooks)] if keep else []
    items: dict[str, Item] = {item.id: item for item in kept}
    roomless: set[str] = set()
    bench = Bench(variant, VariantPaths(variant.folder), name, subject, items, device, dtype, memory)
    for analyzer in chain:  # every complaint about a declaration comes before any work
        try:
            for need in analyzer.artifacts:
                if need.analyzer in skipped:
                    raise NotApplicableError(f"needs {need.analyzer}, which is {skipped[need.analyzer]}")
            if needed := roomless & {need.analyzer for need in analyzer.artifacts}:
                raise NoRoomError(f"analyzer {analyzer.id}: skipped, because {min(needed)} is broken")
            check_needs(analyzer, broken)
            item = make_item(variant, analyzer, subject, dtype)
            check_gradients(item, variant.code, probe)
            check_rows_stored(analyzer, probe, memory)
            bench.group(item, epochs)
            items[item.id] = item
        except NotApplicableError as error:
            if asked is not None:
                raise PlanError(f"analyzer {analyzer.id} on probe {name}: {error}") from error
            skipped[analyzer.id] = str(error)
        except NoRoomError as error:  # nobody's fault: the others run, though it was asked for by name
            roomless.add(analyzer.id)
            broken[analyzer.id] = blamed(family, host, analyzer.id, error)
        except UnbuiltError:  # the family's fault, and nothing runs without its model
            raise
        except MiError as error:  # its code or its declaration is no good; the others' are
            if asked is not None:
                raise
            broken[analyzer.id] = blamed(family, host, analyzer.id, error)
            if host.strict:
                raise PluginError(broken[analyzer.id]) from error
    return bench, skipped, broken
