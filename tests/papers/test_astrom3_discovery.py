"""What is found without labels, at the smallest size: neighbours, outliers, subclasses, and what is kept."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from astrolib.papers import astrom3_discovery
from astrolib.papers.astrom3_discovery import Discovery
from astrolib.report import results

TRIMODAL = ("photometry", "spectra", "metadata")


@pytest.fixture
def maps(monkeypatch):
    """A UMAP that takes no time: the first two dimensions; its settings are recorded."""
    calls = []

    def map_2d(x, **settings):
        calls.append({"n": len(x)} | settings)
        return np.asarray(x)[:, :2].astype(np.float32)

    monkeypatch.setattr(astrom3_discovery.embeddings, "map_2d", map_2d)
    return calls


@pytest.fixture
def discovery(experiment, maps):
    return Discovery(experiment)


@pytest.fixture
def lacking(incomplete, maps):
    """Some stars lack something, and nobody knows the truth."""
    return Discovery(incomplete)


def kept(name, prefix="astrom3"):
    return results.load("smallest", f"{prefix}_{name}")


def arrays(name, prefix="astrom3"):
    return results.load_arrays("smallest", f"{prefix}_{name}")


# ---------------------------------------------------------------- embeddings and maps


def test_embeddings_are_kept_in_half_precision(discovery):
    discovery.keep_embeddings()
    found = arrays("embeddings")
    assert set(found) == {*TRIMODAL, "all", "source"} and str(found["source"]) == "simulated"
    for name in TRIMODAL:
        assert found[name].dtype == np.float16 and len(found[name]) == len(discovery.survey)
        np.testing.assert_allclose(found[name], discovery.embeddings[name], atol=1e-3)


def test_maps_are_fitted_to_training_stars_and_show_as_many_as_the_profile_says(discovery, maps):
    discovery.keep_maps()
    found, n_mapped = arrays("maps"), discovery.settings.n_mapped
    assert set(found) == {*TRIMODAL, "all", "source"} and n_mapped < len(discovery.survey)
    shown = np.isfinite(found["all"]).all(axis=1)
    assert shown.sum() == n_mapped and np.array_equal(np.flatnonzero(shown), discovery.shown)
    fitted = discovery.shown[maps[0]["fit_rows"]]
    assert set(fitted) == set(discovery.shown) & set(discovery.parts["train"])
    assert all((call["n_neighbors"], call["min_dist"]) == (45, 0.7) for call in maps) and len(maps) == 4
    assert np.array_equal(found["spectra"][shown], discovery.embeddings["spectra"][shown][:, :2])


# ---------------------------------------------------------------- pictures


def test_examples_are_test_stars_of_every_class_that_has_one(discovery):
    discovery.keep_examples(per_class=2)
    found = arrays("examples")
    survey, test = discovery.survey, discovery.parts["test"]
    counts = np.minimum(np.bincount(survey.label[test], minlength=10), 2)
    assert np.bincount(found["label"], minlength=10).tolist() == counts.tolist()
    assert set(found["id"]) <= set(survey.ids[test])
    k, length = len(found["id"]), survey.modalities["photometry"].values.shape[1]
    assert found["phase"].shape == found["flux"].shape == found["flux_error"].shape == (k, length)
    assert found["spectrum"].shape == (k, len(found["wavelength"])) and found["bands"].tolist() == [
        "photometry"
    ]
    row = survey.ids.tolist().index(found["id"][0])
    assert found["period"][0] == survey.catalogue["period"][row]
    assert np.array_equal(found["spectrum"][0], survey.modalities["spectra"].values[row, 0])


def test_queries_find_the_most_similar_others(discovery):
    discovery.keep_outliers()
    discovery.keep_queries(["EW", "SR", "RRAB"], k=4)
    found = arrays("queries")
    query, test = found["query_row"], discovery.parts["test"]
    names = np.array(discovery.survey.class_names)[discovery.survey.label[query]]
    assert sorted(names) == ["EW", "RRAB", "SR"] and set(query) <= set(test)
    drawn = found["row"].tolist()
    for a in TRIMODAL:
        for b in TRIMODAL:
            hits, similarity = found[f"hits {a}>{b}"], found[f"similarity {a}>{b}"]
            assert hits.shape == similarity.shape == (3, 4) and set(hits.ravel()) <= set(drawn)
            assert (np.diff(similarity, axis=1) <= 0).all()
            x, y = discovery.embeddings[a][query], discovery.embeddings[b]
            cosine = (x @ y.T).astype(np.float64)
            if a == b:
                cosine[np.arange(3), query] = -np.inf
                assert not (hits == query[:, None]).any()
            np.testing.assert_allclose(similarity[:, 0], cosine.max(axis=1), atol=1e-5)
    assert set(query) <= set(drawn) and len(set(drawn)) == len(drawn)
    for each in ("phase", "flux", "spectrum", "class_name", "label"):
        assert len(found[each]) == len(drawn)


def test_without_any_of_the_classes_the_most_frequent_ones_are_asked_for(discovery):
    discovery.keep_queries(["no such class"])
    label = discovery.survey.label
    frequent = np.argsort(-np.bincount(label[discovery.parts["test"]]), kind="stable")[:3]
    assert sorted(label[arrays("queries")["query_row"]]) == sorted(frequent)


def test_pictures_of_an_incomplete_survey(lacking):
    lacking.keep_queries(["EA"], k=3)
    found = arrays("queries", "incomplete")
    for name, modality in lacking.survey.modalities.items():
        assert modality.present[found["query_row"]].all()  # a query has every view
        hits = np.concatenate([found[f"hits {a}>{name}"].ravel() for a in lacking.experiment.names])
        assert modality.present[hits].all()
    assert found["dmdt"].shape == (len(found["row"]), 6, 4)


# ---------------------------------------------------------------- search


def test_retrieval_is_scored_within_and_across_modalities(discovery):
    table = discovery.keep_retrieval()
    columns = [
        "measure",
        "value",
        "error",
        "chance",
        "query",
        "target",
        "n_queries",
        "n_candidates",
        "source",
    ]
    assert set(kept("retrieval").columns) == set(columns)
    measures = table.groupby(["query", "target"])["measure"].agg(set)
    assert len(measures) == 9
    for (a, b), found in measures.items():
        within = {"precision@5", "precision@10"}
        assert found == (within if a == b else within | {"median rank", "recall@10"})
    n = len(discovery.parts["test"])
    assert (table["n_queries"] == n).all()
    across = table.query("query == 'photometry' and target == 'spectra'").set_index("measure")
    assert across.loc["median rank", "chance"] == (n + 1) / 2
    assert across.loc["recall@10", "chance"] == pytest.approx(10 / n)
    x, y = (discovery.embeddings[name][discovery.parts["test"]] for name in ("photometry", "spectra"))
    cosine = np.round(x @ y.T, 6)
    ranks = (cosine > np.diag(cosine)[:, None]).sum(axis=1) + 1
    assert across.loc["median rank", "value"] == pytest.approx(np.median(ranks), abs=1)


def test_stars_without_both_views_are_no_queries(lacking):
    table = lacking.keep_retrieval().set_index(["query", "target"])
    test, modalities = lacking.parts["test"], lacking.survey.modalities
    for a, b in (("photometry", "spectra"), ("metadata", "metadata"), ("spectra", "dmdt")):
        both = modalities[a].present[test] & modalities[b].present[test]
        assert (table.loc[(a, b), "n_queries"] == both.sum()).all() and both.sum() < len(test)


# ---------------------------------------------------------------- outliers


def test_outliers_are_far_from_the_centre_of_their_class(discovery):
    discovery.keep_outliers()
    table, survey = kept("outliers"), discovery.survey
    promised = {"id", "class", "split", "n_flagged", "kind", "suggested", "truth", "source"}
    promised |= {
        f"{what} {name}" for what in ("distance", "nearest", "flagged") for name in (*TRIMODAL, "all")
    }
    assert promised == set(table.columns) and table["id"].tolist() == survey.ids.tolist()
    x, train = discovery.embeddings["spectra"], discovery.parts["train"]
    members = train[survey.label[train] == 3]
    centre = x[members].mean(axis=0)
    rows = np.flatnonzero(survey.label == 3)
    cosine = x[rows] @ centre / np.linalg.norm(centre)
    np.testing.assert_allclose(table.loc[rows, "distance spectra"], 1 - cosine, atol=1e-5)
    flags = table[[f"flagged {name}" for name in TRIMODAL]]
    assert (table["n_flagged"] == flags.sum(axis=1)).all() and flags.any(axis=None)
    assert set(table["kind"]) <= {"", "possible misclassification", "in-class outlier"}
    suggested = table["suggested"] != ""
    assert (table.loc[suggested, "suggested"] != table.loc[suggested, "class"]).all()
    assert set(table["truth"]) <= {"normal", "mislabelled", "outlier"} and "normal" in set(table["truth"])


def test_planted_stars_are_scored(discovery):
    discovery.keep_outliers()
    table, outliers = kept("planted"), kept("outliers")
    shares = [f"{name}{end}" for name in ("precision", "recall") for end in ("", "_low", "_high")]
    assert {"rule", "kind", "n_planted", "n_found", "n_flagged", "source", *shares} == set(table.columns)
    assert not table.duplicated(["rule", "kind"]).any()
    assert set(table["rule"]) == {
        "flagged in the fused embedding",
        *(f"flagged in {k} or more modalities" for k in (1, 2, 3)),
    }
    for row in table.itertuples():
        chosen = (
            outliers["flagged all"]
            if row.rule == "flagged in the fused embedding"
            else outliers["n_flagged"] >= int(row.rule[11])
        )
        planted = outliers["truth"] != "normal" if row.kind == "either" else outliers["truth"] == row.kind
        assert (row.n_planted, row.n_flagged) == (planted.sum(), chosen.sum())
        assert row.n_found == (planted & chosen).sum()
    assert (table["n_planted"] > 0).any()


def test_where_nobody_knows_the_truth_nothing_is_scored(lacking):
    lacking.keep_outliers()
    table = kept("outliers", "incomplete")
    assert (table["truth"] == "").all()
    with pytest.raises(results.MissingResult):
        kept("planted", "incomplete")
    absent = ~lacking.survey.modalities["spectra"].present
    assert (
        table.loc[absent, "distance spectra"].isna().all() and not table.loc[absent, "flagged spectra"].any()
    )
    assert (table.loc[absent, "nearest spectra"] == "").all()
    assert table["distance all"].notna().all()


# ---------------------------------------------------------------- subclasses


def test_subclasses_are_compared_with_the_simulation(discovery, capsys):
    scores = discovery.keep_subclasses(["M", "ROT", "ZZ"])
    printed = capsys.readouterr().out
    n_miras = (np.array(discovery.survey.class_names)[discovery.survey.label] == "M").sum()
    assert f"{n_miras} stars of M are too few" in printed and "0 stars of ZZ are too few" in printed
    table = kept("subclasses")
    assert set(table["group"]) == {"ROT"} and set(kept("subclass_scores")["group"]) == {"ROT"}
    metadata = discovery.survey.modalities["metadata"].names
    assert {"group", "id", "cluster", "truth", "x", "y", "source", *metadata} == set(table.columns)
    columns = {"group", "space", "ari", "low", "high", "n_stars", "n_known", "truth_source"}
    assert columns <= set(scores.columns) and (scores["truth_source"] == "simulation").all()
    assert scores["space"].tolist() == [*TRIMODAL, "all", "metadata baseline"]
    known = table[table["truth"] != ""]
    ari = scores.set_index("space")["ari"]
    assert ari["all"] == pytest.approx(adjusted_rand_score(known["truth"], known["cluster"]))
    assert (scores["low"] <= scores["ari"]).all() and (scores["n_known"] <= scores["n_stars"]).all()


def test_no_group_is_large_enough(discovery, capsys):
    assert discovery.keep_subclasses(["ZZ"]).empty
    assert "left out" in capsys.readouterr().out


def test_subtypes_of_a_catalogue(lacking, capsys):
    survey = lacking.survey
    names, rng = np.array(survey.class_names)[survey.label], np.random.default_rng(1)
    survey.catalogue["subtype"] = np.where(names == "SR", rng.choice(["", "SRA", "SRB"], len(names)), "")
    survey.catalogue["chemistry"] = np.where(names == "SR", rng.choice(["carbon", "oxygen"], len(names)), "")
    scores = lacking.keep_subclasses(["SR", "SRA", "EA"])
    sources = scores.groupby("group")["truth_source"].agg(set)
    assert sources["SR"] == {"catalogue label"} and sources["SRA"] == {"CN index of the decoded spectra"}
    assert "EA" not in sources.index  # nothing is known of it, so it has no score
    table = kept("subclasses", "incomplete")
    assert {"SR", "SRA", "EA"} == set(table["group"]) and (
        table.loc[table["group"] == "EA", "truth"] == ""
    ).all()
    members = np.flatnonzero(names == "SR")
    counts = scores.query("group == 'SR'").set_index("space")["n_stars"]
    assert counts["all"] == len(members)
    for space, name in (
        ("photometry", "photometry"),
        ("metadata", "metadata"),
        ("metadata baseline", "metadata"),
    ):
        assert counts[space] == survey.modalities[name].present[members].sum() < len(members)
    assert pd.notna(scores["ari"]).all()
