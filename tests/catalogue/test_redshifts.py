"""A network predicts from shards what it predicted from the survey in memory."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from astrolib.catalogue import redshifts
from astrolib.catalogue.inference import predict_catalogue
from astrolib.catalogue.outputs import CatalogueError
from astrolib.catalogue.redshifts import INPUTS, RedshiftPredictor, survey_shards
from astrolib.data import scaling
from astrolib.data.shards import open_shards, write_shards
from astrolib.papers import astromae
from astrolib.training.fabric import make_fabric

MODEL, SEED = "pcm-AstroMAE", 42


def catalogue(experiment, survey, out, **options) -> pd.DataFrame:
    predictor = RedshiftPredictor(experiment, MODEL, SEED, **options)
    predictor.check(survey)
    options = {"settings": predictor.settings, "inputs": INPUTS, "fabric": make_fabric("cpu")}
    predict_catalogue(survey, predictor, out, batch_size=50, progress=False, **options)
    return pd.read_parquet(out / "catalogue.parquet")


def test_the_catalogue_holds_the_predictions_of_the_experiment(experiment, home, tmp_path):
    kept = experiment.finetune(MODEL, SEED).set_index("id")
    survey = open_shards(home / "shards")
    assert survey.n_objects == 300 and len(survey) == 3 and survey.about["source"] == "simulated"
    table = catalogue(experiment, survey, tmp_path / "out", density=True).set_index("id")
    assert len(table) == 300 and table["fault"].isna().all()
    ours = table.loc[kept.index]
    # `Galaxies.batches` keeps its images in float16 as the shards do: only sums in another order differ.
    np.testing.assert_allclose(ours["prediction"], kept["prediction"], rtol=1e-5, atol=1e-6)
    bins = kept.filter(regex=r"^p\d+$").to_numpy()
    np.testing.assert_allclose(np.stack(ours["density"]), bins, rtol=1e-4, atol=1e-6)
    assert kept["prediction"].std() > 1e-4  # not all the same


def test_float32_shards_differ_by_the_rounding_of_float16(experiment, home, tmp_path):
    survey_shards("smallest", tmp_path / "shards", dtype="float32", rows_per_shard=1000, progress=False)
    survey = open_shards(tmp_path / "shards")
    assert len(survey) == 1 and survey.kinds["images"] == (np.dtype("float32"), (5, 32, 32))
    rounded, exact = (
        catalogue(experiment, shards, tmp_path / name)["prediction"]
        for name, shards in (("rounded", open_shards(home / "shards")), ("exact", survey))
    )
    np.testing.assert_allclose(rounded, exact, atol=1e-3)
    assert not np.array_equal(rounded, exact)


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_half_precision_changes_little_and_is_a_catalogue_of_its_own(experiment, home, tmp_path, precision):
    survey = open_shards(home / "shards")
    full = catalogue(experiment, survey, tmp_path / "full")["prediction"]
    half = catalogue(experiment, survey, tmp_path / "half", precision=precision)["prediction"]
    assert half.dtype == np.float32 and 0 < np.abs(half - full).max() < 0.01
    with pytest.raises(CatalogueError, match=f"precision: 32-true, now {precision}"):
        catalogue(experiment, survey, tmp_path / "full", precision=precision)


def test_settings_follow_the_weights(experiment):
    first, same = (RedshiftPredictor(experiment, MODEL, SEED).settings for _ in range(2))
    assert first == same
    path = experiment.finetuning_run(MODEL, SEED).folder
    assert first["run"] == path.name
    net = experiment.trained(MODEL, SEED)
    with torch.no_grad():
        next(net.head.parameters()).view(-1)[0] += 1e-6
    experiment.trained = lambda *_: net
    assert RedshiftPredictor(experiment, MODEL, SEED).settings["weights"] != first["weights"]


def test_an_untrained_network_is_refused_without_training_it(experiment, monkeypatch):
    monkeypatch.setattr(astromae, "fit", None)  # whoever trains fails
    with pytest.raises(CatalogueError, match="seed 7 has not been trained in profile smallest"):
        RedshiftPredictor(experiment, MODEL, 7)
    with pytest.raises(CatalogueError, match="no network 'AstroMAE': choose one of .*pcm-AstroMAE"):
        RedshiftPredictor(experiment, "AstroMAE", SEED)
    with pytest.raises(CatalogueError, match="no precision '16'"):
        RedshiftPredictor(experiment, MODEL, SEED, precision="16")


ABOUT = {"bands": ["u", "g", "r", "i", "z"], "pixel_scale": 0.396, "source": "an example"}


@pytest.mark.parametrize(
    ("change", "shape", "message"),
    [
        (
            {"bands": ["g", "r", "i", "z", "y"]},
            (5, 32, 32),
            "trained on the bands u g r i z, .* has g r i z y",
        ),
        ({"bands": []}, (5, 32, 32), "has none named"),
        ({"pixel_scale": 0.168}, (5, 32, 32), "pixels of 0.396 arcsec, .* are of 0.168"),
        ({}, (5, 24, 24), r"images of \(5, 24, 24\) .* needs \(5, 32, 32\)"),
        ({}, (32, 32), r"images of \(32, 32\)"),
    ],
)
def test_a_survey_that_does_not_fit_is_refused(experiment, tmp_path, change, shape, message):
    block = {"images": np.zeros((2, *shape), np.float16), "magnitudes": np.zeros((2, 5), np.float32)}
    write_shards(tmp_path / "survey", [block], rows_per_shard=2, about=ABOUT | change)
    with pytest.raises(CatalogueError, match=message):
        RedshiftPredictor(experiment, MODEL, SEED).check(open_shards(tmp_path / "survey"))


def test_larger_stamps_are_cropped_and_other_arrays_not_missed(experiment, tmp_path):
    survey = experiment.galaxies.survey
    block = {"images": survey.images[:40], "magnitudes": survey.magnitudes[:40]}
    write_shards(tmp_path / "survey", [block], rows_per_shard=40, about=ABOUT)
    predictor, shards = RedshiftPredictor(experiment, MODEL, SEED), open_shards(tmp_path / "survey")
    predictor.check(shards)
    batch = {name: torch.tensor(values) for name, values in block.items()}
    with torch.inference_mode():
        whole = predictor(batch)["prediction"]
        cut = predictor(batch | {"images": batch["images"][:, :, 8:40, 8:40]})["prediction"]
    assert torch.equal(whole, cut)
    write_shards(tmp_path / "bare", [{"images": block["images"]}], rows_per_shard=40, about=ABOUT)
    with pytest.raises(CatalogueError, match="has no array magnitudes"):
        predictor.check(open_shards(tmp_path / "bare"))


def test_float64_as_tables_have_it_is_predicted_like_float32(experiment, tmp_path):
    survey, found = experiment.galaxies.survey, []
    for dtype in (np.float32, np.float64):
        block = {
            "images": survey.images[:40].astype(dtype),
            "magnitudes": survey.magnitudes[:40].astype(dtype),
        }
        write_shards(tmp_path / np.dtype(dtype).name, [block], rows_per_shard=40, about=ABOUT)
        shards = open_shards(tmp_path / np.dtype(dtype).name)
        predictor = RedshiftPredictor(experiment, MODEL, SEED)
        predictor.check(shards)
        with torch.inference_mode():
            found.append(predictor({name: torch.tensor(shards.rows(np.arange(40))[name]) for name in INPUTS}))
    assert torch.equal(*(each["prediction"] for each in found))


def test_pixels_too_bright_for_float16_are_named(experiment, tmp_path, monkeypatch):
    survey = experiment.galaxies.survey
    images = np.array(survey.images)
    images[5, 0, 24, 24] = 1e5
    bright = dataclasses.replace(survey, images=images)
    monkeypatch.setattr("astrolib.surveys.load_galaxies", lambda *_, **__: bright)
    with pytest.raises(CatalogueError, match=rf"1 galaxies have .* float16 .*{experiment.galaxies.ids[5]}"):
        survey_shards("smallest", tmp_path / "shards", progress=False)
    survey_shards("smallest", tmp_path / "shards", dtype="float32", progress=False)


def test_trainings_in_the_same_process_are_left_alone(experiment, home, tmp_path):
    """Constants that are made in inference mode and kept would break a later gradient."""
    scaling._constant.cache_clear()
    catalogue(experiment, open_shards(home / "shards"), tmp_path / "out")
    flux = torch.ones(1, 5, 32, 32, requires_grad=True)
    experiment.galaxies.scaling(flux).sum().backward()
    assert flux.grad.isfinite().all()


def test_the_network_is_compiled_if_that_is_asked_for(experiment, home, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setenv("ASTROLIB_COMPILE", "1")
    monkeypatch.setattr(redshifts, "compiled", lambda net, device: lambda *x: calls.append(device) or net(*x))
    table = catalogue(experiment, open_shards(home / "shards"), tmp_path / "out")
    assert table["fault"].isna().all()
    assert calls == [torch.device("cpu")] * 7  # batches of 50 in shards of 128, 128 and 44
