import numpy as np
import pytest

from astrolib.evaluate.edges import edge_scores


def test_edge_scores_count():
    graph = np.array([[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 1, 1]])
    flux = np.random.default_rng(0).standard_normal((50, 4))
    scores = edge_scores(graph, [[0, 1], [0, 3], [2, 3]], flux)
    assert scores["degree product"].tolist() == [4, 2, 3]
    assert scores["common neighbours"].tolist() == [1, 1, 0]
    assert scores["correlation"][1] == pytest.approx(np.corrcoef(flux[:, 0], flux[:, 3])[0, 1])
