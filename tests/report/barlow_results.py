"""Small results in the form that Barlow Twins' notebooks keep, made up to draw every figure."""

import numpy as np
import pandas as pd

from astrolib.report import results

SEEDS, FRACTIONS = (42, 43, 44), (1.0, 0.1, 0.01)
CLASSES = ("elliptical", "edge-on", "spiral")
SOURCE = "simulated galaxies"
BASE = {1.0: 0.94, 0.1: 0.88, 0.01: 0.72}
"""How often Barlow Twins is right."""
PLUS = {
    ("Barlow Twins", "resnet"): 0.0,
    ("SimCLR", "resnet"): -0.01,
    ("Barlow Twins", "vit"): -0.04,
    ("MAE", "vit"): -0.1,
    ("random init", "resnet"): -0.12,
    ("random init", "vit"): -0.2,
}
LOSSES = {
    "both": 0.0, "invariance": -0.03, "redundancy": -0.15, "feature-normalised": -0.01, "no-batch-norm": 0.0,
    "no-batch-norm-covariance": -0.08, "cross-entropy": -0.04, "untrained": -0.12,
}  # fmt: skip
RUNGS = ("all", "no reddening", "and no noise", "and no psf", "and no size", "shifted crop only")


def predictions(rng, label, share, seeds=SEEDS) -> pd.DataFrame:
    """An arm that is right for that share of the images: hard images are hard for every arm."""
    n, n_classes, tables = len(label), int(label.max()) + 1, []
    hard = np.random.default_rng(0).random(n)
    for seed in seeds:
        wrong = hard + rng.normal(0, 0.05, n) > share + rng.normal(0, 0.004)
        found = (label + wrong * rng.integers(1, n_classes, n)) % n_classes
        ids = [f"galaxy {k}" for k in range(n)]
        tables.append(pd.DataFrame({"seed": seed, "id": ids, "label": label, "prediction": found}))
    return pd.concat(tables, ignore_index=True)


def fabricate(profile: str, *, n=300, seeds=SEEDS, source=SOURCE, physical=True, side=12) -> None:
    """Write every result of a profile; without `physical`, those of display images."""
    rng = np.random.default_rng(1)
    label = np.arange(n) % len(CLASSES)
    keep = {
        "predictions": _comparison(rng, label, seeds),
        "transfer": _transfer(rng, n, seeds, physical),
        "ablation_predictions": _points(rng, label, seeds),
        "ablation_runs": _runs(rng, seeds),
        "ablation_transfer": _ladder_redshifts(rng, n, seeds),
        "history": _history(rng, seeds),
    }
    counts = pd.MultiIndex.from_product([("train", "validation", "test"), CLASSES], names=["part", "class"])
    keep["splits"] = counts.to_frame(index=False).assign(n=np.arange(9) * 10 + 5)
    place = rng.normal(0, 5, (3, 2))[label] + rng.normal(0, 1, (n, 2))
    quantities = {"redshift": rng.gamma(3, 0.05, n), "magnitude": rng.uniform(15, 18, n)}
    if not physical:
        quantities = {"measured size": rng.gamma(4, 1.0, n)}
    keep["map"] = pd.DataFrame({"x": place[:, 0], "y": place[:, 1], "label": label} | quantities)
    for name, table in keep.items():
        results.keep(profile, f"barlow_{name}", table.assign(source=source))

    names, pictures = np.array(CLASSES), {"source": source}
    steps = np.array(["reddening", "rotation", "psf", "noise", "view A", "view B"])
    texts = np.array([[f"{step} {k}" for k in range(10)] for step in steps])
    draws = galaxies(rng, 60, side).reshape(6, 10, side, side, 3)
    keep_arrays = {
        "examples": {"image": galaxies(rng, 12, side), "label": np.repeat(range(3), 4), "class_names": names},
        "views": {"original": galaxies(rng, 1, side)[0], "steps": steps, "draws": draws, "texts": texts},
        "pairs": {"a": galaxies(rng, 6, side), "b": galaxies(rng, 6, side)}
        | {f"texts_{w}": np.array(["E(B-V) 0.23, 120 deg, size 1.05"] * 6) for w in "ab"},
        "neighbours": {"query": galaxies(rng, 3, side), "query_label": np.arange(3), "class_names": names,
                       "hits": galaxies(rng, 18, side).reshape(3, 6, side, side, 3),
                       "hit_label": rng.integers(0, 3, (3, 6)), "method": "Barlow Twins, resnet"},
        "spectrum": {"before": np.arange(1, 33) ** -1.6, "after": np.arange(1, 33) ** -0.7,
                     "SimCLR, resnet": np.arange(1, 33) ** -0.9, "MAE, vit": np.arange(1, 17) ** -1.2},
        "correlation": {"before": np.clip(rng.normal(0, 0.3, (16, 16)) + np.eye(16), -1, 1),
                        "after": np.clip(rng.normal(0, 0.03, (16, 16)) + 0.9 * np.eye(16), -1, 1)},
    }  # fmt: skip
    for name, arrays in keep_arrays.items():
        results.keep_arrays(profile, f"barlow_{name}", **arrays, **pictures)


