import math

import torch

from mi_induction.data import Batch, draw

LENGTH, VOCABULARY, SHORTEST, LONGEST = 32, 64, 4, 14


def batch(rows: int = 400, seed: int = 0, vocabulary: int = VOCABULARY) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return draw(generator, rows, length=LENGTH, vocabulary=vocabulary, shortest=SHORTEST, longest=LONGEST)


def copies(repeated: torch.Tensor) -> tuple[int, int]:
    """Start and length of a row's second copy, from its targets that the first copy tells."""
    at = torch.nonzero(repeated)[:, 0].tolist()
    assert at == list(range(at[0], at[-1] + 1)), "the second copy has a hole"
    return at[0], len(at) + 1  # target t is the token t + 1, and the copy begins one token earlier


def test_rows_begin_with_bos_and_hold_it_nowhere_else() -> None:
    tokens, repeated = batch()
    assert tokens.shape == (400, LENGTH + 1) and repeated.shape == (400, LENGTH)
    assert (tokens[:, 0] == VOCABULARY).all()
    assert (tokens[:, 1:] < VOCABULARY).all() and (tokens >= 0).all()


def test_every_row_holds_its_segment_twice_without_overlap() -> None:
    tokens, repeated = batch(vocabulary=10**9)  # so large that nothing else repeats
    for row, told in zip(tokens, repeated, strict=True):
        second, length = copies(told)
        segment = row[second : second + length]
        earlier = [
            start
            for start in range(1, second - length + 1)
            if torch.equal(row[start : start + length], segment)
        ]
        assert len(earlier) == 1
        assert len(row.unique()) == LENGTH + 1 - length  # and nothing else does


def test_lengths_places_and_distances_of_the_copies_all_vary() -> None:
    tokens, repeated = batch(vocabulary=10**9)
    seconds, lengths, distances = set(), set(), set()
    for row, told in zip(tokens, repeated, strict=True):
        second, length = copies(told)
        first = torch.nonzero(row == row[second])[0].item()
        seconds.add(second)
        lengths.add(length)
        distances.add(second - first)
    assert lengths == set(range(SHORTEST, LONGEST + 1))
    assert len(seconds) > 20 and len(distances) > 20


def test_a_token_at_a_fixed_distance_says_little() -> None:
    tokens, repeated = batch(2000)
    told = repeated.sum().item()
    hits = [
        (repeated[:, distance - 1 :] & (tokens[:, distance:] == tokens[:, :-distance])).sum().item() / told
        for distance in range(1, LENGTH)
    ]
    assert max(hits) < 0.2


def test_draws_come_from_the_generator_alone() -> None:
    before = torch.get_rng_state()
    one, again, other = batch(8, seed=1), batch(8, seed=1), batch(8, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.tokens, again.tokens) and torch.equal(one.repeated, again.repeated)
    assert not torch.equal(one.tokens, other.tokens)


def test_tokens_are_uniform() -> None:
    counts = batch(4000).tokens[:, 1:].flatten().bincount(minlength=VOCABULARY).double()
    expected = counts.sum() / VOCABULARY
    # A copied token counts twice, so the variance is at most twice a multinomial's; 6 deviations.
    assert (counts - expected).abs().max() < 6 * math.sqrt(2 * expected)
