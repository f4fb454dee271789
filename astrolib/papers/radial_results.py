"""What the tables and figures of R-MAE on galaxies are made from: everything trained, measured and kept.

Every function takes an `Experiment`, trains what is missing, and keeps numbers for `astrolib.report.radial`.
Comparisons change one thing at a time about the default arm: a ViT, sectors and range, one mask ratio.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import torch
from torch import Generator

from astrolib.models.occupancy import LOSSES
from astrolib.papers import radial_networks as networks
from astrolib.papers.radial import Experiment, finetune_job, observe_job, probe_job
from astrolib.papers.radial_filling import HALF_TURN, PROFILE, fill_job, filled_rows, guesses, unlearned_fills
from astrolib.papers.radial_images import DEGRADED, NULL, OBSERVED
from astrolib.papers.radial_networks import (
    ANGULAR,
    BOTH,
    CENTRE_ERROR,
    MASKINGS,
    OCCUPANCY,
    UNIFORM,
    VIT,
    Arm,
)
from astrolib.papers.workers import side_by_side
from astrolib.report.images import rgb

N_SHOWN = 4
"""Galaxies in the picture of fills."""


# ---------------------------------------------------------------- what is compared


def default(experiment: Experiment, seed: int) -> Arm:
    """What all others differ from in one thing."""
    settings = experiment.settings
    return Arm(mask_ratio=settings.pretraining.mask_ratio, n_sectors=settings.sectors[0], seed=seed)


def kinds(base: Arm) -> list[Arm]:
    """Which patches are hidden, all at one visible fraction; and sectors about a wrong centre."""
    found = [replace(base, masking=name) for name in MASKINGS]
    return [*found, replace(base, centre_error=CENTRE_ERROR)]


def losses(base: Arm) -> list[Arm]:
    """The occupancy network with each loss, and with R-MAE's on pixels that are hidden at random."""
    found = [replace(base, network=OCCUPANCY, loss=loss) for loss in LOSSES]
    return [*found, replace(found[0], masking=UNIFORM)]


def starts(experiment: Experiment, seed: int) -> list[Arm]:
    """Where a classifier begins: from scratch, uniform masking, R-MAE at two mask ratios."""
    base = default(experiment, seed)
    most = replace(base, mask_ratio=experiment.settings.mask_ratios[-1])
    return [replace(base, untrained=True), replace(base, masking=UNIFORM), base, most]


def compared(experiment: Experiment) -> list[tuple[Arm, str]]:
    """Every arm whose features are probed, with the state of the images they are probed on.

    What is probed a second time comes last, so that no worker waits for another's training.
    """
    settings, found, again = experiment.settings, [], []
    for seed in settings.seeds:
        base = default(experiment, seed)
        arms = [*losses(base), *kinds(base), *starts(experiment, seed)]
        arms += [replace(base, mask_ratio=ratio) for ratio in settings.mask_ratios]
        arms += [replace(base, n_sectors=n) for n in settings.sectors]
        found += [(arm, OBSERVED) for arm in arms]
        elsewhere = replace(base, images=DEGRADED)
        found += [(elsewhere, DEGRADED)]
        again += [(arm, DEGRADED) for arm in (base, replace(base, untrained=True))] + [(elsewhere, OBSERVED)]
    return list(dict.fromkeys(found + again))


def filled(experiment: Experiment) -> list[tuple[Arm, bool]]:
    """Every arm whose guesses are judged, and whether beside fills that have not learned: those depend on
    what is visible, so the first arm of each masking brings them."""
    found = []
    for seed in experiment.settings.seeds:
        base = default(experiment, seed)
        uniform, dense = replace(base, masking=UNIFORM), replace(base, network=OCCUPANCY, loss=LOSSES[0])
        found += [(arm, True) for arm in (base, uniform, dense, replace(dense, masking=UNIFORM))]
        found += [(replace(dense, loss=loss), False) for loss in LOSSES[1:]]
        found += [(replace(arm, images=NULL), True) for arm in (base, dense)]
    return found


# ---------------------------------------------------------------- training and measuring


