"""Which messages are told about in full."""

from shared.domain.sampling import Sampler


def a_trace(number: int, of: int) -> str:
    """One of so many, evenly spread."""
    return f"{number * 2**32 // of:032x}"


def kept(sampler: Sampler, of: int = 1000) -> list[int]:
    return [number for number in range(of) if sampler.keeps(a_trace(number, of))]


def test_a_share_of_the_traces_is_kept_and_always_the_same() -> None:
    first, second = (Sampler(0.125, allowance=10_000) for _ in range(2))

    assert kept(first) == kept(second) == list(range(125))


def test_all_are_kept_when_there_are_few() -> None:
    assert len(kept(Sampler(1.0, allowance=10_000))) == 1000


def test_the_share_is_halved_as_often_as_the_allowance_is_used_up() -> None:
    """A burst is told about in part at once, not when its minute is over."""
    sampler = Sampler(1.0, allowance=10)

    for _ in range(40):
        assert sampler.keeps("0" * 32)

    assert sampler.share == 1 / 16


def test_after_quiet_periods_it_is_what_was_asked_for() -> None:
    sampler = Sampler(0.5, allowance=10)
    for _ in range(20):
        sampler.keeps("0" * 32)
    assert sampler.share == 0.125
    sampler.end_period()
    assert sampler.share == 0.125, "that one was not quiet"

    for _ in range(3):
        sampler.end_period()

    assert sampler.share == 0.5
