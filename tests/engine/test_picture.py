"""``mi analyze --dry-run --graph``: what is read, and what reads it, as text and for Graphviz."""

from __future__ import annotations

import re
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from mi.cli.picture import dot_lines, quoted, text_lines
from mi.domain.analyzer import Analyzer
from mi.domain.needs import ArtifactNeed, GradientNeed
from mi.domain.output import Output
from mi.domain.site import Site
from mi.engine.analyze import analyze, family_scopes
from mi.engine.picture import Edge, Picture, picture_of, picture_of_family
from mi.engine.plan import make_plan
from mi.engine.session import Session

TOKEN = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<word>[A-Za-z_][A-Za-z_0-9]*)|(?P<number>-?\d+(?:\.\d+)?)'
    r"|(?P<mark>->|[{}\[\];,=]))",
    re.S,
)


def parse_dot(text: str) -> tuple[dict[str, dict[str, str]], list[tuple[str, str, dict[str, str]]]]:
    """Nodes with their attributes, and edges, of a digraph in the part of the DOT grammar that we write.

    graph: 'digraph' ID '{' stmt* '}'; stmt: (ID '=' ID | 'subgraph' ID '{' stmt* '}' | 'node' attrs |
    ID ('->' ID)? attrs?) ';'?; attrs: '[' ID '=' ID (',' ID '=' ID)* ']' (graphviz.org/doc/info/lang.html).
    """
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        assert found is not None, text[at : at + 40]
        tokens.append(found.group().strip())
        at = found.end()
    place = 0
    nodes: dict[str, dict[str, str]] = {}
    edges: list[tuple[str, str, dict[str, str]]] = []

    def take(expected: str = "") -> str:
        nonlocal place
        token = tokens[place]
        assert not expected or token == expected, (expected, tokens[place - 3 : place + 3])
        place += 1
        return token

    def attributes() -> dict[str, str]:
        found: dict[str, str] = {}
        if tokens[place] == "[":
            take("[")
            while tokens[place] != "]":
                name = take()
                take("=")
                assert name not in found
                found[name] = take()
                if tokens[place] != "]":
                    take(",")
            take("]")
        return found

    def statements() -> None:
        take("{")
        while tokens[place] != "}":
            name = take()
            assert name not in ("->", "=", "[", "]", ",")
            if name == "subgraph":
                take()
                statements()
            elif tokens[place] == "=":
                take("=")
                take()
            elif tokens[place] == "->":
                take("->")
                edges.append((name, take(), attributes()))
            elif name != "node":
                assert name not in nodes, f"{name} is declared twice"
                nodes[name] = attributes()
            else:
                attributes()
            if tokens[place] == ";":
                take(";")
        take("}")

    take("digraph")
    take()
    statements()
    assert place == len(tokens)
    return nodes, edges


def names(picture: Picture, layer: str) -> dict[str, str]:
    return {node.name: node.state for node in picture.layer(layer)}


def test_everything_that_is_read_comes_before_what_reads_it(make: Any, tiny: Any) -> None:
    picture = picture_of(make_plan(Session(), make()))
    seen: set[tuple[str, str]] = set()
    for key, node in picture.nodes.items():
        assert {edge.source for edge in node.reads} <= seen, key
        seen.add(key)
    assert names(picture, "site") == {"hook_hidden@-1": "", "hook_logits@-1": ""}
    assert names(picture, "input") == {"context scale": "", "weights": ""}
    assert names(picture, "derived") == {"tiny.square": ""}
    scopes = {id: one.scope for id, one in tiny.ANALYZERS.items()}
    for scope in ("checkpoint", "trajectory"):
        assert names(picture, scope) == {id: "stale" for id in scopes if scopes[id] == scope}
    gap = picture.nodes["checkpoint", "tiny.gap"]
    means = ("checkpoint", "tiny.means")
    assert gap.reads == (Edge(means, "checkpoint"), Edge(means, "reference"))
    assert picture.nodes["derived", "tiny.square"].reads == (
        Edge(("site", "hook_hidden@-1")),
        Edge(("input", "context scale")),
    )


def test_states_are_told_with_their_reasons(make: Any, tiny: Any) -> None:
    variant = make()
    analyze([variant])
    tiny.ANALYZERS["tiny.share"] = evolve(tiny.ANALYZERS["tiny.share"], version=2)
    tiny.ANALYZERS["tiny.drift"] = evolve(tiny.ANALYZERS["tiny.drift"], version=2)
    tiny.ANALYZERS["tiny.energy"] = evolve(tiny.ANALYZERS["tiny.energy"], outputs={"energy": Output(("no",))})
    picture = picture_of(make_plan(Session(), make()))
    notes = {node.name: (node.state, node.note) for node in picture.nodes.values() if node.state}
    assert notes["tiny.means"] == ("fresh", "fresh at 5 checkpoints")
    declared = "its declaration, options or probe changed"
    assert notes["tiny.share"] == ("stale", f"stale at 5 of 5 checkpoints: {declared}")
    assert notes["tiny.path"] == ("fresh", "fresh")
    assert notes["tiny.drift"] == ("stale", "stale")
    state, note = notes["tiny.energy"]
    assert state == "out"
    assert "dimension 'no' of output 'energy' is unknown" in note
    few = make_plan(Session(), make(), probe="few")
    assert "skipped, not applicable" in picture_of(few).nodes["checkpoint", "tiny.grid"].note


