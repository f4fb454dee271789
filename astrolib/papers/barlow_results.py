"""Tables 1 to 3 of Barlow Twins on galaxies, and what its views, embeddings and neighbours look like.

Every function takes an `Experiment`, trains what is missing, and keeps numbers for `astrolib.report.barlow`.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from astrolib.data.views import DisplayViews
from astrolib.evaluate import probes, spectrum
from astrolib.evaluate.embeddings import map_2d
from astrolib.evaluate.similarity import nearest
from astrolib.papers.barlow_networks import (
    BARLOW,
    HANDMADE,
    MAE,
    SIMCLR,
    SUPERVISED,
    UNTRAINED,
    Arm,
    recipe,
)
from astrolib.papers.barlow_twins import Experiment, finetune_job, probe_job
from astrolib.papers.workers import side_by_side
from astrolib.report.images import rgb

COMPARED = (
    (BARLOW, "resnet"),
    (SIMCLR, "resnet"),
    (BARLOW, "vit"),
    (MAE, "vit"),
    (UNTRAINED, "resnet"),
    (UNTRAINED, "vit"),
)
"""Method and encoder of what is compared; the slowest first."""
LITTLE_REDDENING = 0.1
"""E(B-V) [mag] up to which views are reddened where colour matters (Barlow Twins card, section 9.1)."""
N_DRAWS = 10


def compared_arms(experiment: Experiment) -> list[Arm]:
    """Every pretraining of Tables 1 and 2, with every seed."""
    seeds = experiment.settings.seeds
    return [Arm(method, encoder, seed) for method, encoder in COMPARED for seed in seeds]


def little_reddened(experiment: Experiment) -> list[Arm]:
    """Pretrainings with hardly any reddening, where there is flux to redden."""
    if experiment.images.survey.is_display:
        return []
    return [Arm(seed=seed, max_reddening=LITTLE_REDDENING) for seed in experiment.settings.seeds]


def keep_survey(experiment: Experiment) -> None:
    """Keep who is in which part as "splits", and test images of every class as "examples"."""
    images = experiment.images
    counts = [
        {"part": part, "class": name, "n": n}
        for part, rows in images.splits.items()
        for name, n in images.class_counts(rows).items()
    ]
    experiment.keep("splits", pd.DataFrame(counts))
    test = images.splits["test"]
    classes = [test[images.survey.label[test] == k][:8] for k in range(len(images.survey.class_names))]
    shown = np.concatenate(classes)
    pictures, names = _pictures(experiment, shown), np.array(images.survey.class_names)
    experiment.keep_arrays("examples", image=pictures, label=images.survey.label[shown], class_names=names)


def keep_views(experiment: Experiment, n_pairs: int = 6, seed: int = 0) -> None:
    """Keep one galaxy under every augmentation as "views", and pairs of views as "pairs"."""
    images, views = experiment.images, experiment.images.views
    generator = torch.Generator().manual_seed(seed)
    row = _showpiece(experiment)
    copies = images.pixels(torch.as_tensor(np.asarray(images.survey.images[[row] * N_DRAWS])))
    steps, draws, texts = [], [], []
    for step in views.STEPS:
        made = views.only(step).view_with_parameters(copies, generator, "a")
        steps.append(step)
        draws.append(_rgb(experiment, made[0]))
        texts.append(_words(made[1], (step,)))
    for which in ("a", "b"):
        made, _ = views.view_with_parameters(copies, generator, which)
        steps.append(f"view {which.upper()}")
        draws.append(_rgb(experiment, made))
        texts.append([""] * N_DRAWS)
    original = _rgb(experiment, views.central(copies[:1]))[0]
    names = {"steps": np.array(steps), "texts": np.array(texts)}
    experiment.keep_arrays("views", original=original, draws=np.stack(draws), **names)

    test = images.splits["test"]
    rows = np.random.default_rng(seed).choice(test, min(n_pairs, len(test)), replace=False)
    pixels = images.pixels(torch.as_tensor(np.asarray(images.survey.images[np.sort(rows)])))
    pair = {}
    for which in ("a", "b"):
        made, drawn = views.view_with_parameters(pixels, generator, which)
        pair |= {which: _rgb(experiment, made), f"texts_{which}": np.array(_words(drawn, views.STEPS))}
    experiment.keep_arrays("pairs", **pair)


def keep_tables(experiment: Experiment) -> None:
    """Keep what Tables 1 to 3 are made from as "predictions" and "transfer"; trains what is missing."""
    images, settings = experiment.images, experiment.settings
    arms, little = compared_arms(experiment), little_reddened(experiment)
    found = probe_all(experiment, [*arms, *little], "pretraining")
    tuned = [(arm, fraction) for arm in arms for fraction in settings.fractions]
    jobs = [(experiment.profile, arm, fraction) for arm, fraction in tuned]
    costs = [len(images.labelled(f, arm.seed)) / f**0.5 for arm, f in tuned]
    classified = side_by_side(
        finetune_job, jobs, "barlow fine-tuning", workers=settings.workers, costs=costs, unit=" passes"
    )
    predictions = [
        _labelled(table, arm, method=SUPERVISED if arm.method == UNTRAINED else arm.method).assign(
            protocol="fine-tuned", fraction=fraction
        )
        for (arm, fraction), table in zip(tuned, classified, strict=True)
    ]
    predictions += [_labelled(tables["predictions"], arm) for arm, tables in zip(arms, found, strict=False)]
    predictions += [_forest(experiment, fraction, seed) for fraction in settings.fractions
                    for seed in settings.seeds]  # fmt: skip
    experiment.keep("predictions", pd.concat(predictions, ignore_index=True))
    transfer = [_labelled(tables["transfer"], arm) for arm, tables in zip(arms, found, strict=False)]
    for arm, tables in zip(little, found[len(arms) :], strict=True):
        table = _labelled(tables["transfer"], arm, method=f"{BARLOW}, E(B-V) up to {LITTLE_REDDENING}")
        transfer.append(table[table["target"] == "redshift"])
    transfer += _handmade_transfer(experiment)
    experiment.keep("transfer", pd.concat(transfer, ignore_index=True))


def probe_all(experiment: Experiment, arms: list[Arm], what: str) -> list[dict[str, pd.DataFrame]]:
    """Pretrain and probe many arms side by side."""
    images, settings = experiment.images, experiment.settings
    costs = [
        1 if arm.method == UNTRAINED else len(images.splits[arm.images]) * recipe(settings, arm).epochs
        for arm in arms
    ]
    return side_by_side(
        probe_job,
        [(experiment.profile, arm) for arm in arms],
        f"barlow {what}",
        workers=settings.workers,
        costs=costs,
        unit=" passes of a galaxy",
    )


def _labelled(table: pd.DataFrame, arm: Arm, method: str = "") -> pd.DataFrame:
    return table.assign(method=method or arm.method, encoder=arm.encoder, seed=arm.seed)


def _forest(experiment: Experiment, fraction: float, seed: int) -> pd.DataFrame:
    """Classes from hand-made features: what a network must beat to be worth its images."""
    images = experiment.images
    values, _ = images.handmade
    train, test, label = images.labelled(fraction, seed), images.splits["test"], images.survey.label
    found = probes.forest_probe(values[train], label[train], values[test], seed)
    about = {"method": HANDMADE, "encoder": "none", "protocol": "random forest"}
    table = {"id": images.survey.ids[test], "label": label[test], "prediction": found}
    return pd.DataFrame(table).assign(**about, fraction=fraction, seed=seed)


def _handmade_transfer(experiment: Experiment) -> list[pd.DataFrame]:
    """Targets that the survey knows from hand-made features, and redshift from the colours among them."""
    images = experiment.images
    if not images.survey.targets:
        return []  # measured targets are hand-made features themselves
    values, names = images.handmade
    colours = [k for k, name in enumerate(names) if name.startswith("colour")]
    train, test = images.splits["train"], images.splits["test"]
    tables = []
    for target, truth in images.targets.items():
        known = train[np.isfinite(truth[train])]
        for method, columns in ((HANDMADE, list(range(len(names)))), ("colours", colours)):
            if method == "colours" and target != "redshift":
                continue
            for seed in experiment.settings.seeds:
                x = values[:, columns]
                found = probes.forest_regression(x[known], truth[known], x[test], seed)
                table = {"id": images.survey.ids[test], "truth": truth[test], "prediction": found}
                about = {"method": method, "encoder": "none", "target": target, "seed": seed}
                tables.append(pd.DataFrame(table).assign(**about))
    return tables


# ---------------------------------------------------------------- looking at the embeddings


def keep_training(experiment: Experiment) -> None:
    """Pretrain everything that is compared, with every seed, and keep the learning curves of Barlow Twins as
    "history"."""
    arms = [*compared_arms(experiment), *little_reddened(experiment)]
    probe_all(experiment, arms, "pretraining")
    histories = [
        experiment.run(arm).history().assign(seed=arm.seed, encoder=arm.encoder)
        for arm in compared_arms(experiment)
        if arm.method == BARLOW
    ]
    experiment.keep("history", pd.concat(histories, ignore_index=True))


def keep_embeddings(experiment: Experiment, n_neighbours: int = 6) -> None:
    """Keep the cross-correlation before and after training as "correlation", singular values of the features
    as "spectrum", nearest neighbours of some test images as "neighbours", and a "map" of the test images."""
    images, seed = experiment.images, experiment.settings.seeds[0]
    test, arm = images.splits["test"], Arm(seed=seed)
    untrained, trained = replace(arm, method=UNTRAINED), experiment.pretrain(arm, progress=False)
    fresh = experiment.pretrain(untrained)
    correlation = {"before": fresh, "after": trained}
    experiment.keep_arrays(
        "correlation",
        **{when: experiment.embeddings(arm, model)[2] for when, model in correlation.items()},
    )
    x = experiment.features(arm, test)
    values = {"before": experiment.features(untrained, test), "after": x}
    values |= {
        f"{method}, {encoder}": experiment.features(Arm(method, encoder, seed), test)
        for method, encoder in ((SIMCLR, "resnet"), (BARLOW, "vit"), (MAE, "vit"))
    }
    experiment.keep_arrays("spectrum", **{k: spectrum.singular_values(v) for k, v in values.items()})

    queries = np.array([np.flatnonzero(images.survey.label[test] == k)[0]
                        for k in np.unique(images.survey.label[test])])  # fmt: skip
    hits, _ = nearest(x[queries], x, n_neighbours, exclude=queries)
    shown = _pictures(experiment, test[hits.ravel()])
    experiment.keep_arrays(
        "neighbours",
        query=_pictures(experiment, test[queries]),
        query_label=images.survey.label[test[queries]],
        hits=shown.reshape(*hits.shape, *shown.shape[1:]),
        hit_label=images.survey.label[test[hits]],
        method=f"{BARLOW}, resnet",
        class_names=np.array(images.survey.class_names),
    )
    plane = map_2d(x, n_neighbors=30, min_dist=0.3, seed=seed)
    table = pd.DataFrame({"x": plane[:, 0], "y": plane[:, 1], "label": images.survey.label[test]})
    for name, quantity in {**images.survey.targets, **images.targets}.items():
        table[name] = quantity[test]
    experiment.keep("map", table)


def _showpiece(experiment: Experiment) -> int:
    """The brightest of the rather large spirals of the test images: augmentations show well on it."""
    images = experiment.images
    test = images.splits["test"]
    kinds = [k for k, name in enumerate(images.survey.class_names) if "spiral" in name]
    spiral = test[np.isin(images.survey.label[test], kinds)]
    values, names = images.handmade
    size = values[spiral, names.index("half-light radius")]
    low, high = np.quantile(size, [0.6, 0.85])
    large = spiral[(size >= low) & (size <= high)]
    return int(large[values[large, names.index("magnitude")].argmin()])


def _pictures(experiment: Experiment, rows: np.ndarray) -> np.ndarray:
    """Images as evaluation sees them, as colour pictures (n, h, w, 3)."""
    images = experiment.images
    stored = torch.as_tensor(np.asarray(images.survey.images[rows]))
    return _rgb(experiment, images.views.central(images.pixels(stored)))


def _rgb(experiment: Experiment, pixels: torch.Tensor) -> np.ndarray:
    """Colour pictures (n, h, w, 3) from 0 to 1."""
    pixels = pixels.cpu().numpy()
    if isinstance(experiment.images.views, DisplayViews):
        return np.clip(pixels.transpose(0, 2, 3, 1), 0, 1)
    return rgb(pixels, experiment.images.survey.channels) / np.float32(255)


def _words(drawn: dict[str, np.ndarray], steps: tuple[str, ...]) -> list[str]:
    """What was drawn for each image, for printing under it."""
    formats = {
        "reddening": ("ebv", "E(B-V) {:.2f}"),
        "rotation": ("angle", "{:.0f} deg"),
        "size": ("size", "size {:.2f}"),
        "psf": ("psf", "PSF +{:.1f} px"),
        "noise": ("noise", "noise +{:.2g}"),
        "gamma": ("gamma", "gamma {:.2f}"),
        "gain": ("gain", "gain {:.2f}"),
    }
    columns = []
    for step in steps:
        if step in formats and formats[step][0] in drawn:
            name, words = formats[step]
            values = np.asarray(drawn[name], np.float64)
            values = values.reshape(len(values), -1).mean(axis=1)
            columns.append([words.format(value) for value in values])
    return [", ".join(row) for row in zip(*columns, strict=True)] if columns else [""] * len(drawn["angle"])
