"""A survey cut into parts: no leaks, who is where, what a batch holds, and the plain baseline."""

import dataclasses
import os

import numpy as np
import pytest
import torch
from astropy.table import Table
from sklearn.ensemble import RandomForestClassifier

from astrolib import profiles, star_surveys
from astrolib.data.galaxies import SurveyError
from astrolib.data.star_preprocessing import survey_of
from astrolib.data.star_views import StarView
from astrolib.papers import star_forest
from astrolib.papers import stars as module
from astrolib.papers.stars import Stars
from astrolib.simulate.stars import draw_stars

MIRROR = os.environ.get("ASTROLIB_DATA_DIR")  # of the person who runs the tests, before a fixture moves it
SETTINGS = profiles.load("smallest").astrom3.data
FRACTIONS = (1.0, 0.5, 0.25)
PARTS = ("train", "validation", "test")


def stars_of(survey, **settings) -> Stars:
    stars = Stars(dataclasses.replace(SETTINGS, **settings))
    stars.survey = survey
    return stars


@pytest.fixture(scope="module")
def simulated():
    raw = draw_stars(400, 42, wavelength=np.arange(3850.0, 9000.0, 100.0))
    return survey_of(raw).keep_classes(20)


# ---------------------------------------------------------------- parts


@pytest.mark.parametrize("scheme", ["paper", "stratified", "given"])
@pytest.mark.parametrize("seed", [42, 0, 66])
def test_no_test_star_is_seen_in_pretraining_or_fine_tuning(simulated, scheme, seed):
    survey = dataclasses.replace(simulated, catalogue=simulated.catalogue.copy())
    survey.catalogue["split"] = np.array(["train", "test", "train", "val", "train"] * len(survey))[
        : len(survey)
    ]
    stars = stars_of(survey, split=scheme)
    parts = stars.parts(seed)
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(len(survey)))
    test = set(survey.ids[parts["test"]])
    assert len(test) > 20
    for fraction in FRACTIONS:
        labelled = stars.labelled(seed, fraction)
        assert list(labelled) == list(PARTS)
        for part in PARTS:
            assert set(labelled[part]) <= set(parts[part])
        assert not test & set(survey.ids[np.concatenate([labelled["train"], labelled["validation"]])])
    assert len(stars.labelled(seed, 0.25)["train"]) < len(stars.labelled(seed, 0.5)["train"])
    assert all(np.array_equal(stars.labelled(seed, 1.0)[part], parts[part]) for part in PARTS)


def test_parts_and_subsets_follow_from_seed_and_fraction_alone(simulated):
    one, other = stars_of(simulated), stars_of(simulated)
    other.labelled(66, 0.25)  # what was drawn before does not matter
    for part in PARTS:
        assert np.array_equal(one.labelled(42, 0.5)[part], other.labelled(42, 0.5)[part])
    assert not np.array_equal(one.parts(42)["test"], one.parts(0)["test"])
    assert not set(one.labelled(42, 0.25)["train"]) <= set(one.labelled(42, 0.5)["train"])  # drawn anew


def test_a_catalogue_with_a_split_for_each_seed(simulated):
    survey = dataclasses.replace(simulated, catalogue=simulated.catalogue.copy())
    n = len(survey)
    for seed, start in ((42, 0), (0, 10)):
        names = np.full(n, "train", "U10")
        names[start : start + 10], names[-10:] = "test", "val"
        survey.catalogue[f"split {seed}"] = names
    stars = stars_of(survey, split="given")
    assert stars.parts(42)["test"].tolist() == list(range(10))
    assert stars.parts(0)["test"].tolist() == list(range(10, 20))
    with pytest.raises(SurveyError, match="'given' needs one name of a part for every star"):
        stars_of(simulated, split="given").parts(42)


def test_published_subsets_are_taken_where_the_catalogue_has_them(simulated):
    survey = dataclasses.replace(simulated, catalogue=simulated.catalogue.copy())
    rng, n = np.random.default_rng(0), len(simulated)
    whole = rng.permutation(np.resize(["train", "train", "train", "validation", "test"], n))
    survey.catalogue["split 42"] = whole
    survey.catalogue["split 42 0.25"] = np.where(rng.random(n) < 0.3, whole, "")
    stars = stars_of(survey, split="given")
    for part, rows in stars.labelled(42, 0.25).items():
        assert np.array_equal(rows, np.flatnonzero(np.asarray(survey.catalogue["split 42 0.25"]) == part))
    drawn = stars.labelled(42, 0.5)  # by the paper's rule: this subset was not published
    assert all(set(drawn[part]) < set(stars.parts(42)[part]) for part in PARTS)
    again = stars_of(survey, split="paper").labelled(42, 0.25)["test"]
    assert not np.array_equal(again, stars.labelled(42, 0.25)["test"])


