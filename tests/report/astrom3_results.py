"""Small results in the form that `astrolib.papers.astrom3` keeps, made up to draw every figure."""

from itertools import chain, combinations

import numpy as np
import pandas as pd

from astrolib.report import results

PAPER = ("DSCT", "EA", "EB", "EW", "HADS", "M", "ROT", "RRAB", "RRC", "SR")
TRIMODAL = ("photometry", "spectra", "metadata")
SEEDS, FRACTIONS = (42, 0, 66), (1.0, 0.5, 0.25, 0.1)
PARTS = ("train", "validation", "test")


def fabricate(
    profile: str,
    which: str = "astrom3",
    *,
    modalities=TRIMODAL,
    classes=PAPER,
    n=600,
    seeds=SEEDS,
    source="simulated stars",
    truth=True,
) -> None:
    """Write every result of one survey of a profile."""
    rng = np.random.default_rng(len(which) + len(modalities))
    label = rng.choice(len(classes), n, p=rng.dirichlet(np.full(len(classes), 3.0)))
    label[: len(classes)] = np.arange(len(classes))
    names = np.array(classes)[label]
    ids = np.array([f"star {k}" for k in range(n)])
    stars = pd.DataFrame(
        {
            "id": ids,
            "class": names,
            "split": rng.choice(PARTS, n, p=[0.8, 0.1, 0.1]),
        }
        | {f"has {m}": rng.random(n) > 0.02 for m in modalities}
        | {
            "bp_rp": rng.normal(0.3 + 0.25 * label, 0.15),
            "absolute_g": rng.normal(1 + label, 0.7),
            "period": 10 ** rng.normal(-1 + 0.3 * label, 0.2),
            "amplitude": rng.gamma(3, 0.15, n),
        }
    )
    classes_table = pd.DataFrame({"label_id": range(len(classes)), "class_name": classes})
    keep = {"stars": stars, "classes": classes_table}
    keep["splits"] = _grid(seed=seeds, fraction=FRACTIONS, split=PARTS).merge(classes_table, how="cross")
    keep["splits"]["count"] = (
        500 * keep["splits"]["fraction"] / (keep["splits"]["label_id"] + 1) + 9
    ).astype(int)
    keep["scores"] = _scores(rng, modalities, seeds)
    keep["predictions"] = _predictions(rng, modalities, seeds, ids, label, len(classes))
    keep["importance"] = _importance(rng, modalities, seeds, classes)
    classifiers = ("class centre", "nearest neighbour")
    table = _grid(fraction=FRACTIONS, modality=(*modalities, "all"), classifier=classifiers, seed=seeds)
    keep["embedding_classifiers"] = table.assign(accuracy=rng.uniform(60, 90, len(table)))
    keep["pretraining"] = _history(modalities, seeds)
    keep["retrieval"] = _retrieval(rng, modalities, n)
    keep["outliers"] = _outliers(rng, modalities, classes, ids, names, truth)
    if truth:
        shares = {"precision": [0.64, 0.27], "precision_low": [0.4, 0.1], "precision_high": [0.9, 0.6]}
        shares |= {"recall": [0.75, 0.38], "recall_low": [0.5, 0.1], "recall_high": [1.0, 0.7]}
        numbers = {"n_planted": [12, 8], "n_found": [9, 3], "n_flagged": [14, 11]}
        keep["planted"] = pd.DataFrame(
            {"rule": "by all", "kind": ["mislabelled", "outlier"]} | numbers | shares
        )
    keep["subclasses"], keep["subclass_scores"] = _subclasses(rng, modalities)
    keep["throughput"] = pd.DataFrame(
        {
            "way": ["plain loop", "astrolib"],
            "objects_per_second": [40.0, 900.0],
            "slowest": [38.0, 880.0],
            "fastest": [41.0, 910.0],
            "stage": "pretraining",
            "device": "CPU",
            "torch": "2",
            "date": "2026-01-01",
        }
    )
    for what, table in keep.items():
        results.keep(profile, f"{which}_{what}", table.assign(source=source))
    centres = rng.normal(0, 6, (len(classes), 2))
    xy = {m: (centres[label] + rng.normal(0, 1, (n, 2))).astype(np.float32) for m in (*modalities, "all")}
    xy[modalities[0]][:5] = np.nan
    results.keep_arrays(profile, f"{which}_maps", **xy, source=source)
    _material(rng, profile, which, label, classes, modalities, ids, source)


def _grid(**levels):
    return pd.MultiIndex.from_product(levels.values(), names=levels).to_frame(index=False)


