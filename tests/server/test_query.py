from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from mi.server.query import KNOWN, parse_query, report_url, shown


def test_the_last_of_repeated_arguments_counts_and_empty_ones_do_not() -> None:
    query = parse_query({"family": [b"a", b" b "], "variant": [b""], "report": [b"  "], "epoch": [b"1200"]})
    assert (query.family, query.variant, query.report, query.epoch) == ("b", None, None, 1200)
    assert query.notices == ()


def test_an_epoch_that_is_no_number_is_dropped_with_a_notice() -> None:
    for text in ("-1", "1e3", "1.5", "٣", "nan", "1_000", "9" * 13, "0x10"):
        query = parse_query({"epoch": [text.encode()]})
        assert query.epoch is None
        assert "no whole number" in query.notices[0]


def test_unknown_arguments_are_dropped_with_a_notice() -> None:
    query = parse_query({"theme": [b"dark"]})
    assert query.notices == ("ignored: 'theme'",)


@given(st.dictionaries(st.text(max_size=80), st.lists(st.binary(max_size=80), max_size=3), max_size=8))
def test_no_arguments_raise_and_notices_stay_few_and_short(arguments: dict[str, list[bytes]]) -> None:
    query = parse_query(arguments)
    assert len(query.notices) <= 4
    assert all(len(notice) < 400 and notice.isprintable() for notice in query.notices)


@given(st.text())
def test_hostile_text_is_shown_on_one_printable_line(text: str) -> None:
    assert shown(text).isprintable()


@given(
    *(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(str.strip).filter(bool)
        for _ in range(3)
    ),
    st.integers(0, 10**11),
)
def test_an_address_says_what_it_was_made_of(family: str, variant: str, report: str, epoch: int) -> None:
    parts = urlsplit(report_url(family, variant, report, epoch))
    arguments = {k: [v.encode() for v in vs] for k, vs in parse_qs(parts.query).items()}
    query = parse_query(arguments)
    assert (query.family, query.variant, query.report, query.epoch) == (family, variant, report, epoch)
    assert set(arguments) == set(KNOWN)