def galaxies(rng, n: int, side: int) -> np.ndarray:
    """Round blobs on a noisy sky (n, side, side, 3), from 0 to 1."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    width = rng.uniform(0.1, 0.25, (n, 1, 1)) * side
    light = np.exp(-(x**2 + y**2) / (2 * width**2))[..., None] * rng.uniform(0.4, 1, (n, 1, 1, 3))
    return np.clip(light + rng.normal(0.03, 0.03, light.shape), 0, 1)


def _comparison(rng, label, seeds) -> pd.DataFrame:
    tables = []
    for fraction in FRACTIONS:
        base = BASE[fraction]
        arms = {(*arm, "linear"): base + plus for arm, plus in PLUS.items()}
        arms |= {(*arm, "k-NN"): base + plus - 0.03 for arm, plus in PLUS.items()}
        tuned = {1.0: 0.02, 0.1: 0.01, 0.01: -0.01}[fraction]
        arms |= {(*arm, "fine-tuned"): base + tuned for arm in list(PLUS)[:4]}
        scratch = {1.0: 0.0, 0.1: -0.06, 0.01: -0.15}[fraction]
        arms |= {("supervised", encoder, "fine-tuned"): base + scratch for encoder in ("resnet", "vit")}
        arms[("hand-made features", "none", "random forest")] = base - 0.05
        for (method, encoder, protocol), share in arms.items():
            about = {"method": method, "encoder": encoder, "protocol": protocol, "fraction": fraction}
            tables.append(predictions(rng, label, share, seeds).assign(**about))
    return pd.concat(tables, ignore_index=True)


def _transfer(rng, n, seeds, physical) -> pd.DataFrame:
    targets = ("redshift", "bulge fraction") if physical else ("measured axis ratio", "measured size")
    error = {arm: 0.3 - 2 * plus for arm, plus in PLUS.items()}
    tables = []
    for target in targets:
        truth = rng.gamma(3, 0.05, n) if target == "redshift" else rng.uniform(0, 1, n)
        truth[:3] = np.nan
        errors = dict(error)
        if physical:
            errors[("hand-made features", "none")] = 0.5
        if target == "redshift":
            errors |= {("colours", "none"): 0.7, ("Barlow Twins, E(B-V) up to 0.1", "resnet"): 0.2}
        for (method, encoder), scatter in errors.items():
            for seed in seeds:
                found = truth + scatter * np.nanstd(truth) * rng.normal(0, 1, n)
                table = pd.DataFrame({"id": [f"galaxy {k}" for k in range(n)], "truth": truth})
                table["prediction"] = np.where(np.isnan(truth), 0.1, found)
                about = {"method": method, "encoder": encoder, "target": target, "seed": seed}
                tables.append(table.assign(**about))
    return pd.concat(tables, ignore_index=True)


def _variants() -> list[tuple[str, str, float, str, float]]:
    """Part, variant, x, arm, and how much less often than the baseline it is right."""
    nan = np.nan
    found = [("table5", name, nan, "", plus) for name, plus in LOSSES.items()]
    found += [("table6", name, nan, "", plus)
              for name, plus in {"baseline": 0.0, "a": -0.01, "b": -0.015, "c": -0.06}.items()]  # fmt: skip
    for size in (64, 256, 1024):
        found.append(("fig2", f"{size}", size, "Barlow Twins", -0.002 * np.log2(1024 / size)))
        found.append(("fig2", f"{size}", size, "SimCLR", -0.01 - 0.02 * np.log2(1024 / size)))
    found += [("fig3", name, k, "", -0.02 * k) for k, name in enumerate(RUNGS)]
    for width in (16, 64, 256, 1024, 2048):
        found.append(("fig4", f"{width}", width, "lambda fixed", -0.02 * np.log2(2048 / width)))
        found.append(("fig4", f"{width}", width, "lambda x 8192/D", -0.005 * np.log2(2048 / width)))
    found += [("fig5", f"{v:g}", v, "", 0.0) for v in (0.002, 0.0051, 0.007, 0.01, 0.015, 0.02)]
    return [*found, ("recipe", "baseline", nan, "", 0.0), ("recipe", "three times the epochs", nan, "", 0.02)]


def _points(rng, label, seeds) -> pd.DataFrame:
    tables = []
    for part, variant, x, arm, plus in _variants():
        for fraction in FRACTIONS:
            about = {"part": part, "variant": variant, "x": x, "arm": arm, "fraction": fraction}
            tables.append(predictions(rng, label, BASE[fraction] - 0.02 + plus, seeds).assign(**about))
    return pd.concat(tables, ignore_index=True)


def _ladder_redshifts(rng, n, seeds) -> pd.DataFrame:
    """Redshifts are better without reddening."""
    truth, tables = rng.gamma(3, 0.05, n), []
    for x, variant in enumerate(RUNGS[:2]):
        for seed in seeds:
            table = pd.DataFrame({"id": [f"galaxy {k}" for k in range(n)], "truth": truth})
            table["prediction"] = truth + (0.5 - 0.3 * x) * truth.std() * rng.normal(0, 1, n)
            about = {"part": "fig3", "variant": variant, "x": x, "arm": "", "target": "redshift"}
            tables.append(table.assign(**about, seed=seed))
    return pd.concat(tables, ignore_index=True)


def _runs(rng, seeds) -> pd.DataFrame:
    measures = {"invariance": (0.97, 0.6, 12.0), "redundancy": (0.02, 0.01, 90.0)}
    rows = []
    for part, variant, x, arm, _ in _variants():
        diagonal, off_square, rank_z = measures.get(variant, (0.9, 0.02, 80.0))
        for seed in seeds:
            row = {"part": part, "variant": variant, "x": x, "arm": arm, "seed": seed, "epochs": 3}
            row |= {"diagonal": diagonal, "off_square": off_square, "rank_z": rank_z + rng.uniform(0, 2)}
            rows.append(row | {"rank_r": 30 + rng.uniform(0, 2)})
    table = pd.DataFrame(rows)
    table.loc[table["variant"] == "untrained", ["diagonal", "off_square", "rank_z"]] = np.nan
    return table


def _history(rng, seeds) -> pd.DataFrame:
    tables = []
    for encoder, epochs in (("resnet", 10), ("vit", 8)):
        for seed in seeds:
            epoch = np.arange(epochs)
            on, off = (a * np.exp(-epoch / 3) + b + rng.uniform(0, 2) for a, b in ((200, 20), (3000, 400)))
            table = pd.DataFrame({"seed": seed, "encoder": encoder, "epoch": epoch, "on": on, "off": off})
            table = table.assign(val_on=1.1 * on, val_off=1.2 * off, loss=on + 0.0051 * off)
            table["val_loss"] = table["val_on"] + 0.0051 * table["val_off"]
            for name, top in (("r", 35), ("z", 100)):
                table[f"val_rank_{name}"] = 8 + top * (1 - np.exp(-epoch / 3)) + rng.normal(0, 1, epochs)
            for number in (1, 2, 4, 8):
                table[f"val_sv{number}"] = number ** -(0.5 + np.exp(-epoch / 3))
            tables.append(table)
    return pd.concat(tables, ignore_index=True)
