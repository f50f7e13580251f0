"""Recording where time goes."""

from __future__ import annotations

import threading

import pytest

from mi.timing import Recording, recording, timed


def test_what_is_timed_is_kept_with_all_that_was_said_of_it() -> None:
    said = ("forward", "part", 3, "tiny.means", 8)
    with recording() as found, timed(*said):
        pass
    [one] = found.timed
    assert (one.stage, one.what, one.epoch, one.analyzer, one.bytes) == said
    assert found.start <= one.start <= one.end <= found.end
    assert one.thread == found.main == threading.current_thread().name


def test_other_threads_are_seen_under_their_names() -> None:
    def work() -> None:
        with timed("read"):
            pass

    with recording() as found:
        thread = threading.Thread(target=work, name="mi-read")
        thread.start()
        thread.join()
    assert [(one.stage, one.thread) for one in found.timed] == [("read", "mi-read")]


def test_nothing_is_kept_before_and_after() -> None:
    with timed("plan"):
        pass
    with recording() as found, timed("load"):
        pass
    with timed("write"):
        pass
    assert [one.stage for one in found.timed] == ["load"]
    assert timed("a") is timed("b")  # one object that does nothing, for all


def test_an_error_goes_on_and_is_timed_up_to_there() -> None:
    with recording() as found, pytest.raises(ValueError, match="out"), timed("functions"):
        raise ValueError("out")
    assert [one.stage for one in found.timed] == ["functions"]
    assert Recording.current is None


def test_a_second_recording_is_refused_and_the_first_goes_on() -> None:
    with recording() as found:
        with pytest.raises(RuntimeError, match="under way"), recording():
            pass
        with timed("plan"):
            pass
    assert [one.stage for one in found.timed] == ["plan"]
