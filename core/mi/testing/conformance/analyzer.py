"""Checks of analyzers: each reads, returns and stores what it declares, whatever the order of work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from mi.domain.analyzer import Analyzer
from mi.engine.fit import misfit
from mi.errors import NotApplicableError
from mi.testing.conformance.analysis import Analysis, analyzed
from mi.testing.conformance.arrays import differing
from mi.testing.conformance.edges import edges
from mi.testing.conformance.plugin import PluginConformance
from mi.testing.conformance.process import left_behind
from mi.testing.conformance.runner import Call, Runner
from mi.testing.conformance.spec import Specimen
from mi.testing.conformance.verdict import broken, moot, quiet, untitled


class AnalyzerChecks(PluginConformance):
    """Checks of what one call of an analyzer reads and returns."""

    analyzers: ClassVar[tuple[str, ...]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test an analyzer."""
        if "analyzer" in metafunc.fixturenames:
            ids = type(self).analyzers or type(self).offered("analyze")
            metafunc.parametrize("analyzer", ids, indirect=True, ids=ids, scope="class")

    @pytest.fixture(scope="class")
    @classmethod
    def analysis(cls, specimen: Specimen) -> Analysis:
        """The tiny variant, analyzed by the engine."""
        with quiet("the family cannot be trained or fed; see FamilyConformance"):
            return analyzed(specimen)

    @pytest.fixture(scope="class")
    @classmethod
    def runner(cls, analysis: Analysis) -> Runner:
        """Calls analyzers one by one."""
        return Runner(analysis)

    @pytest.fixture(scope="class")
    @classmethod
    def analyzer(cls, specimen: Specimen, request: pytest.FixtureRequest) -> Analyzer:
        """One analyzer."""
        known = specimen.workspace.host.analyzers(specimen.family)
        if request.param not in known:
            broken(f"analyzer {request.param} is not offered to family {cls.family}; correct `analyzers`")
        return known[request.param]

    @pytest.fixture(scope="class")
    @classmethod
    def first(cls, analyzer: Analyzer, analysis: Analysis, runner: Runner) -> Call:
        """The analyzer called at the last checkpoint."""
        reason = misfit(analyzer, analysis.variant.probe(analysis.probe)[1])
        if reason:
            moot(f"over probe {analysis.probe} {reason}; name another in `probe`")
        if analyzer.id in analysis.refused:
            moot("see test_declaration_resolves")
        call = runner.call(analyzer.id)
        if call.error is not None and isinstance(call.error.__cause__, NotApplicableError):
            moot(f"{call.error.__cause__}; name a family or a probe that it fits")
        return call

    @pytest.fixture(scope="class")
    @classmethod
    def good(cls, first: Call) -> Call:
        """The same call, where it did not fail."""
        if first.fault:
            moot(f"the analyzer fails ({first.fault}); another check says how")
        return first

    def test_analyzers_are_offered(self) -> None:
        """The plugin offers an analyzer to the family."""
        if not type(self).offered("analyze"):
            broken(f"plugin {self.plugin} offers no analyzer to family {self.family}; return one from "
                   "analyze(family), or name another family")  # fmt: skip

    def test_analyzer_is_described(self, analyzer: Analyzer) -> None:
        """The analyzer has title and description; its options and outputs have descriptions."""
        lacking = untitled(analyzer)
        lacking += [f"outputs[{n!r}].description" for n, o in analyzer.outputs.items() if not o.description]
        if lacking:
            broken(f"analyzer {analyzer.id}: {lacking[0]} is empty; say it in a line")

    def test_declaration_resolves(self, analyzer: Analyzer, analysis: Analysis) -> None:
        """Sites, needs, context, options and the dimensions of outputs exist for this family."""
        problem = analysis.refused.get(analyzer.id, "")
        if "not applicable" in problem:
            moot(f"{problem}; name another probe in `probe`")
        if problem:
            broken(f"analyzer {analyzer.id}: {problem}; declare what this family has, or set `options`")

    def test_cost_is_a_number(self, analyzer: Analyzer, first: Call, runner: Runner) -> None:
        """A declared cost gives a number of operations from the sizes that there are, with any options."""
        if analyzer.cost is None:
            moot("it declares no cost")
        for options in ({}, *({name: value} for name, value in edges(analyzer.options))):
            if problem := runner.misprized(analyzer.id, options):
                broken(f"{problem}; take sizes by names that it is given, and the analyzer's options")

    def test_analyzer_runs(self, analyzer: Analyzer, first: Call, analysis: Analysis) -> None:
        """The function gives a result at every checkpoint."""
        if first.fault in ("raised", "refused"):
            broken(f"{first.error}; mend it, or raise ParameterError with a sentence for an option")
        if not first.fault and analyzer.id in analysis.failures:
            broken(f"{analysis.failures[analyzer.id]}; it must give a result at every checkpoint")

    def test_reads_only_what_it_declares(self, first: Call) -> None:
        """Nothing is read that the declaration does not name: sites, weights, artifacts, context."""
        if first.fault == "undeclared":
            broken(f"{first.error}; add it to the declaration, or do not read it")

    def test_reads_all_that_it_declares(self, analyzer: Analyzer, good: Call, runner: Runner) -> None:
        """What is declared is read, with some options: a site that nobody reads costs memory and time."""
        read = set(good.read)
        for name, value in edges(analyzer.options):
            read |= runner.call(analyzer.id, options={name: value}).read
        declared = {f"site {site.key}" for site in analyzer.sites}
        declared |= {f"derived quantity {quantity.id}" for quantity in analyzer.derived}
        declared |= {f"context value {name}" for name in analyzer.context}
        for need in analyzer.artifacts:
            declared.add(f"{'reference artifact' if need.at == 'reference' else 'artifact'} {need.analyzer}")
        declared |= {f"gradient at site {s.key}" for s in analyzer.gradient_sites() if not s.glob}
        for prefix, wanted in (
            ("gradient of weight", any(need.weights for need in analyzer.gradients)),
            ("gradient at site", bool(analyzer.gradient_sites())),
        ):
            if wanted and not any(name.startswith(prefix) for name in read):
                declared.add(prefix)
        if analyzer.model:
            declared.add("model")
        if analyzer.weights and not any(name.startswith("weight") for name in read):
            declared.add("weights")
        if unread := sorted(declared - read):
            broken(f"analyzer {analyzer.id}: {unread[0]} is declared but never read; delete it")

    def test_inputs_are_left_alone(self, analyzer: Analyzer, first: Call) -> None:
        """Activations, weights, context and probe are what they were: other analyzers read them too."""
        if first.fault == "changed":
            edit = f"analyzer {analyzer.id} changes an activation or a weight in place"
            what = edit if first.is_inference_edit else first.error
            broken(f"{what}; work on a copy, or use operations that return new tensors")

    def test_returns_what_it_declares(self, first: Call) -> None:
        """Outputs have the declared names, dimensions and dtypes."""
        if _astray(first, self.device):
            moot("see test_results_stay_on_the_device")
        if first.fault == "returned":
            broken(f"{first.error}; return it as declared, or declare what is returned")

    def test_results_stay_on_the_device(self, analyzer: Analyzer, first: Call) -> None:
        """Tensors that are returned lie where the data lay; the engine moves them, once."""
        if name := _astray(first, self.device):
            broken(f"analyzer {analyzer.id}: output {name!r} lies on {first.returned[name].device}, the data "
                   f"on {self.device}; make tensors with device=data.device")  # fmt: skip

    def test_same_result_again(self, analyzer: Analyzer, good: Call, runner: Runner) -> None:
        """Called again with the same data, the function returns the same bits."""
        again = runner.call(analyzer.id)
        if name := differing(good.arrays, again.arrays):
            broken(f"analyzer {analyzer.id}: output {name!r} differs when it is computed again; "
                   "seed what is drawn, and keep nothing between calls")  # fmt: skip

    def test_process_is_left_alone(self, analyzer: Analyzer, good: Call, runner: Runner) -> None:
        """The function draws from no global generator and changes no default."""
        if changed := left_behind(lambda: runner.call(analyzer.id)):
            broken(
                f"analyzer {analyzer.id}: {changed[0]} is another after a call; use a generator of its own"
            )

    def test_options_are_taken_or_refused(self, analyzer: Analyzer, good: Call, runner: Runner) -> None:
        """Every option, at its bounds and choices, gives a result or is refused with ParameterError."""
        for name, value in edges(analyzer.options):
            call = runner.call(analyzer.id, options={name: value})
            if call.fault and call.fault != "refused":
                broken(f"{call.error}, with option {name} = {value!r}; refuse it with ParameterError, or "
                       "narrow its bounds")  # fmt: skip


def _astray(call: Call, device: str) -> str:
    """The first output that lies on another kind of device; empty when none does."""
    import torch

    returned = call.returned if isinstance(call.returned, Mapping) else {}
    kind = torch.device(device).type
    return next((n for n, v in returned.items() if isinstance(v, torch.Tensor) and v.device.type != kind), "")
