"""Reports of A2-MAE, from made-up numbers: what is drawn, what is tabled, and what is judged."""

import numpy as np
import pandas as pd
import pytest

from astrolib import paths
from astrolib.report import anchor, anchor_criteria, anchor_tables, results
from astrolib.report.anchor_criteria import CRITERIA, QUARTERS, criterion_table
from astrolib.report.anchor_scores import DEFAULT, ENCODED, PATCH, Evidence, NotMeasured

SOURCE = "simulated image sets"
PLACES = ("nearby", "held out")
SLOTS = ("Legacy-like", "SDSS-like", "ZTF-like", "ZTF-like")
MODES = (DEFAULT, "random", "same", "hybrid", "anchor-visible", "single", "untrained")
ENCODINGS = (ENCODED, "no scale", "no place", "neither", "place to order 3", "no slots")
NULLS = {"null objects": "single", "null reddening": "no place", "null scale": "no scale"}
N = 80


def keep(name: str, table: pd.DataFrame) -> None:
    results.keep("demo", f"anchor_{name}", table.assign(source=SOURCE))


def objects_of(part: str, variant: str, seed: int, quality: float = 0.5) -> pd.DataFrame:
    """Test sets of an arm: the higher its quality, the smaller its errors; the sets are always the same."""
    rng, own = np.random.default_rng(0), np.random.default_rng([seed, *map(ord, variant)])
    label, transient, log_ebv = rng.integers(0, 2, N), rng.random(N) < 0.4, rng.normal(-2.5, 0.8, N)
    wrong = own.random(N) > quality
    seen = transient & (own.random(N) < quality)
    table = {
        "id": np.arange(N),
        "place": np.where(np.arange(N) % 2, *PLACES),
        "label": label,
        "class_found": np.where(wrong, 1 - label, label),
        "log_ebv": log_ebv,
        "log_ebv_found": log_ebv + own.normal(0, 1 - quality, N),
        "scored": True,
        "transient": transient,
        "alarm": seen,
    }
    table |= {"seg_tp": 50, "seg_fp": 10, "seg_fn": 10}
    table |= {"patch_tp": seen * 1, "patch_fp": 0, "patch_fn": (transient & ~seen) * 1}
    for slot in range(4):
        error = (1 - quality) * rng.uniform(0.9, 1.1, N)
        table |= {f"error_{slot}": error, f"source_{slot}": np.where(np.arange(N) == 3, np.nan, 2 * error)}
    return pd.DataFrame(table).assign(part=part, variant=variant, seed=seed)


def filled_of(part: str, variant: str, seed: int, excess: float) -> pd.DataFrame:
    rows = []
    for slot in range(4):
        for visible in (QUARTERS, anchor_criteria.MISSING):
            floor = np.random.default_rng(slot).uniform(0.1, 0.2, N)
            table = {
                "id": np.arange(N),
                "slot": slot,
                "visible": visible,
                "error": floor + excess,
                "floor": floor,
            }
            rows.append(pd.DataFrame(table))
    return pd.concat(rows).assign(part=part, variant=variant, seed=seed)


