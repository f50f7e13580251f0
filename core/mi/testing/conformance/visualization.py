"""Checks of visualizations: pure frames as declared, a figure that any browser takes, no gap unsaid."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from bokeh.core.validation.check import check_integrity
from bokeh.document import Document

from mi.domain.report import load_report, save_report
from mi.domain.visualization import Visualization
from mi.errors import MiError, PluginError
from mi.export.html import render
from mi.testing.conformance.analysis import analyzed
from mi.testing.conformance.drawing import Studio, edited, everything, snapshot, unlike
from mi.testing.conformance.edges import edges
from mi.testing.conformance.plugin import PluginConformance
from mi.testing.conformance.spec import Specimen
from mi.testing.conformance.verdict import attempt, broken, moot, quiet, said, untitled
from mi.views.check import same_shape
from mi.views.data import MissingArtifacts, ViewData
from mi.views.frames import make_frames
from mi.views.page import ReportPage, build_page
from mi.views.panel import MISSING, OK


class VisualizationConformance(PluginConformance):
    """A visualization maps artifacts to frames as it declares, and draws in every state of the store.

    Attributes:
        visualizations: ids of visualizations; all of the plugin's by default.
    """

    visualizations: ClassVar[tuple[str, ...]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test a visualization."""
        if "visualization" in metafunc.fixturenames:
            ids = type(self).visualizations or type(self).offered("visualize")
            metafunc.parametrize("visualization", ids, indirect=True, ids=ids, scope="class")

    @pytest.fixture(scope="class")
    @classmethod
    def studio(cls, specimen: Specimen) -> Studio:
        """Draws the tiny variant, analyzed by the engine."""
        with quiet("the family cannot be trained or fed; see FamilyConformance"):
            return Studio(analyzed(specimen))

    @pytest.fixture(scope="class")
    @classmethod
    def visualization(cls, specimen: Specimen, request: pytest.FixtureRequest) -> Visualization:
        """One visualization."""
        known = specimen.workspace.host.visualizations(specimen.family)
        if request.param not in known:
            broken(f"visualization {request.param} is not offered to family {cls.family}; correct "
                   "`visualizations`")  # fmt: skip
        return known[request.param]

    @pytest.fixture(scope="class")
    @classmethod
    def data(cls, visualization: Visualization, studio: Studio) -> ViewData:
        """What the visualization reads."""
        with quiet("see test_declaration_holds"):
            data = studio.data(visualization)
        if isinstance(data, MissingArtifacts):
            moot(f"{data.sentence} See test_declaration_holds and AnalyzerConformance")
        return data

    @pytest.fixture(scope="class")
    @classmethod
    def page(cls, visualization: Visualization, data: ViewData, studio: Studio) -> ReportPage:
        """A page with the visualization as its one panel, where it draws."""
        with quiet("see test_frames_hold_the_declared_fields"):
            studio.values(visualization)
            make_frames(data, visualization, studio.options(visualization))
        page = studio.page(visualization.id)
        if page.cards[0].state != OK:
            moot("see test_visualization_draws")
        return page

    def test_visualizations_are_offered(self) -> None:
        """The plugin offers a visualization to the family."""
        if not type(self).offered("visualize"):
            broken(f"plugin {self.plugin} offers no visualization to family {self.family}; return one from "
                   "visualize(family), or name another family")  # fmt: skip

    def test_visualization_is_described(self, visualization: Visualization) -> None:
        """The visualization has title and description, and each of its options a description."""
        if lacking := untitled(visualization):
            broken(f"visualization {visualization.id}: {lacking[0]} is empty; say it in a line")

    def test_declaration_holds(self, visualization: Visualization, studio: Studio) -> None:
        """It reads analyzers that the family has, fields name their dimensions, selectors a dimension."""
        who = f"visualization {visualization.id}"
        used = {use.id for use in studio.analysis.variant.family.analyzers}
        for id in visualization.reads:
            if id not in used:
                broken(f"{who} reads {id}, which the family does not use; name an analyzer's id")
        for name, declared in visualization.fields.items():
            if declared.kind != "text" and not declared.dims:
                broken(f"{who}: field {name!r} names no dims; name those of its array, rows first")
        with quiet("its artifacts are missing"):
            data = studio.data(visualization)
            assert isinstance(data, ViewData)
        for name, option in visualization.options.items():
            if option.role == "selector" and data.coordinates(option.dim) is None:
                broken(f"{who}: option {name!r} selects along {option.dim!r}, which no artifact has; "
                       "set dim to a dimension of what it reads")  # fmt: skip

    def test_frames_hold_the_declared_fields(
        self, visualization: Visualization, data: ViewData, studio: Studio
    ) -> None:
        """`static` and `frame` return exactly the declared fields, each a value of its declared kind."""
        try:
            studio.values(visualization)
        except PluginError as error:
            broken(f"{said(error)}; return the fields that are declared, or declare what is returned")
        except (Exception, SystemExit) as error:
            broken(f"visualization {visualization.id}: static or frame raises {said(error)}; read what the "
                   "declared artifacts hold")  # fmt: skip

    def test_frames_have_one_shape(
        self, visualization: Visualization, data: ViewData, studio: Studio
    ) -> None:
        """Every epoch's arrays have the shape of the first one's, and texts in columns stay the same."""
        with quiet("see test_frames_hold_the_declared_fields"):
            values = studio.values(visualization)
        frames = [v for v in values if not any(visualization.fields[name].static for name in v)]
        try:
            for epoch, frame in zip(studio.analysis.epochs, frames, strict=False):
                same_shape(visualization, frames[0], frame, epoch)
            make_frames(data, visualization, studio.options(visualization))
        except MiError as error:
            broken(f"{said(error)}; pad with NaN to one length, and keep names static")

    def test_frames_are_pure(self, visualization: Visualization, data: ViewData, studio: Studio) -> None:
        """Called again, `static` and `frame` return the same, and leave data and options as they were."""
        who = f"visualization {visualization.id}"
        before = snapshot(data)
        options = studio.options(visualization)
        with quiet("see test_frames_hold_the_declared_fields"):
            studio.values(visualization)
            first = everything(visualization, data, options)
            unchanged = options == studio.options(visualization)
            again = everything(visualization, data, studio.options(visualization))
        if name := edited(data, before):
            broken(f"{who} changes {name} in place; copy before editing")
        if not unchanged:
            broken(f"{who} changes the options that it is given; copy before editing")
        if any(map(unlike, first, again)):
            broken(f"{who} gives another frame for the same epoch and options; seed what is drawn, and keep "
                   "nothing between calls")  # fmt: skip

    def test_visualization_draws(self, visualization: Visualization, data: ViewData, studio: Studio) -> None:
        """`figure` returns a Bokeh model over its sources that can be sent to a browser."""
        with quiet("see test_frames_hold_the_declared_fields and test_frames_have_one_shape"):
            studio.values(visualization)
            make_frames(data, visualization, studio.options(visualization))
        card = studio.page(visualization.id).cards[0]
        if card.state != OK:
            broken(f"visualization {visualization.id} shows no figure: {card.sentence}; mend its `figure`")

    def test_figure_is_valid(self, visualization: Visualization, page: ReportPage) -> None:
        """Bokeh's own validation finds no error and no warning in the figure."""
        root = page.cards[0].root
        assert root is not None
        issues = check_integrity(root.references())
        for issue in [*issues.error, *issues.warning]:
            broken(f"visualization {visualization.id}: its figure has {issue.name} ({issue.text}: "
                   f"{issue.extra}); draw columns that its sources hold")  # fmt: skip

    def test_every_page_has_its_own_figure(
        self, visualization: Visualization, page: ReportPage, studio: Studio
    ) -> None:
        """Two pages are served at once: no model is shared between their documents."""
        pages = [page, studio.new_page(visualization.id)]

        def serve() -> None:
            documents = [Document(), Document()]
            try:
                for one, document in zip(pages, documents, strict=True):
                    for root in one.roots:
                        document.add_root(root)
                    document.to_json()
            finally:
                for document in documents:
                    document.clear()

        who = f"visualization {visualization.id}: serving two pages at once"
        attempt(serve, who, "make every model inside `figure`, and keep none between calls")

    def test_all_panels_fit_in_one_file(self, specimen: Specimen, studio: Studio) -> None:
        """A report of all visualizations that draw is written as one HTML file."""
        ids = type(self).visualizations or type(self).offered("visualize")
        drawn = [id for id in ids if studio.page(id).cards[0].state == OK]
        page = build_page(studio.analysis.variant, studio.report(*drawn))
        said_here = [card.sentence for card in page.failed]
        text = attempt(lambda: render(page), "the file of all panels", "make every model inside `figure`")
        if said_here or not all(card.id in text for card in page.cards):
            broken(f"plugin {self.plugin}: side by side, a panel fails that draws alone: {said_here[:1]}; "
                   "share no model between figures")  # fmt: skip

    def test_missing_artifacts_are_said(
        self, visualization: Visualization, page: ReportPage, studio: Studio
    ) -> None:
        """Where nothing is analyzed yet, the panel says what is missing and which command computes it."""
        card = studio.new_page(visualization.id, variant=studio.without_anything()).cards[0]
        reads = bool(visualization.reads or visualization.losses)
        if card.state != (MISSING if reads else OK):
            broken(f"visualization {visualization.id}: without artifacts its panel is {card.state} "
                   f"({card.sentence}); declare all that it reads in `reads` and `losses`")  # fmt: skip

    def test_gaps_are_drawn(self, visualization: Visualization, page: ReportPage, studio: Studio) -> None:
        """Where some checkpoints are not analyzed yet, the others are drawn."""
        card = studio.new_page(visualization.id, variant=studio.with_gaps()).cards[0]
        if card.state != OK:
            broken(f"visualization {visualization.id}: with two checkpoints of "
                   f"{len(studio.analysis.epochs)} analyzed its panel is {card.state} ({card.sentence}); "
                   "take epochs from the dataset, not from data.epochs")  # fmt: skip

    def test_every_choice_draws(
        self, visualization: Visualization, page: ReportPage, studio: Studio, tmp_path: Path
    ) -> None:
        """Every option, at its bounds and choices, passes through a report's file unchanged and draws."""
        for name, value in edges(visualization.options):
            who = f"visualization {visualization.id}: option {name} = {value!r}"
            saved = load_report(save_report(studio.report(visualization.id, options={name: value}), tmp_path))
            try:
                read = studio.options(visualization, saved.panels[0].options)
            except MiError as error:
                broken(f"{who} cannot be read back from a report ({said(error)}); use a type that JSON has")
            if read != studio.options(visualization, {name: value}):
                broken(
                    f"{who} is {read[name]!r} when it is read back from a report; use a type that JSON has"
                )
            card = studio.new_page(visualization.id, {name: value}).cards[0]
            if card.state != OK:
                broken(f"{who} shows no figure: {card.sentence}; draw it, or narrow the option")

    def test_cosmetic_options_change_no_frame(
        self, visualization: Visualization, page: ReportPage, studio: Studio
    ) -> None:
        """An option of role cosmetic changes how the figure looks, and no number in it."""
        cosmetic = {n: o for n, o in visualization.options.items() if o.role == "cosmetic"}
        usual = studio.values(visualization)
        for name, value in edges(cosmetic):
            with quiet("see test_every_choice_draws"):
                now = studio.values(visualization, {name: value})
            if unlike(usual, now):
                broken(f"visualization {visualization.id}: cosmetic option {name} = {value!r} changes its "
                       "frames; declare role='parameter', or use it in `figure` alone")  # fmt: skip