def test_patterns_gradients_and_a_familys_analyzers_are_drawn(make: Any, tiny: Any) -> None:
    output = {"x": Output(())}
    tiny.ANALYZERS["tiny.glob"] = Analyzer(
        id="tiny.glob",
        version=1,
        title="Pattern",
        function=lambda data: {"x": 0.0},
        sites=(Site("hook_l*"),),
        gradients=(GradientNeed(weights=True, rows="train"), GradientNeed(sites=(Site("hook_hidden", -1),))),
        outputs=output,
    )
    tiny.ANALYZERS["tiny.ends"] = Analyzer(
        id="tiny.ends",
        version=1,
        title="Over variants",
        function=lambda data: {"x": 0.0},
        scope="family",
        artifacts=(ArtifactNeed("tiny.path", at="all"),),
        outputs=output,
    )
    variant = make(analyzers=["tiny.glob", "tiny.path", "tiny.ends"])
    session = Session()
    plan = make_plan(session, variant)
    assert plan.broken == {}
    picture = picture_of(plan)
    assert picture.nodes["site", "hook_l*"].note == "1 hook"
    assert list(names(picture, "gradient")) == [
        "of the loss over rows of train, by weights",
        "of the loss over all rows, by hook_hidden@-1",
    ]
    read = picture.nodes["checkpoint", "tiny.glob"].reads
    assert [edge.source[0] for edge in read] == ["site", "gradient", "gradient"]
    [scope] = family_scopes([variant], None, None, "cpu", "float32")
    scope.gather(session, [plan], dry=True)
    family = picture_of_family(scope)
    ends = family.nodes["family", "tiny.ends"]
    assert (ends.state, ends.note) == ("stale", "stale, over 1 of 1 variant")
    assert ends.reads == (Edge(("input", "tiny.path of each variant"), "all"),)
    parse_dot("\n".join(dot_lines([picture, family])))


def test_the_dot_holds_every_node_and_edge_once(make: Any) -> None:
    plans = [make_plan(Session(), make()), make_plan(Session(), make(seed=1))]
    pictures = [picture_of(plan) for plan in plans]
    nodes, edges = parse_dot("\n".join(dot_lines(pictures)))
    assert len(nodes) == sum(len(picture.nodes) for picture in pictures)
    reads = sum(len(node.reads) for picture in pictures for node in picture.nodes.values())
    assert len(edges) == len({(a, b, str(c)) for a, b, c in edges}) == reads
    assert {end for a, b, _ in edges for end in (a, b)} <= nodes.keys()
    name = quoted(f"{plans[0].variant.id}/checkpoint/tiny.gap")
    assert nodes[name]["label"] == quoted("tiny.gap\nstale at 5 of 5 checkpoints: never computed")
    assert {c.get("label") for a, b, c in edges if b == name} == {quoted("checkpoint"), quoted("reference")}


@given(st.text())
def test_any_name_is_quoted_so_that_it_is_one_token(text: str) -> None:
    found = TOKEN.fullmatch(quoted(text))
    assert found is not None and found["string"] == quoted(text)
    inner = quoted(text)[1:-1]
    assert "\n" not in inner
    read = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), inner, flags=re.S)  # as labels are read
    assert read == text


def test_the_command_shows_the_graph_and_writes_nothing(make: Any, mi: Any) -> None:
    variant = make()
    before = {*variant.folder.rglob("*"), variant.folder / ".hooks.json"}
    ran = mi(variant, "analyze", variant.name, "--dry-run", "--graph")
    assert ran.code == 0
    assert ran.out.splitlines() == text_lines([picture_of(make_plan(Session(), variant))])
    assert "      <- tiny.means at the reference" in ran.out
    assert mi(variant, "analyze", variant.name, "--dry-run", "--graph", "text") == ran
    ran = mi(variant, "analyze", "--graph=dot", "--dry-run", variant.name)
    assert ran.code == 0
    assert len(parse_dot(ran.out)[0]) == len(picture_of(make_plan(Session(), variant)).nodes)
    assert set(variant.folder.rglob("*")) <= before


def test_a_graph_of_what_is_done_at_once_is_refused(make: Any, mi: Any) -> None:
    variant = make()
    ran = mi(variant, "analyze", variant.name, "--graph")
    assert (ran.code, ran.out) == (2, "")
    assert "--graph shows what would be done: give --dry-run with it" in ran.err
    ran = mi(variant, "analyze", variant.name, "--dry-run", "--graph", "svg")
    assert ran.code == 2
    assert "'svg' is not one of 'text', 'dot'" in ran.err