def test_a_survey_is_loaded_with_the_settings_of_the_profile(monkeypatch, simulated):
    asked = {}

    def load(source, **settings):
        asked.update(settings, source=source)
        return simulated

    monkeypatch.setattr(module.star_surveys, "load_stars", load)
    settings = dataclasses.replace(SETTINGS, n_stars=0, fewest_stars=60, spectrum_error="ivar", n_points=9)
    stars = Stars(settings)
    assert (
        set(stars.survey.class_names) < set(simulated.class_names)
        and min(np.bincount(stars.survey.label)) >= 60
    )
    assert len(stars.survey) + len(stars.survey.rejected) == len(simulated) + len(simulated.rejected)
    known = {"source": "simulated", "n_stars": None, "n_points": 9, "spectrum_error": "ivar"}
    assert asked | known == asked


# ---------------------------------------------------------------- bad stars, all the way


def test_bad_stars_are_counted_and_the_others_reach_the_networks(monkeypatch):
    raw = draw_stars(200, 3, wavelength=np.arange(3850.0, 9000.0, 100.0))
    n, points, offsets = len(raw), raw.points, raw.offsets
    curves = [points[a:b] for a, b in zip(offsets, offsets[1:], strict=False)]
    curves[1] = curves[1][:0]  # empty
    curves[2] = np.concatenate([curves[2][::-1], curves[2][:3]])  # unsorted, repeated rows
    raw.flux[3] = np.nan
    raw.catalogue["id"][5] = raw.catalogue["id"][4]
    classes = np.asarray(raw.catalogue["class"]).astype("U8")
    classes[6], classes[7] = "", "ZAND"
    raw.catalogue["class"] = classes
    counts = np.cumsum([len(curve) for curve in curves])
    messy = dataclasses.replace(raw, points=np.concatenate(curves), offsets=np.concatenate([[0], counts]))
    known = sorted({name for name in classes.tolist() if name not in ("", "ZAND")})
    survey = survey_of(messy, known)
    reasons = dict(zip(survey.rejected["id"], survey.rejected["reason"], strict=True))
    assert set(reasons.values()) == {"class ZAND is not in the survey", "id used before"}
    assert len(survey) + len(survey.rejected) == n
    assert survey.catalogue["photometry_fault"][1] == "its light curve is empty"
    assert survey.catalogue["duplicate_points"][2] == 3
    assert (np.diff(survey.modalities["photometry"].values[2, : len(curves[2]) - 3, 0]) > 0).all()
    assert survey.catalogue["spectra_fault"][3] == "no spectrum"

    monkeypatch.setattr(module.star_surveys, "load_stars", lambda *_, **__: survey)
    stars = Stars(SETTINGS)
    kept = stars.survey
    assert kept.label.min() == 0 and len(kept) + len(kept.rejected) == n
    assert "no class" in kept.rejected["reason"]  # no network can learn from it, no score can count it
    served = stars.batches(np.arange(len(kept)), stars.modalities, 64, seed=42).epoch()
    batches = list(served)
    assert sum(len(batch["label"]) for batch in batches) == len(kept)
    assert all(torch.isfinite(batch[name]).all() for batch in batches for name in stars.modalities)
    present = torch.cat([batch["photometry.present"] for batch in batches])
    assert present.logical_not().nonzero().flatten().tolist() == [1]


def test_a_class_that_is_never_trained_on_and_a_star_in_two_parts_stop_the_experiment(small_survey):
    survey = small_survey(60, missing=False)
    split = np.where(survey.label == 1, "test", "train")
    split[:6] = "val"
    split[survey.label == 1] = "test"
    survey.catalogue["split"] = split
    with pytest.raises(SurveyError, match="Class M occurs in test but never in train"):
        stars_of(survey, split="given").parts(42)
    with pytest.raises(SurveyError, match="id used before"):
        catalogue = survey.catalogue.copy()
        catalogue["id"][3] = catalogue["id"][50]
        dataclasses.replace(survey, catalogue=catalogue)


# ---------------------------------------------------------------- batches