@pytest.fixture
def made_up():
    """Numbers of every kind that papers/anchor_results keeps."""
    seeds, objects, filled, wide, runs = (42, 43), [], [], [], []
    parts = {"modes": MODES, "encodings": ENCODINGS} | {p: (ENCODED, other) for p, other in NULLS.items()}
    for part, variants in parts.items():
        for variant in variants:
            for seed in seeds:
                quality = 0.9 if variant in (DEFAULT, ENCODED) and "null" not in part else 0.7
                objects.append(objects_of(part, variant, seed, quality))
                about = {"part": part, "variant": variant, "seed": seed}
                losses = {"first_loss": 1.0, "last_loss": 1 - quality, "own_loss": 0.5}
                runs.append(pd.DataFrame([about | losses]))
                if part == "modes":
                    filled.append(filled_of(part, variant, seed, 0.2 - 0.2 * quality))
                if part == "encodings":
                    for scale in ("as trained", "doubled"):
                        label = np.arange(40) % 2
                        found = np.where(np.arange(40) < (4 if scale == "doubled" else 0), 1 - label, label)
                        table = {"id": np.arange(40), "label": label, "class_found": found, "scale": scale}
                        wide.append(pd.DataFrame(table).assign(**about))
    columns = {
        "nearest on the sky": ["log_ebv", "log_ebv_found"],
        "difference image": ["scored", "transient", "alarm", "patch_tp", "patch_fp", "patch_fn"],
    }
    errors = [f"{kind}_{slot}" for kind in ("error", "source") for slot in range(4)]
    names = ("constant", "mean training image", "visible mean", "resampled regression")
    columns |= {name: errors for name in names}
    for variant, known in columns.items():
        table = objects_of("baseline", variant, 0, 0.6)
        objects.append(table[["id", "place", "label", "part", "variant", "seed", *known]])
    filled += [filled_of("baseline", name, 0, 0.1) for name in ("visible mean", "resampled regression")]
    for name, tables in {"objects": objects, "filled": filled, "wide": wide, "runs": runs}.items():
        keep(name, pd.concat(tables, ignore_index=True))
    surveys = pd.DataFrame({"slot": range(4), "survey": SLOTS, "date": [1, 1, 1, 2], "pixel_arcsec": 0.3})
    keep("surveys", surveys)
    keep("splits", pd.DataFrame({"part": ["train", "train"], "class": ["disc", "spheroid"], "n": [5, 6]}))
    rng = np.random.default_rng(1)
    sky = {"ra": rng.uniform(0, 360, N), "dec": rng.uniform(-80, 80, N), "ebv": rng.uniform(0.01, 0.3, N)}
    keep("sky", pd.DataFrame(sky).assign(part=np.where(np.arange(N) % 3, "train", "held out")))
    pictures(rng)


def pictures(rng: np.random.Generator) -> None:
    images = rng.normal(size=(3, 4, 3, 16, 16)).astype(np.float32)
    changed = np.zeros((3, 16, 16), bool)
    changed[0, 3:6, 10:12] = True
    slots = np.array([*SLOTS[:2], "ZTF-like, date 1", "ZTF-like, date 2"])
    hidden = rng.random((3, 4, 16, 16)) < 0.5
    kept = {
        "sets": {"images": images, "changed": changed, "slots": slots, "fields": np.full(4, 20.0),
                 "epochs": np.array([2, 3]), "label": np.array(["disc"] * 3)},
        "masks": {"images": images[0], "hidden": rng.random((5, 4, 2, 2)) < 0.7, "slots": slots,
                  "modes": np.array(["random", "same", "hybrid", "anchor", "anchor-visible"])},
        "reconstruction": {"images": images, "slots": slots, "settings": np.array(["a", "b"]),
                           "hidden_0": hidden, "found_0": images, "hidden_1": hidden, "found_1": images},
        "changes": {"first": images[:, 2], "second": images[:, 3], "difference": images[:, 0, 0],
                    "changed": changed, "patches": rng.random((3, 4)) < 0.5, "tokens": rng.random((3, 4))},
    }  # fmt: skip
    for name, arrays in kept.items():
        results.keep_arrays("demo", f"anchor_{name}", **arrays, source=SOURCE)


def test_everything_is_drawn_from_numbers_on_disk(made_up):
    names = anchor.redraw("demo")
    assert sorted(names) == sorted(
        [*(f"{n}.png" for n in anchor.FIGURES), *(f"{n}.csv" for n in anchor.TABLES)]
    )
    for name in names:
        path = paths.figures("demo") / name
        assert path.is_file() and path.stat().st_size < 200_000
        if name.endswith("csv"):
            table = pd.read_csv(path)
            assert table["source"].str.startswith("simulated").all() and table["n_seeds"].notna().all()
            assert path.with_suffix(".md").is_file()


def test_nothing_on_disk_says_what_to_run(capsys):
    assert anchor.main(["--profile", "demo"]) == 1
    assert "Run `make all PROFILE=demo`" in capsys.readouterr().err


def test_the_papers_column_says_that_its_numbers_are_not_public(made_up):
    for name in ("modes", "encodings", "imputation", "nulls"):
        getattr(anchor_tables, f"table_{name}")("demo")
        table = pd.read_csv(paths.figures("demo") / f"anchor_table_{name}.csv")
        assert (table["paper"] == "not public").all()


