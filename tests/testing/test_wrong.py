"""Every check of the kit can fail: a plugin with one wrong declaration for each fails exactly that one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import pytest

import mi.testing
from mi.testing import tiny

SITE = Path(__file__).parent / "site"
# What a whole plugin is checked for is tried on `TestPlugin…` alone: it takes a process each time.
CHOSEN = "(TestPlugin or not (test_plugin or test_requirement or test_family_is_shipped))"
PARTS = {
    "families": ("Family", "Plugin", "Nothing"),
    "what is offered": ("Probes", "Analyzers", "Visualizations", "Second"),
}
Failed = dict[str, dict[str, str]]  # subject -> check -> sentence

# subject -> the one check that fails, and a part of what it says
FAULTS = {
    "Family_validates": ("test_family_validates", "analyzers[0].id is 'wrong.nothing'"),
    "Family_described": ("test_family_is_described", "parameters.hidden.description is empty"),
    "Family_accepts": (
        "test_parameters_are_refused_in_a_sentence",
        "{'size': 3} is accepted; raise ParameterError",
    ),
    "Family_crashes": (
        "test_parameters_are_refused_in_a_sentence",
        "OverflowError: too many; refuse it with ParameterError",
    ),
    "Family_rows": ("test_rows_are_encoded", "tokens of shape (25, 2), int32; give int64"),
    "Family_row_order": ("test_rows_are_encoded_one_by_one", "other masks['train'] for the same row"),
    "Family_dims": ("test_dimensions_can_be_stored", "dimensions()['epoch'] has a reserved name"),
    "Family_context": ("test_context_is_plain", "context()['draw'] differs when it is made again"),
    "Family_unseeded": (
        "test_initialization_is_seeded",
        "weight embed differs when the same variant is initialized",
    ),
    "Family_one_seed": ("test_initialization_is_seeded", "another seed gives the same initialization"),
    "Family_training_mode": ("test_model_is_hooked", "in training mode; call .eval()"),
    "Family_misspelt": (
        "test_model_is_hooked",
        "reads hook_hiden@-1, but the model of family wrong_misspelt has no",
    ),
    "Family_lenient": ("test_weights_load_strictly", "accepts a checkpoint without embed"),
    "Family_leftover": ("test_weights_are_swapped_whole", "loading A, B, A gives other logits than A"),
    "Family_batchy": ("test_rows_are_independent", "logits depend on the rows beside it"),
    "Family_forward": ("test_forward_is_the_model", "and the hooked model differ"),
    "Family_losses": ("test_row_losses_have_gradients", "a row's loss depends on the rows beside it"),
    "Family_global_build": ("test_process_is_left_alone", "torch's random state is another after building"),
    "Family_detached": ("test_training_takes_a_step", "give a finite scalar with a graph"),
    "Family_metrics": ("test_metrics_are_declared", "metric 'valid_loss' is declared but not returned"),
    "Family_global_pass": (
        "test_training_leaves_the_process_alone",
        "torch's random state is another after a pass",
    ),
    "Family_resume": ("test_training_resumes_to_the_bit", "differs when training is resumed at epoch 2"),
    "Plugin_fails": ("test_plugin_loads", "fails in analyze: KeyError: 'no such family'"),
    "Plugin_heavy": ("test_plugin_is_light", "numpy is imported when the plugin is listed (/"),
    "Plugin_unmarked": ("test_plugin_gives_no_warning", "visualize() is not marked with @mi.hookimpl"),
    "Plugin_unbounded": ("test_requirement_is_bounded", "mi-core>=0.1 has no upper bound"),
    "Plugin_unshipped": ("test_family_is_shipped", "unknown family that a plugin ships 'nowhere'"),
    "Nothing_ProbeConformance": ("test_kinds_are_offered", "offers no probe kind to family tiny"),
    "Nothing_AnalyzerConformance": ("test_analyzers_are_offered", "offers no analyzer to family tiny"),
    "Nothing_VisualizationConformance": (
        "test_visualizations_are_offered",
        "offers no visualization to family",
    ),
    "Probes wrong.untitled": ("test_kind_is_described", "title is empty"),
    "Probes wrong.raises": ("test_kind_builds", "build raises LookupError: no rows today"),
    "Probes wrong.floats": ("test_kind_builds", "float64; give int64 (3, n_ctx)"),
    "Probes wrong.inconsistent": (
        "test_probe_is_consistent",
        "complete is False, but its rows are the grid in order",
    ),
    "Probes wrong.drawn": ("test_probe_is_the_same_again", "building it again gives another probe"),
    "Probes wrong.outside": ("test_tokens_are_in_the_vocabulary", "the model, fed its row"),
    "Probes wrong.option": ("test_options_are_taken_or_refused", "option n = 9 raises IndexError"),
    "Probes wrong.folder": ("test_probe_is_saved_and_read", "saved and read, it is another probe"),
    "Probes wrong.global_draw": ("test_building_leaves_the_process_alone", "numpy's random state is another"),
    "Analyzers wrong.undescribed": ("test_analyzer_is_described", "outputs['mean'].description is empty"),
    "Analyzers wrong.nowhere": (
        "test_declaration_resolves",
        "dimension 'nowhere' of output 'mean' is unknown",
    ),
    "Analyzers wrong.misspelt": ("test_declaration_resolves", "did you mean hook_hidden"),
    "Analyzers wrong.raises": (
        "test_analyzer_runs",
        "at epoch 0: raised ArithmeticError: nothing has happened yet",
    ),
    "Analyzers wrong.undeclared": (
        "test_reads_only_what_it_declares",
        "site hook_logits@-1 is read but not declared",
    ),
    "Analyzers wrong.unread": (
        "test_reads_all_that_it_declares",
        "site hook_embed is declared but never read",
    ),
    "Analyzers wrong.unread_gradient": (
        "test_reads_all_that_it_declares",
        "gradient of weight is declared but never read",
    ),
    "Analyzers wrong.edits": ("test_inputs_are_left_alone", "changes an activation or a weight in place"),
    "Analyzers wrong.extra": ("test_returns_what_it_declares", "returned undeclared output 'more'"),
    "Analyzers wrong.away": ("test_results_stay_on_the_device", "output 'mean' lies on meta"),
    "Analyzers wrong.drawn": ("test_same_result_again", "output 'mean' differs when it is computed again"),
    "Analyzers wrong.global_seed": (
        "test_process_is_left_alone",
        "torch's random state is another after a call",
    ),
    "Analyzers wrong.option": ("test_options_are_taken_or_refused", "ZeroDivisionError"),
    "Analyzers wrong.zero": ("test_missing_is_told_apart", "declares fill=0.0"),
    "Analyzers wrong.sentinel": (
        "test_missing_is_told_apart",
        "takes the value 6, which it declares as its `fill`",
    ),
    "Analyzers wrong.endless": ("test_missing_is_told_apart", "is not finite in"),
    "Analyzers wrong.unpriced": ("test_cost_is_a_number", "its cost raised KeyError: 'neurons'"),
    "Analyzers wrong.half": ("test_missing_is_told_apart", "declares fill=0.5, which int32 cannot hold"),
    "Analyzers wrong.twice": ("test_stored_as_declared", "dimension 'draw' has the coordinate 1 twice"),
    "Analyzers wrong.stale": (
        "test_second_analysis_does_nothing",
        "a second analysis computes 5 results again",
    ),
    "Analyzers wrong.mean_of_means": ("test_batches_do_not_matter", "in batches of 1 rows than in one; keep"),
    "Analyzers wrong.holds": ("test_no_batch_is_held", "state shares memory with site hook_hidden@-1"),
    "Analyzers wrong.stateful": (
        "test_epochs_are_independent",
        "depends on which checkpoints were analyzed before",
    ),
    "Analyzers wrong.rows": (
        "test_rows_are_independent",
        "output 'mean' of a row depends on the rows beside it",
    ),
    "Analyzers wrong.grid": (
        "test_rows_are_independent",
        "declare ProbeNeed(complete=True), or take any rows",
    ),
    "Visualizations wrong.untitled": ("test_visualization_is_described", "title is empty"),
    "Visualizations wrong.unknown": (
        "test_declaration_holds",
        "reads testing.nothing, which the family does not use",
    ),
    "Visualizations wrong.selector": (
        "test_declaration_holds",
        "selects along 'units', which no artifact has",
    ),
    "Visualizations wrong.other_field": (
        "test_frames_hold_the_declared_fields",
        "returned the fields bar, expected bars",
    ),
    "Visualizations wrong.raises": (
        "test_frames_hold_the_declared_fields",
        "raises LookupError: no bars today",
    ),
    "Visualizations wrong.grows": ("test_frames_have_one_shape", "as at the first epoch"),
    "Visualizations wrong.edits": ("test_frames_are_pure", "changes testing.activity in place"),
    "Visualizations wrong.drawn": (
        "test_frames_are_pure",
        "gives another frame for the same epoch and options",
    ),
    "Visualizations wrong.no_figure": (
        "test_visualization_draws",
        "figure returned str, expected a Bokeh figure",
    ),
    "Visualizations wrong.empty": ("test_figure_is_valid", "EMPTY_LAYOUT"),
    "Visualizations wrong.shared": ("test_every_page_has_its_own_figure", "owned by only a single document"),
    "Visualizations wrong.hidden_read": ("test_missing_artifacts_are_said", "declare all that it reads"),
    "Visualizations wrong.gaps": ("test_gaps_are_drawn", "two checkpoints of 5 analyzed its panel is error"),
    "Visualizations wrong.choice": ("test_every_choice_draws", "option kind = 'lines' shows no figure"),
    "Visualizations wrong.cosmetic": (
        "test_cosmetic_options_change_no_frame",
        "sign = -1 changes its frames",
    ),
    "Second": (
        "test_all_panels_fit_in_one_file",
        "a panel fails that draws alone: ['ValueError: not alone']",
    ),
}
RIGHT = (
    "Family_right",
    "Probes wrong.right",
    "Analyzers wrong.right",
    "Analyzers wrong.path",
    "Visualizations wrong.right",
)


@pytest.mark.parametrize("part", PARTS)
def test_a_fault_fails_exactly_its_check_and_says_so(part: str, tmp_path: Path) -> None:
    failed, passed = run_kit(tmp_path / "site", PARTS[part])
    expected = {subject: fault for subject, fault in FAULTS.items() if subject.startswith(PARTS[part])}
    assert {s: list(checks) for s, checks in failed.items()} == {s: [c] for s, (c, _) in expected.items()}
    for subject, (check, sentence) in expected.items():
        said = failed[subject][check]
        assert sentence in said
        assert re.search(r"; \S", said), f"it does not say how to mend it: {said}"
    assert {subject for subject in RIGHT if subject.startswith(PARTS[part])} <= passed


def run_kit(site: Path, classes: tuple[str, ...]) -> tuple[Failed, set[str]]:
    """What failed of these classes, by subject and check; and every subject of which a check passed."""
    shutil.copytree(SITE, site)
    write_families(site)
    report = site / "report.xml"
    chosen = f"({' or '.join(f'Test{name}' for name in classes)}) and {CHOSEN}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", chosen, f"--junitxml={report}", "wrong_checks.py"],
        capture_output=True, text=True, cwd=site, check=False, timeout=280,
        env={**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
    failed: Failed = defaultdict(dict)
    passed = set()
    for case in ElementTree.parse(report).iter("testcase"):
        check, _, parameter = case.attrib["name"].partition("[")
        subject = case.attrib["classname"].split(".")[-1].removeprefix("Test")
        subject += f" {parameter.rstrip(']')}" if parameter else ""
        assert case.find("error") is None, ElementTree.tostring(case, "unicode")
        failure = case.find("failure")
        if failure is not None:
            failed[subject][check] = " ".join(failure.attrib["message"].split())
        elif case.find("skipped") is None:
            passed.add(subject)
    return dict(failed), passed


def write_families(site: Path) -> None:
    """A family.json for each fault: the tiny family's, with the fault's code."""
    sys.path.insert(0, str(site))
    try:
        from mi_wrong.declare import FAMILIES
    finally:
        sys.path.remove(str(site))
    source = Path(tiny.__file__).parent / "families" / "tiny"
    for fault in FAMILIES:
        folder = shutil.copytree(source, site / "mi_wrong" / "families" / f"wrong_{fault}")
        data = json.loads((folder / "family.json").read_text())
        data |= {"name": f"wrong_{fault}", "code": f"wrong.{fault}", "visualizations": [], "analyzers": []}
        shutil.rmtree(folder / "reports")
        if fault == "described":
            data["parameters"]["hidden"]["description"] = ""
        if fault == "validates":
            data["analyzers"] = [{"id": "wrong.nothing"}]
        if fault == "misspelt":
            data["analyzers"] = [{"id": "wrong.misspelt"}]
        (folder / "family.json").write_text(json.dumps(data))


def test_every_check_is_seen_to_fail() -> None:
    classes = [getattr(mi.testing, name) for name in mi.testing.__all__ if name.endswith("Conformance")]
    checks = {(one.__name__, name) for one in classes for name in dir(one) if name.startswith("test_")}
    shared = {name for kind, name in checks if kind == "PluginConformance"}
    own = {(kind, name) for kind, name in checks if kind == "PluginConformance" or name not in shared}
    assert {(kind_of(subject), check) for subject, (check, _) in FAULTS.items()} == own


def kind_of(subject: str) -> str:
    """The class that a subject is checked by."""
    word = subject.split("_")[-1] if subject.startswith("Nothing") else re.split(r"[ _]", subject)[0]
    plural = {"Probes": "Probe", "Analyzers": "Analyzer", "Visualizations": "Visualization"}
    word = {"Second": "Visualization", **plural}.get(word, word)
    return word if word.endswith("Conformance") else f"{word}Conformance"