def keep_masks(experiment: Experiment) -> None:
    """Keep one galaxy under every mask as "masks", and how much is visible on average as "visible"."""
    rows, settings = filled_rows(experiment), experiment.settings
    scene, base = experiment.scene(), default(experiment, settings.seeds[0])
    shown = int(scene.radii[rows, 0].argsort()[int(0.75 * len(rows))])  # rather large
    (batch,) = scene.batches(rows, len(rows), label=experiment.images.survey.label).epoch()
    masks, table = [], []
    for name, arm in _masks(base, settings.mask_ratios):
        visible = _visible(experiment, arm, batch)
        masks.append(visible[shown])
        row = {"network": arm.network, "masking": arm.masking, "mask_ratio": arm.mask_ratio}
        share = visible.mean(axis=(1, 2))
        row |= {"nominal": 1 - arm.mask_ratio, "visible": share.mean(), "visible_std": share.std()}
        table.append(row | {"name": name, "n_images": len(rows)})
    experiment.keep("visible", pd.DataFrame(table))
    names, ratios = zip(*[(row["name"], row["mask_ratio"]) for row in table], strict=True)
    experiment.keep_arrays(
        "masks",
        image=pictures(experiment, rows[[shown]])[0],
        visible=np.stack(masks),
        fraction=np.array([mask.mean() for mask in masks]),
        names=np.array(names),
        ratios=np.array(ratios),
        radii=scene.radii[rows[shown]],
        centre=scene.centre[rows[shown]],
    )


def keep_features(experiment: Experiment) -> None:
    """Pretrain everything, and keep what frozen and fine-tuned features say as "predictions" and "targets",
    learning curves as "history", and the two halves of the test images by light as "halves"."""
    wanted = compared(experiment)
    jobs = [(experiment.profile, arm, state) for arm, state in wanted]
    probed = _all(
        experiment, probe_job, jobs, "pretraining", [3.0 if arm.network == VIT else 2.0 for arm, _ in wanted]
    )
    tables = [_about(table["predictions"], arm, "linear", state)
              for (arm, state), table in zip(wanted, probed, strict=True)]  # fmt: skip
    targets = [_about(table["targets"], arm, "linear", state)
               for (arm, state), table in zip(wanted, probed, strict=True)]  # fmt: skip

    tuned = _tuned(experiment)
    jobs = [(experiment.profile, *each) for each in tuned]
    cost = [fraction**0.5 * (3.0 if arm.untrained else 1.0) for arm, fraction, _ in tuned]
    found = _all(experiment, finetune_job, jobs, "fine-tuning", cost)
    tables += [_about(table.assign(fraction=fraction), arm, "fine-tuned", state)
               for (arm, fraction, state), table in zip(tuned, found, strict=True)]  # fmt: skip
    experiment.keep("predictions", pd.concat(tables, ignore_index=True))
    experiment.keep("targets", pd.concat(targets, ignore_index=True))

    arms = dict.fromkeys(arm for arm, _ in wanted if not arm.untrained)
    histories = [_about(_history(experiment, arm), arm, "", arm.images) for arm in arms]
    experiment.keep("history", pd.concat(histories, ignore_index=True))
    test, scene = experiment.images.splits["test"], experiment.scene()
    light = scene.light[test].sum(axis=(1, 2))
    ids, bright = experiment.images.survey.ids[test], light >= np.median(light)
    experiment.keep("halves", pd.DataFrame({"id": ids, "half": np.where(bright, "bright", "faint")}))
    names = np.array(experiment.images.survey.class_names)
    experiment.keep_arrays("classes", class_names=names)


def keep_filling(experiment: Experiment) -> None:
    """Keep how well hidden pixels are guessed, image by image, as "filling"."""
    wanted = filled(experiment)
    jobs = [(experiment.profile, *each) for each in wanted]
    found = _all(
        experiment, fill_job, jobs, "filling", [3.0 if unlearned else 1.0 for _, unlearned in wanted]
    )
    tables = [_about(table, arm, "", arm.images) for (arm, _), table in zip(wanted, found, strict=True)]
    experiment.keep("filling", pd.concat(tables, ignore_index=True))


def keep_observed(experiment: Experiment) -> None:
    """Keep what is known from a part of the sectors as "observed"."""
    arms = [arm for seed in experiment.settings.seeds for arm in starts(experiment, seed)[:3]]
    found = _all(experiment, observe_job, [(experiment.profile, arm) for arm in arms], "sensing less")
    tables = [_about(table, arm, "linear", OBSERVED) for arm, table in zip(arms, found, strict=True)]
    experiment.keep("observed", pd.concat(tables, ignore_index=True))