def test_error_ratios_are_exact_where_arms_differ_by_a_factor(made_up):
    evidence = Evidence("demo")
    arms = [evidence.arm("modes", name) for name in (DEFAULT, "random")]
    found = evidence.error_ratio(*arms, [1, 2])
    assert found.value == pytest.approx(0.1 / 0.3) and found.low == pytest.approx(found.high)
    assert evidence.error_ratio(*arms, [1, 2], "source").value == pytest.approx(1 / 3)
    assert found.n_seeds == 2


def test_f1_of_sums_over_sets(made_up):
    evidence = Evidence("demo")
    arm = evidence.arm("modes", DEFAULT)
    found = evidence.f1_difference(arm, arm, PATCH)
    assert found.value == found.low == found.high == 0
    scores = evidence.scores("modes").set_index("variant")
    values = []
    for _, some in arm.groupby("seed"):
        hits, missed = some["patch_tp"].sum(), some["patch_fn"].sum()
        values.append(100 * 2 * hits / (2 * hits + missed))
    assert scores.loc[DEFAULT, "changes F1, patches"] == pytest.approx(np.mean(values))
    assert scores.loc[DEFAULT, "changes F1, patches_std"] == pytest.approx(np.std(values, ddof=1))


def test_a_rival_with_one_seed_is_paired_with_every_seed(made_up):
    evidence = Evidence("demo")
    found = evidence.error_ratio(evidence.arm("modes", DEFAULT), evidence.arm("baseline", "constant"), [0])
    assert found.n_seeds == 2 and found.value == pytest.approx(0.1 / 0.4)


def test_losing_half_as_much_is_just_enough(made_up):
    """Both lose 10 points at twice the pixel scale, so 10 - 10 / 2 is what is left."""
    assert Evidence("demo").drop(ENCODED, "no scale").value == pytest.approx(5)


def test_medians_above_the_floor(made_up):
    found = Evidence("demo").filling_difference(DEFAULT, "resampled regression", QUARTERS, [1])
    assert found.value == pytest.approx(0.02 - 0.1)


def test_every_criterion_of_the_card_is_judged(made_up):
    table = criterion_table("demo").set_index("criterion")
    assert len(table) == len(CRITERIA)
    measured = table[table["verdict"] != "not measured"]
    assert len(measured) == len(CRITERIA) - 1 and (measured["low"] <= measured["high"]).all()
    assert table.loc["The same on real image sets", "reason"].startswith("needs matched cutouts")
    assert table.loc["Masked error of the other surveys, anchor / random", "verdict"] == "met"
    assert table.loc["SDSS-like from quarters: excess, ours - regression", "verdict"] == "met"
    assert table.loc["Drop at twice the pixels - half of that without scale", "verdict"] == "not met"


@pytest.mark.parametrize(
    ("words", "threshold"),
    [
        ("Masked error of the other surveys, anchor / random", "<= 0.97"),
        ("Changes: F1 of patches, anchor - random", ">= 1 points"),
        ("R2 nearby, with - without place", ">= 0.05 R2"),
        ("Morphology on held-out sky, with - without place", ">= 0 points"),
        ("Drop at twice the pixels - half of that without scale", "<= 0 points"),
        ("SDSS-like from the others: excess, ours - regression", "< 0 variance of the pixels"),
        ("Other galaxies: gain over a single survey", "within ±0.01 of the error"),
        ("Training loss, last epoch / first", "<= 0.8"),
    ],
)
def test_thresholds_are_the_cards(words, threshold):
    (found,) = [criterion.threshold for criterion in CRITERIA if criterion.words == words]
    assert found == threshold


def test_what_was_not_run_is_not_measured(made_up):
    table = results.load("demo", "anchor_objects")
    results.keep("demo", "anchor_objects", table[table["variant"] != "random"])
    with pytest.raises(NotMeasured, match="not run: modes, random"):
        Evidence("demo").arm("modes", "random")
    rows = criterion_table("demo").set_index("criterion")
    row = rows.loc["Changes: F1 of patches, anchor - random"]
    assert row["verdict"] == "not measured" and row["n_seeds"] == 0 and "random" in row["reason"]
