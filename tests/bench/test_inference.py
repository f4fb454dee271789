import numpy as np
import pandas as pd
import pytest

from astrolib.bench import inference as module
from astrolib.bench.galaxies import AstroMAE
from astrolib.bench.inference import Inference
from astrolib.bench.stage import PLAIN
from astrolib.training.timing import Size

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


@pytest.fixture
def inference(one_worker):
    return Inference(AstroMAE("smallest", Size(batch_size=8, steps=2, repeats=1), "cpu"))


def test_both_ways_write_the_redshift_of_every_galaxy(inference, monkeypatch):
    """Float16 files on one side, float32 on the other: the same to their rounding."""
    written, predict = [], module.predict_catalogue

    def watched(shards, predictor, out, **options):
        found = predict(shards, predictor, out, **options)
        written.append(pd.read_parquet(out / "catalogue.parquet"))
        return found

    monkeypatch.setattr(module, "predict_catalogue", watched)
    one_pass = inference.library("32-true")
    one_pass()
    one_pass()  # a second pass predicts anew instead of finding the first one's files
    inference.plain()
    plain = np.load(inference.folder / "redshift.npy")
    assert len(written) == 2 and len(plain) == 16
    for table in written:
        assert table["id"].tolist() == list(range(16))
        np.testing.assert_allclose(table["prediction"], plain, rtol=2e-3, atol=2e-4)
    assert not list(inference.folder.glob("tmp*"))  # catalogues of passes do not pile up


def test_the_stage_reads_fewer_bytes_from_float16(inference, machine):
    stage = inference.stage(machine)
    plain, ours = stage.ways.values()
    assert next(iter(stage.ways)) == PLAIN and plain.operations == ours.operations > 0
    assert plain.traffic - ours.traffic == 8 * 2 * 5 * 32 * 32
