"""The ablations of A2-MAE on simulated image sets, and what its sets, masks and fillings look like.

Every function takes an `Experiment`, trains what is missing, and keeps numbers for `astrolib.report.anchor`.
All arms are trained side by side; equal ones are trained once.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import nn

from astrolib.data.image_sets import ImageSets
from astrolib.evaluate import image_sets as references
from astrolib.models.anchor_masking import MODES, SetMask
from astrolib.papers import anchor_baselines as baselines
from astrolib.papers import anchor_filling as filling
from astrolib.papers.anchor import Arm, Experiment, measure_job
from astrolib.papers.anchor_heads import changed_patches, epochs_of
from astrolib.papers.anchor_sets import KEYS, keys_of
from astrolib.papers.workers import side_by_side

NULLS = {"objects": "single", "reddening": "no place", "scale": "no scale"}
"""What a null's simulation leaves out, and the counterpart that must then do as well as the default."""
SHOWN = 6
"""Sets in pictures."""


@dataclass(frozen=True)
class Point:
    """A row of a table, with one seed; `arm` is its pretraining."""

    part: str
    variant: str
    arm: Arm


def points(experiment: Experiment) -> list[Point]:
    """Every row of every table; the default in each that it belongs to."""
    found = []
    for seed in experiment.settings.seeds:
        base = Arm(seed=seed)
        found += [Point("modes", name, arm) for name, arm in mode_arms(base).items()]
        found += [Point("encodings", name, arm) for name, arm in encoding_arms(experiment, base).items()]
    for seed in experiment.settings.null_seeds:
        arms = encoding_arms(experiment, Arm(seed=seed)) | {"single": Arm("random", single=True, seed=seed)}
        for null, other in NULLS.items():
            for name in ("place and scale", other):
                found.append(Point(f"null {null}", name, replace(arms[name], null=null)))
    return found


def mode_arms(base: Arm) -> dict[str, Arm]:
    """How tokens are hidden, and what the anchor is compared by.

    No two images of a set are of the anchor's survey, so with the survey as key all images are hidden where
    the anchor is: that is the mode "same", and it is trained once.
    """
    arms = {mode: replace(base, mode=mode) for mode in MODES if mode != "anchor"}
    arms |= {f"anchor, key {key}": replace(base, key=key) for key in KEYS if key != "survey"}
    arms["anchor, key survey"] = arms["same"]
    return arms | {
        "single": replace(base, mode="random", single=True),
        "untrained": replace(base, trained=False),
    }


def encoding_arms(experiment: Experiment, base: Arm) -> dict[str, Arm]:
    """What a token is told of the place and the scale of its image."""
    arms = {
        "place and scale": base,
        "no scale": replace(base, scale=False),
        "no place": replace(base, geographic=False),
        "neither": replace(base, geographic=False, scale=False),
    }
    orders = {f"place to order {order}": replace(base, order=order) for order in experiment.settings.orders}
    return arms | orders | {"no slots": replace(base, slots=False)}


def keep_measures(experiment: Experiment) -> None:
    """Train and measure every arm, and keep what was found as "objects", "wide", "filled" and "runs", each
    with the columns part, variant and seed."""
    wanted = points(experiment)
    arms = list(dict.fromkeys(point.arm for point in wanted))
    arms.sort(key=lambda arm: (not arm.trained, arm.null))
    made = side_by_side(
        measure_job,
        [(experiment.profile, arm) for arm in arms],
        "anchor masking",
        workers=experiment.settings.workers,
        costs=[1.0 if arm.trained else 0.3 for arm in arms],
    )
    found = dict(zip(arms, made, strict=True))
    tables: dict[str, list[pd.DataFrame]] = {"objects": [], "wide": [], "filled": [], "runs": []}
    for point in wanted:
        about = {"part": point.part, "variant": point.variant, "seed": point.arm.seed}
        about["source"] = experiment.data(point.arm.null).sets.source
        for name, table in found[point.arm].items():
            tables[name].append(table.assign(**about))
        if point.arm.trained:
            history = experiment.run(point.arm).history()
            losses = {"first_loss": history["loss"].iloc[0], "last_loss": history["loss"].iloc[-1]}
            losses |= {"own_loss": history["val_loss"].iloc[-1]}
            tables["runs"].append(pd.DataFrame([about | losses]))
    for name, others in baselines.measure(experiment).items():
        tables[name] += others
    for name, parts in tables.items():
        experiment.keep(name, pd.concat([part for part in parts if len(part)], ignore_index=True))


# ---------------------------------------------------------------- pictures


