"""The tables of AstroM3: every classifier of the grid, what each modality is worth, frozen embeddings.

Every function takes an `Experiment`, trains what is missing, and keeps numbers for `astrolib.report.astrom3`.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import torch

from astrolib.evaluate import classify
from astrolib.models.multimodal import MultimodalCLIP
from astrolib.papers.astrom3 import ALL, FOREST, WAYS, Experiment

KEYS = ("modality", "fraction", "way", "seed")
IMPORTANCE_FRACTION = 0.5  # of the labels, for the fused classifier of the table of modality importance


def keep_stars(experiment: Experiment) -> None:
    """Keep who is in which part, with metadata, as "stars"; the counts as "splits"; the "classes"."""
    stars, settings, class_names = experiment.stars, experiment.settings, experiment.class_names
    survey = stars.survey
    table = pd.DataFrame({"id": survey.ids, "class": np.array(class_names)[survey.label]})
    for part, rows in stars.parts(experiment.first_seed).items():
        table.loc[rows, "split"] = part
    for name, modality in survey.modalities.items():
        table[f"has {name}"] = modality.present
    metadata = survey.modalities["metadata"]
    for name, values in zip(metadata.names, metadata.values.T, strict=True):
        # What a paper's column of magnitudes holds after its transform (AstroM3 card, section 3.4).
        table["absolute_g" if name == "phot_g_mean_mag" else name] = values
    for name in ("period", "amplitude"):
        if name in survey.catalogue.colnames:
            table[name] = np.asarray(survey.catalogue[name], np.float64)
    experiment.keep("stars", table)
    counts = []
    for seed in settings.seeds:
        for fraction in settings.fractions:
            for part, rows in stars.labelled(seed, fraction).items():
                numbers = np.bincount(survey.label[rows], minlength=len(class_names))
                labels = {"seed": seed, "fraction": fraction, "split": part}
                counts += [
                    labels | {"class_name": name, "label_id": i, "count": n}
                    for i, (name, n) in enumerate(zip(class_names, numbers.tolist(), strict=True))
                ]
    experiment.keep("splits", pd.DataFrame(counts))
    names = {"label_id": range(len(class_names)), "class_name": class_names}
    experiment.keep("classes", pd.DataFrame(names))


def keep_pretraining(experiment: Experiment) -> None:
    """Pretrain with every seed and keep the learning curves as "pretraining"."""
    seeds = experiment.settings.seeds
    experiment.side_by_side([("pretrain", (seed,)) for seed in seeds], "pretraining")
    histories = [experiment.pretraining_run(seed).history().assign(seed=seed) for seed in seeds]
    experiment.keep("pretraining", pd.concat(histories, ignore_index=True))


def grid(experiment: Experiment) -> list[tuple[str, float, str, int]]:
    """Every classifier of the main table: modality, fraction, way, seed; the longest trainings first."""
    settings = experiment.settings
    return [
        (modality, fraction, way, seed)
        for fraction in sorted(settings.fractions, reverse=True)
        for modality in (ALL, *experiment.names)
        for way in (*WAYS, FOREST)
        for seed in settings.seeds
    ]


def scores(experiment: Experiment) -> pd.DataFrame:
    """The paper's main table, and the predictions behind it; trains what is missing.

    Returns
    -------
    DataFrame
        A row for each classifier: modality, fraction, way, seed, accuracy and balanced_accuracy (of the test
        subset of the same fraction: the paper's protocol), accuracy_whole_test [percent], n_train, n_test.
        Kept as "scores", the predictions as "predictions".
    """
    keep_pretraining(experiment)
    jobs, n_classes = grid(experiment), len(experiment.class_names)
    costs = [_cost(experiment, *job) for job in jobs]
    predictions = experiment.side_by_side([("classify", job) for job in jobs], "classifiers", costs)
    rows, tables = [], []
    for job, table in zip(jobs, predictions, strict=True):
        labels = dict(zip(KEYS, job, strict=True))
        subset = table[table["in_subset"]]
        found = classify.scores(subset["label"].to_numpy(), subset["prediction"].to_numpy(), n_classes)
        whole = classify.scores(table["label"].to_numpy(), table["prediction"].to_numpy(), n_classes)
        numbers = {
            "accuracy": found["accuracy"],
            "balanced_accuracy": found["balanced_accuracy"],
            "accuracy_whole_test": whole["accuracy"],
            "n_train": len(experiment.labelled_rows(job[0], job[1], job[3], "train")),
            "n_test": len(subset),
        }
        rows.append(labels | numbers)
        tables.append(table.assign(**labels))
    experiment.keep("predictions", pd.concat(tables, ignore_index=True))
    experiment.keep("scores", kept := pd.DataFrame(rows))
    return kept


def _cost(experiment: Experiment, modality: str, fraction: float, way: str, seed: int) -> float:
    """Roughly what a classifier takes, in passes of a star through an encoder of light curves."""
    kinds = [experiment.stars.survey.modalities[name].kind for name in experiment.used(modality)]
    optimization, _ = experiment.recipe(modality, fraction, way)
    epochs = 1 if way == FOREST else optimization.epochs
    return (
        len(experiment.labelled_rows(modality, fraction, seed, "train"))
        * epochs
        * sum(1.0 if kind == "light curve" else 0.2 for kind in kinds)
    )


def keep_importance(experiment: Experiment) -> pd.DataFrame:
    """What each modality is worth to the fused classifier: its embedding alone, and all mixtures.

    The head stays as it is; only the mean of the embeddings runs over fewer of them (AstroM3 card, section
    9.5). Kept as "importance": class_name (also "overall" and "class mean"), modalities, seed, accuracy.
    """
    names, fraction = experiment.names, IMPORTANCE_FRACTION
    mixtures = [c for k in range(1, len(names) + 1) for c in combinations(names, k)]
    rows = []
    for seed in experiment.settings.seeds:
        net = experiment.train_classifier(ALL, fraction, "CLIP", seed, progress=False)
        test = experiment.stars.labelled(seed, fraction)["test"]
        label = experiment.stars.survey.label[test]
        for mixture in mixtures:
            predicted = experiment.predict(net, test, names, seed, fraction, use=mixture)
            rows += _by_class(label, predicted, experiment.class_names, "+".join(mixture), seed)
    experiment.keep("importance", table := pd.DataFrame(rows))
    return table


def _by_class(
    label: np.ndarray, predicted: np.ndarray, class_names: Sequence[str], mixture: str, seed: int
) -> list[dict]:
    """Rows of the importance table for one mixture of modalities."""
    right = label == predicted
    groups = {name: label == number for number, name in enumerate(class_names)}
    groups = {name: right[members] for name, members in groups.items() if members.any()}
    means = [members.mean() for members in groups.values()]
    rows = [
        {"class_name": name, "count": len(members), "correct": int(members.sum())}
        for name, members in (groups | {"overall": right}).items()
    ]
    for row in rows:
        row["accuracy"] = 100 * row["correct"] / row["count"]
    rows.append({"class_name": "class mean", "count": len(label), "accuracy": 100 * float(np.mean(means))})
    return [row | {"modalities": mixture, "seed": seed} for row in rows]


def embed(experiment: Experiment, seed: int) -> dict[str, np.ndarray]:
    """Embeddings of all stars by the CLIP model of a seed, and their mean.

    Returns
    -------
    dict of str to (N, D) float32 array
        Unit vectors for each modality, NaN where a star lacks it; "all" is the mean over those it has.
    """
    model: MultimodalCLIP = experiment.pretrain(seed, progress=False)
    stars = experiment.stars
    batches = stars.batches(np.arange(len(stars.survey)), experiment.names, 512, seed=seed)
    found = []
    for batch in batches.epoch(torch.Generator(experiment.device).manual_seed(seed)):
        with torch.no_grad():  # not around the pretraining
            unit = model.embed(experiment.inputs(batch)[0])
        for name in experiment.names:
            unit[name] = unit[name].masked_fill(~batch[f"{name}.present"][:, None], torch.nan)
        found.append({name: x.cpu().numpy() for name, x in unit.items()})
    joined = {name: np.concatenate([each[name] for each in found]) for name in experiment.names}
    joined[ALL] = np.nanmean(np.stack(list(joined.values())), axis=0)
    return joined


def keep_embedding_classifiers(experiment: Experiment) -> pd.DataFrame:
    """Accuracy of the frozen embeddings: nearest class centre and nearest neighbour, as
    "embedding_classifiers" (AstroM3 card, section 9.4, but each seed with its own CLIP model, so without the
    leak of the authors' table)."""
    label, rows = experiment.stars.survey.label, []
    for seed in experiment.settings.seeds:
        spaces = embed(experiment, seed)
        for fraction in experiment.settings.fractions:
            for name, x in spaces.items():
                train, test = (
                    experiment.labelled_rows(name, fraction, seed, part) for part in ("train", "test")
                )
                for classifier, classify_with in (
                    ("class centre", classify.centre_classifier),
                    ("nearest neighbour", classify.nearest_neighbour_classifier),
                ):
                    predicted = classify_with(x[train], label[train], x[test])
                    labels = {"fraction": fraction, "modality": name, "classifier": classifier, "seed": seed}
                    rows.append(labels | {"accuracy": 100 * float((predicted == label[test]).mean())})
    experiment.keep("embedding_classifiers", table := pd.DataFrame(rows))
    return table