def _retrieval(rng, modalities, n):
    measures = pd.DataFrame(
        [
            ("precision@5", 0.9, 0.02, 0.15),
            ("precision@10", 0.85, 0.02, 0.15),
            ("median rank", 9.0, 2.0, n / 2),
            ("recall@10", 0.6, 0.04, 10 / n),
        ],
        columns=["measure", "value", "error", "chance"],
    )
    table = _grid(query=modalities, target=modalities).merge(measures, how="cross")
    has = (table["query"] != table["target"]) | table["measure"].str.startswith("precision")
    table["value"] *= rng.uniform(0.8, 1, len(table))
    return table[has].assign(n_queries=60, n_candidates=n)


def _scores(rng, modalities, seeds):
    ways = ("from scratch", "CLIP", "random forest")
    table = _grid(modality=(*modalities, "all"), fraction=FRACTIONS, seed=seeds, way=ways)
    plus = {"from scratch": 0 * table["fraction"], "CLIP": 3 / table["fraction"] ** 0.4}
    plus["random forest"] = plus["from scratch"] - 2
    value = 68 + 5 * table["modality"].map((*modalities, "all").index) + 6 * np.log10(table["fraction"])
    value += rng.normal(0, 1, len(table)) + sum(plus[way].where(table["way"] == way, 0) for way in ways)
    table = table.assign(accuracy=value, balanced_accuracy=value - 3, accuracy_whole_test=value + 1)
    return table.assign(
        n_train=(1000 * table["fraction"]).astype(int), n_test=(100 * table["fraction"]).astype(int)
    )


def _predictions(rng, modalities, seeds, ids, label, n_classes):
    stars = pd.DataFrame({"id": ids, "label": label})
    table = _grid(modality=(*modalities, "all"), fraction=[0.5], way=("from scratch", "CLIP"), seed=seeds[:2])
    table = table.merge(stars, how="cross")
    wrong = (rng.random(len(table)) < 0.15) * rng.integers(1, 3, len(table))
    return table.assign(
        prediction=(table["label"] + wrong) % n_classes, in_subset=rng.random(len(table)) < 0.6
    )


def _importance(rng, modalities, seeds, classes):
    subsets = chain.from_iterable(combinations(modalities, k) for k in range(1, len(modalities) + 1))
    mixtures = ["+".join(parts) for parts in subsets]
    table = _grid(modalities=mixtures, class_name=(*classes, "overall", "class mean"), seed=seeds)
    correct = rng.integers(23 + 5 * table["modalities"].str.count(r"\+"), 41)
    return table.assign(count=40, correct=correct, accuracy=100 * correct / 40)


def _history(modalities, seeds):
    epochs = np.arange(20)
    pairs = list(combinations(modalities, 2))
    tables = []
    for k, seed in enumerate(seeds):
        loss = len(pairs) * 2 * np.log(256) * (0.35 + 0.65 * np.exp(-epochs / 6)) + 0.2 * k
        table = pd.DataFrame(
            {
                "epoch": epochs,
                "lr": 1e-3,
                "loss": loss,
                "val_loss": loss * 1.05,
                "accuracy": 0.5 - 0.5 * np.exp(-epochs / 8),
                "val_accuracy": 0.45 - 0.45 * np.exp(-epochs / 8),
                "seed": seed,
            }
        )
        for j, (a, b) in enumerate(pairs):
            table[f"scale {a}-{b}"] = 14 + 3 * j + epochs
        tables.append(table)
    return pd.concat(tables)


def _outliers(rng, modalities, classes, ids, names, truth):
    table = pd.DataFrame({"id": ids, "class": names, "split": "test"})
    bad = rng.random(len(ids)) < 0.03
    for m in (*modalities, "all"):
        distance = rng.gamma(4, 0.06, len(ids)) + 0.5 * bad
        distance[rng.random(len(ids)) < 0.02] = np.nan
        table[f"distance {m}"], table[f"nearest {m}"] = distance, np.where(bad, classes[0], names)
        table[f"flagged {m}"] = distance > np.nanquantile(distance, 0.98)
    table["n_flagged"] = sum(table[f"flagged {m}"].astype(int) for m in modalities)
    elsewhere = table["nearest all"] != table["class"]
    kinds = np.where(elsewhere, "possible misclassification", "in-class outlier")
    table["kind"] = np.where(table["flagged all"], kinds, "")
    table["suggested"] = np.where(table["flagged all"] & elsewhere, table["nearest all"], "")
    table["truth"] = np.where(bad, "mislabelled", "normal") if truth else ""
    return table


def _subclasses(rng, modalities):
    tables, scores = [], []
    for group, kinds in (("M", ("oxygen-rich", "carbon-rich")), ("ROT", ("spotted", "ellipsoidal"))):
        cluster = rng.integers(0, 2, 80)
        kind = np.array(kinds)[cluster ^ (rng.random(80) < 0.1)]
        kind[rng.random(80) < 0.3] = ""
        xy = rng.normal(0, 1, (80, 2)) + 5 * cluster[:, None]
        tables.append(
            pd.DataFrame(
                {
                    "group": group,
                    "id": [f"{group}{k}" for k in range(80)],
                    "cluster": cluster,
                    "truth": kind,
                    "x": xy[:, 0],
                    "y": xy[:, 1],
                    "bp_rp": rng.normal(2 + cluster, 0.4),
                    "j_k": rng.normal(1.2 + cluster, 0.3),
                }
            )
        )
        scores += [
            {
                "group": group,
                "space": space,
                "ari": 0.7,
                "low": 0.5,
                "high": 0.85,
                "n_stars": 80,
                "n_known": 56,
                "truth_source": "simulation",
            }
            for space in ("all", *modalities, "metadata baseline")
        ]
    return pd.concat(tables), pd.DataFrame(scores)