def keep_sets(experiment: Experiment) -> None:
    """Keep how many sets are in each part as "splits", what the surveys are as "surveys", and some sets and
    where all are on the sky as "sets" and "sky"."""
    data = experiment.data()
    sets, splits = data.sets, data.splits
    counts = [
        {"part": part, "class": name, "n": int((sets.label[rows] == k).sum())}
        for part, rows in splits.items()
        for k, name in enumerate(sets.class_names)
    ]
    experiment.keep("splits", pd.DataFrame(counts))
    surveys = [
        {
            "slot": slot,
            "survey": name,
            "date": int(sets.epoch[slot]) + 1,
            "wavelengths_nm": f"{sets.wavelength[:, slot].min():.0f} to {sets.wavelength[:, slot].max():.0f}",
            "pixel_arcsec": float(sets.pixel_scale[slot]),
            "fwhm_arcsec": float(sets.fwhm[slot]),
            "depth_mag": float(np.median(sets.depth[:, slot])),
            "field_arcsec": float(sets.pixel_scale[slot] * sets.images.shape[-1]),
        }
        for slot, name in enumerate(sets.survey)
    ]
    experiment.keep("surveys", pd.DataFrame(surveys))
    rows = showpieces(experiment)
    experiment.keep_arrays(
        "sets",
        images=np.asarray(sets.images[rows]),
        changed=np.asarray(sets.transient_mask[rows]),
        slots=np.array(slot_names(sets)),
        fields=sets.pixel_scale * sets.images.shape[-1],
        epochs=np.array(epochs_of(sets)),
        label=np.array(sets.class_names)[sets.label[rows]],
    )
    part = np.full(len(sets), "train", dtype="<U12")
    for name in ("validation", "nearby", "held out"):
        part[splits[name]] = name
    experiment.keep("sky", pd.DataFrame({"ra": sets.ra, "dec": sets.dec, "ebv": sets.ebv, "part": part}))


def keep_masks(experiment: Experiment) -> None:
    """Keep what each mode shows of one set as "masks"."""
    sets = experiment.data().sets.subset(showpieces(experiment)[:1])
    key = torch.from_numpy(keys_of(sets, "epoch"))
    side = sets.images.shape[-1] // experiment.settings.transformer.patch_size
    hidden = []
    for mode in MODES:
        masking = SetMask(mode, experiment.settings.pretraining.mask_ratio)
        mask = masking(key, side**2, generator=torch.Generator().manual_seed(1)).mask
        hidden.append(mask.reshape(key.shape[1], side, side).numpy())
    experiment.keep_arrays(
        "masks",
        images=np.asarray(sets.images[0]),
        hidden=np.stack(hidden),
        modes=np.array(MODES),
        slots=np.array(slot_names(sets)),
    )


def keep_pictures(experiment: Experiment) -> None:
    """Keep what the default network makes of hidden patches and of a missing survey as "reconstruction", and
    how far its tokens of both dates are apart as "changes"."""
    data, seed = experiment.data(), experiment.settings.seeds[0]
    rows = showpieces(experiment)
    sets = data.sets.subset(rows)
    n_images = sets.images.shape[1]
    arm = Arm(seed=seed)
    model = experiment.pretrain(arm, progress=False)
    (batch,) = data.batches(sets, len(sets)).epoch(torch.Generator(experiment.device))
    missing = sets.survey[1]
    settings = {
        filling.QUARTERS: filling.shared_mask(len(sets), n_images, model.n_patches),
        f"without {missing}": np.repeat(
            filling.missing_mask(sets, missing, model.n_patches)[None], len(sets), axis=0
        ),
    }
    made = {}
    with torch.no_grad():
        for number, hidden in enumerate(settings.values()):
            made[f"hidden_{number}"] = filling.pixels_of(hidden, sets.images.shape[-1])
            made[f"found_{number}"] = filling.predicted(model, batch, hidden).cpu().numpy()
    experiment.keep_arrays(
        "reconstruction",
        images=np.arcsinh(np.asarray(sets.images) / filling.SOFTENING),
        settings=np.array(list(settings)),
        slots=np.array(slot_names(sets)),
        **made,
    )
    first, second = epochs_of(sets)
    experiment.keep_arrays(
        "changes",
        first=np.asarray(sets.images[:, first]),
        second=np.asarray(sets.images[:, second]),
        difference=references.difference_score(
            sets.images[:, first], sets.images[:, second], sets.fwhm[second] / sets.pixel_scale[second]
        ),
        changed=np.asarray(sets.transient_mask),
        patches=changed_patches(sets, model.n_patches),
        tokens=token_change(experiment, arm, model, sets),
    )


def token_change(experiment: Experiment, arm: Arm, model: nn.Module, sets: ImageSets) -> np.ndarray:
    """Distance (n, N) of the tokens of both epochs, in units of its median over patches."""
    _, tokens = experiment.encode(arm, model, sets)
    first, second = epochs_of(sets)
    distance = np.linalg.norm(tokens[:, second] - tokens[:, first], axis=-1)
    return distance / np.median(distance)


def showpieces(experiment: Experiment) -> np.ndarray:
    """Test sets for pictures: bright galaxies of both classes, every other one with a transient."""
    data = experiment.data()
    sets, test = data.sets, data.splits["test"]
    size = np.asarray(sets.source_mask[test, 0]).sum(axis=(1, 2))
    found = []
    for number in range(SHOWN):
        wanted = (sets.transient[test] == (number % 2 == 0)) & (sets.label[test] == (number // 2) % 2)
        candidates = np.flatnonzero(wanted & ~np.isin(test, found))
        pool = candidates if len(candidates) else np.flatnonzero(~np.isin(test, found))
        found.append(int(test[pool[np.argsort(-size[pool])[len(pool) // 8]]]))
    return np.array(found)


def slot_names(sets: ImageSets) -> list[str]:
    """Names of the images of a set: the survey, and the date where there are two."""
    twice = {name for name in sets.survey if list(sets.survey).count(name) > 1}
    return [
        f"{name}, date {epoch + 1}" if name in twice else name
        for name, epoch in zip(sets.survey, sets.epoch, strict=True)
    ]
