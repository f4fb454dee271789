import pytest

from astrolib.bench import stars
from astrolib.bench.stage import PLAIN
from astrolib.models.informer import FullAttention, ProbSparseAttention
from astrolib.papers import astrom3_speed
from astrolib.papers.astrom3_speed import ExpandedProbSparse
from astrolib.training.timing import Size


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_the_plain_loop_is_the_references_network(one_worker, machine, monkeypatch):
    monkeypatch.setattr(astrom3_speed, "STEP", 40.0)
    stage = stars.astrom3("smallest", Size(batch_size=8, steps=1, repeats=1), machine)
    assert list(stage.ways) == [PLAIN, "astrolib, float32", "astrolib, float32, full attention"]
    assert stage.source == "simulated"
    used = set()
    for kind in (ProbSparseAttention, FullAttention):
        monkeypatch.setattr(kind, "forward", _watched(kind.forward, used))
    kinds = {}
    for name, way in stage.ways.items():
        used.clear()
        way.make()()
        kinds[name] = set(used)
    assert kinds == {
        PLAIN: {ExpandedProbSparse},  # in the published form
        "astrolib, float32": {ProbSparseAttention},
        "astrolib, float32, full attention": {FullAttention},
    }
    counted = [way.operations for way in stage.ways.values()]
    assert counted[0] == counted[1] < counted[2]  # the same network; with full attention all queries look


def _watched(forward, used):
    def watched(self, *arguments):
        used.add(type(self))
        return forward(self, *arguments)

    return watched