def test_standardizers_of_the_split_or_of_the_subset(small_survey):
    survey = small_survey()
    columns, present = survey.modalities["metadata"].values, survey.modalities["metadata"].present
    whole, subset = stars_of(survey, statistics="split"), stars_of(survey, statistics="subset")

    def mean(stars, fraction):
        return np.array(stars.standardizers(42, fraction)["metadata.values"].mean)

    train = whole.parts(42)["train"]
    np.testing.assert_allclose(mean(whole, 1.0), columns[train[present[train]]].mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(mean(whole, 0.5), mean(whole, 1.0))
    np.testing.assert_array_equal(mean(subset, 1.0), mean(whole, 1.0))
    few = subset.labelled(42, 0.5)["train"]
    np.testing.assert_allclose(mean(subset, 0.5), columns[few[present[few]]].mean(axis=0), rtol=1e-5)
    assert not np.allclose(mean(subset, 0.5), mean(subset, 1.0))


def test_a_batch_has_every_view_of_its_stars_and_says_who_lacks_one(small_survey):
    survey = small_survey(image=True)
    stars = stars_of(survey)
    rows = stars.parts(42)["train"]
    (batch,) = stars.batches(rows, stars.modalities, 1000, seed=42).epoch()
    shapes = {"photometry": (16, 5), "photometry.mask": (16,), "spectra": (2, 24), "metadata": (4,)}
    shapes |= {"dmdt": (1, 6, 4), "label": (), "index": ()}
    shapes |= {f"{name}.present": () for name in stars.modalities}
    assert {name: tuple(tensor.shape[1:]) for name, tensor in batch.items()} == shapes
    assert batch["label"].tolist() == survey.label[rows].tolist()
    for name, modality in survey.modalities.items():
        present = modality.present[rows]
        assert batch[f"{name}.present"].tolist() == present.tolist()
        assert not batch[name][torch.as_tensor(~present)].any()
    assert torch.equal(batch["photometry.mask"].any(dim=1), batch["photometry.present"])
    assert not stars.complete and stars_of(small_survey(missing=False)).complete
    view = StarView(survey.modalities, StarView.fit(survey.modalities, rows), 16, training=False)
    tensors = {k: torch.as_tensor(v) for k, v in module.star_tensors(survey.modalities, rows).items()}
    assert torch.equal(view(tensors)["metadata"], batch["metadata"])
    seen = batch["metadata"][batch["metadata.present"]]
    assert torch.allclose(seen.mean(dim=0), torch.zeros(4), atol=1e-5)


def test_only_the_modalities_asked_for_are_in_a_batch(small_survey):
    stars = stars_of(small_survey())
    (batch,) = stars.batches(np.arange(8), ["metadata"], 100, seed=42).epoch()
    assert set(batch) == {"metadata", "metadata.present", "label", "index"}


def test_training_shuffles_and_a_short_last_batch_is_dropped_unless_it_is_the_only_one(small_survey):
    stars = stars_of(small_survey())
    rows = np.arange(50)

    def epoch(size, **options):
        batches = stars.batches(rows, ["metadata"], size, seed=42, **options)
        return [batch["index"].tolist() for batch in batches.epoch(torch.Generator().manual_seed(0))]

    assert epoch(20) == [list(range(20)), list(range(20, 40)), list(range(40, 50))]
    shuffled = epoch(20, training=True)
    assert shuffled != epoch(20) and sorted(sum(shuffled, [])) == list(range(50))
    assert [len(index) for index in epoch(20, drop_last=True)] == [20, 20]
    assert [len(index) for index in epoch(64, drop_last=True)] == [50]


def test_stars_are_used_by_what_they_have(small_survey):
    survey = small_survey()
    stars, rows = stars_of(survey), np.arange(len(survey))
    for name, modality in survey.modalities.items():
        assert np.array_equal(stars.having(rows, [name]), np.flatnonzero(modality.present))
    assert np.array_equal(stars.having(rows, stars.modalities), rows)
    assert stars.having(np.array([8, 1, 9]), ["photometry"]).tolist() == [1, 9]


# ---------------------------------------------------------------- the random forest


@pytest.mark.parametrize("name", ["photometry", "spectra", "metadata", "dmdt", "all"])
def test_features_are_finite_and_one_row_for_each_star(name, small_survey):
    survey = small_survey(image=True)
    stars = stars_of(survey)
    features = stars.features(name)
    assert len(features) == len(survey) and features.ndim == 2 and np.isfinite(features).all()
    widths = {each: stars.features(each).shape[1] for each in stars.modalities}
    assert widths["metadata"] == 4 and widths["dmdt"] == 24
    assert features.shape[1] == (sum(widths.values()) if name == "all" else widths[name])


def test_features_of_a_light_curve_do_not_see_its_padding(small_survey):
    survey = small_survey(missing=False)
    curve = survey.modalities["photometry"]
    longer = np.concatenate([curve.values, np.zeros((len(survey), 7, 3), np.float32)], axis=1)
    padded = dataclasses.replace(survey, modalities=dict(survey.modalities))
    padded.modalities["photometry"] = dataclasses.replace(curve, values=longer)
    features = stars_of(survey).features("photometry")
    np.testing.assert_allclose(features, stars_of(padded).features("photometry"), rtol=1e-5)
    flux = curve.values[0, : curve.n_points[0], 1]
    assert features[0, :7] == pytest.approx(np.quantile(flux, star_forest.QUANTILES), rel=1e-4)


def test_published_latents_stand_for_what_was_decoded_from_them(small_survey):
    survey = small_survey(missing=False)
    rng = np.random.default_rng(0)
    survey.catalogue.update(Table({f"latent_mu_{k}": rng.normal(size=len(survey)) for k in range(15)}))
    stars = stars_of(survey, source="gaia")
    assert star_surveys.LATENTS["gaia"].keys() == {"photometry", "spectra", "dmdt"}
    for name, first in (("photometry", 5), ("spectra", 0)):
        for k in range(5):
            column = np.asarray(survey.catalogue[f"latent_mu_{first + k}"], np.float32)
            np.testing.assert_array_equal(stars.features(name)[:, k], column)
    np.testing.assert_array_equal(stars.features("metadata"), survey.modalities["metadata"].values)


def test_the_forest_is_scikit_learns_on_the_labelled_stars(small_survey):
    survey, rng = small_survey(240), np.random.default_rng(1)
    guessed = np.where(
        rng.random(240) < 0.5, rng.integers(0, 3, 240), survey.label
    )  # no tree agrees with another
    survey = dataclasses.replace(survey, label=guessed)
    stars = stars_of(survey)
    rows, predicted = stars.forest("spectra", 42, 0.5, 20)
    present = survey.modalities["spectra"].present
    test, train = stars.parts(42)["test"], stars.labelled(42, 0.5)["train"]
    assert np.array_equal(rows, test[present[test]])
    train = train[present[train]]
    x = stars.features("spectra")
    oracle = RandomForestClassifier(20, random_state=42).fit(x[train], survey.label[train])
    assert np.array_equal(predicted, oracle.predict(x[rows]))
    assert (predicted == survey.label[rows]).mean() > 0.4
    fused, _ = stars.forest("all", 42, 0.5, 5)
    assert np.array_equal(fused, test)


# ---------------------------------------------------------------- the real data


@pytest.fixture
def mirror(monkeypatch):
    if MIRROR is None:
        pytest.skip("ASTROLIB_DATA_DIR names no folder with the real data")
    monkeypatch.setenv("ASTROLIB_DATA_DIR", MIRROR)


def test_eros_is_always_tested_on_its_official_test_stars(mirror):
    stars = Stars(profiles.load("sample").astrom3.second)
    one, other = stars.parts(42), stars.parts(0)
    assert np.array_equal(one["test"], other["test"]) and len(one["test"]) == 729
    assert not np.array_equal(one["validation"], other["validation"])
    rows, predicted = stars.forest("all", 42, 1.0, 30)
    accuracy = (predicted == stars.survey.label[rows]).mean()
    assert 0.85 < accuracy < 0.97  # the card: 0.908 without what leaks (section 14.2)


def test_gaia_groups_and_latents(mirror):
    settings = dataclasses.replace(profiles.load("sample").astrom3.data, n_points=8)
    stars = Stars(settings)
    assert len(stars.survey) == 42_014 and len(stars.survey.class_names) == 13
    assert len(stars.survey) + len(stars.survey.rejected) == 42_735
    widths = {name: stars.features(name).shape[1] for name in stars.modalities}
    assert widths == {"photometry": 5, "spectra": 5, "dmdt": 5, "metadata": widths["metadata"]}
    assert len(stars.parts(42)["test"]) == pytest.approx(0.2 * 42_014, abs=1)