def curve(rng, kind: int, points: int = 150):
    """A folded light curve that looks like something: sine, saw-tooth, or eclipses."""
    phase = rng.random(points)
    shape = [
        np.sin(2 * np.pi * phase),
        1 - 2 * np.abs(phase - 0.15) ** 0.6,
        1 - 1.5 * np.exp(-(((phase - 0.5) / 0.05) ** 2)) - 0.6 * np.exp(-(((phase % 1) / 0.04) ** 2)),
    ]
    error = np.full(points, 0.1)
    return phase, shape[kind % 3] + rng.normal(0, 0.1, points), error


def spectrum(rng, wavelength, kind: int):
    hot = np.exp(-((wavelength - 3000 - 450 * kind) ** 2) / 3e6)
    lines = sum(0.3 * np.exp(-(((wavelength - w) / 12) ** 2)) for w in (4101.7, 4340.5, 4861.3, 6562.8))
    return hot * (1 - lines) + rng.normal(0, 0.01, len(wavelength))


def _material(rng, profile, which, label, classes, modalities, ids, source):
    bands = ["blue", "red"] if "blue" in modalities else ["photometry"]

    def stars(rows):
        curves = [[curve(rng, label[r] + b) for b in range(len(bands))] for r in rows]
        phase, flux, error = (np.array([[c[k] for c in star] for star in curves]) for k in range(3))
        made = {"bands": np.array(bands)}
        for b, band in enumerate(bands):
            suffix, end = (f" {band}", -7) if b else ("", None)  # a second band has fewer points
            names = (f"phase{suffix}", f"flux{suffix}", f"flux_error{suffix}")
            made |= {name: array[:, b, :end] for name, array in zip(names, (phase, flux, error), strict=True)}
        if "spectra" in modalities:
            wavelength = np.arange(3850.0, 9000, 4)
            made |= {
                "wavelength": wavelength,
                "spectrum": np.array([spectrum(rng, wavelength, label[r]) for r in rows]),
            }
        return made

    some = np.concatenate([np.flatnonzero(label == k)[:3] for k in range(len(classes))])
    examples = stars(some) | {
        "label": label[some],
        "id": ids[some],
        "period": 10 ** rng.normal(0, 1, len(some)),
    }
    if "dmdt" in modalities:
        images = np.exp(-np.arange(20)[:, None] / np.linspace(1.5, 8, 10)) * np.ones((len(some), 1, 1))
        examples["dmdt"] = images / images.sum(axis=1, keepdims=True)
    results.keep_arrays(profile, f"{which}_examples", **examples, source=source)
    queries = np.array([7, 11])
    shown = {"query_row": queries}
    for a in modalities:
        for b in modalities:
            hits = np.stack([rng.choice(np.flatnonzero(label == label[q]), 5) for q in queries])
            hits[:, 3] = rng.integers(0, len(label), 2)
            if a != b:
                hits[:, 0] = queries
            alike = np.linspace(0.98, 0.7, 5) * np.ones((2, 1))
            shown |= {f"hits {a}>{b}": hits, f"similarity {a}>{b}": alike}
    flagged = results.load(profile, f"{which}_outliers").query("kind != ''").index[:10]
    rows = np.unique(
        np.concatenate([queries, flagged, *(v.ravel() for k, v in shown.items() if "hits" in k)])
    )
    shown |= {"row": rows, "class_name": np.array(classes)[label[rows]], **stars(rows)}
    results.keep_arrays(profile, f"{which}_queries", **shown, source=source)


def fabricate_sample(profile: str = "sample") -> None:
    """The two surveys of the sample profile: four modalities and thirteen classes, and two bands."""
    groups = ("LPV", "ECL", "ROT", "DSCT/GDOR", "CEP", "RR", "YSO", "QSO", "CP", "RS", "BE", "CV", "ELL")
    fabricate(
        profile,
        modalities=("photometry", "spectra", "dmdt", "metadata"),
        classes=groups,
        truth=False,
        source="Gaia DR3, autoencoder-smoothed",
    )
    fabricate(
        profile,
        "astrom3_eros1",
        modalities=("blue", "red", "metadata"),
        truth=False,
        source="EROS-1",
        classes=("eclipsing binary", "Cepheid", "RR Lyrae", "Mira"),
    )
