"""pytest-benchmark with peers: pytest bench --benchmark-json=out.json keeps the numbers."""

import pytest

from opencu.bench import measure


@pytest.fixture
def against(benchmark):
    """Time ours, and ours against each peer, interleaved; the ratios land in extra_info."""

    def run(ours, peers):
        for name, peer in peers.items():
            samples = measure.interleave(ours, peer, pairs=3)
            benchmark.extra_info[f"times as fast as {name}"] = round(measure.ratio(samples), 3)
        benchmark.pedantic(ours, args=(1,), rounds=5)

    return run