def keep_guesses(experiment: Experiment) -> None:
    """Keep what a few galaxies are guessed to look like as "guesses"."""
    rows, scene = filled_rows(experiment), experiment.scene()
    by_size = rows[scene.radii[rows, 0].argsort()]
    shown = np.sort(by_size[(len(rows) * np.linspace(0.4, 0.85, N_SHOWN)).astype(int)])
    base = default(experiment, experiment.settings.seeds[0])
    visible, vit, _ = guesses(experiment, base, shown, progress=False)
    made = unlearned_fills(scene, shown, visible, experiment.images.splits["train"][:200])
    occupied = replace(base, network=OCCUPANCY, loss=LOSSES[0])
    seen, logit, _ = guesses(experiment, occupied, shown, progress=False)
    experiment.keep_arrays(
        "guesses",
        light=scene.compressed(shown),
        visible=visible,
        vit=vit,
        azimuthal=made[PROFILE],
        half_turn=made[HALF_TURN],
        seen=seen,
        probability=1 / (1 + np.exp(-logit)),
        occupied=scene.occupied[shown],
    )


# ---------------------------------------------------------------- shared


def pictures(experiment: Experiment, rows: np.ndarray) -> np.ndarray:
    """Images as evaluation sees them, as colour pictures (n, h, w, 3) from 0 to 1."""
    images = experiment.images
    pixels = images.views.central(
        images.pixels(torch.as_tensor(np.array(images.survey.images[rows])))
    ).numpy()
    if images.survey.is_display:
        return np.clip(pixels.transpose(0, 2, 3, 1), 0, 1)
    return rgb(pixels, images.survey.channels) / np.float32(255)


def _masks(base: Arm, ratios: Sequence[float]) -> Iterable[tuple[str, Arm]]:
    pixels = replace(base, network=OCCUPANCY)
    named = {f"patches, {name}": replace(base, masking=name) for name in MASKINGS}
    named |= {f"pixels, {name}": replace(pixels, masking=name) for name in (ANGULAR, BOTH)}
    return [(name, replace(arm, mask_ratio=ratio)) for name, arm in named.items() for ratio in ratios]


def _visible(experiment: Experiment, arm: Arm, batch: dict[str, torch.Tensor]) -> np.ndarray:
    settings, generator = experiment.settings, Generator().manual_seed(arm.seed)
    if arm.network == OCCUPANCY:
        return networks.visible_pixels(settings, arm, batch, generator)[:, 0].numpy()
    rows, columns = networks.grid_of(settings)
    geometry = networks.in_patches(settings, batch)
    mask = networks.masking_of(settings, arm)(
        len(batch["images"]), rows * columns, generator=generator, **geometry
    )
    shown, side = ~mask.mask.reshape(-1, rows, columns).numpy(), settings.transformer.patch_size
    return shown.repeat(side, axis=1).repeat(side, axis=2)


def _history(experiment: Experiment, arm: Arm) -> pd.DataFrame:
    """Its column `loss` would be taken for the name of the arm's loss."""
    return experiment.run(arm).history().rename(columns={"loss": "training_loss"})


def _tuned(experiment: Experiment) -> list[tuple[Arm, float, str]]:
    """Classifiers: every start with every fraction of the labels, and those of the transfer with few."""
    found, fractions = [], experiment.settings.fractions
    for seed in experiment.settings.seeds:
        found += [(arm, f, OBSERVED) for f in fractions for arm in starts(experiment, seed)]
        base, few = default(experiment, seed), fractions[1]
        elsewhere, scratch = replace(base, images=DEGRADED), replace(base, untrained=True)
        found += [(elsewhere, few, OBSERVED)]
        found += [(arm, few, DEGRADED) for arm in (scratch, base, elsewhere)]
    return list(dict.fromkeys(found))


def _about(table: pd.DataFrame, arm: Arm, protocol: str, state: str) -> pd.DataFrame:
    return table.assign(**asdict(arm), protocol=protocol, state=state)


def _all(
    experiment: Experiment, work: Callable, jobs: list[tuple], what: str, costs: list[float] | None = None
) -> list:
    workers = experiment.settings.workers
    return side_by_side(work, jobs, what, workers=workers, costs=costs, unit=" units of work")
