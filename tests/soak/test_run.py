"""A soak run of one minute, as `make soak` makes one of two hours."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from tests.soak.plan import Plan
from tests.soak.run import Samples, soak
from tests.soak.verdict import judge
from tests.soak.visitors import World
from tests.soak.vitals import Sample
from tests.support.deadline import within


async def test_a_minute_of_mixed_load_leaves_nothing_behind(tmp_path: Path) -> None:
    seen: list[Sample] = []

    def note(sample: Sample, world: World) -> None:
        seen.append(sample)

    async with within(240):
        run, world = await soak(Plan(seconds=60, rate=20, sample_seconds=1), tmp_path / "home", on_sample=note)
    assert [criterion for criterion in judge(run) if not criterion.holds] == []
    assert max(sample["connections"] for sample in seen) > 10
    assert world.done.counts["answered with a result"] > 100


def test_no_more_samples_are_kept_than_there_is_room_for() -> None:
    samples = Samples(most=100)
    for number in range(10_000):
        samples.add({"at": number})
    times = [sample["at"] for sample in samples.kept]
    assert 50 <= len(times) <= 100
    assert times[0] == 0
    assert times[-1] > 9_700
    assert len({after - before for before, after in pairwise(times)}) == 1
