"""How well hidden parts of galaxies are guessed, by trained networks and without learning.

A network and the fills it is compared with see exactly the same pixels; which those are follows from seed and
masking alone. Light is compared as asinh(light / 3 noise), occupied pixels as R-MAE compares voxels.
"""

import numpy as np
import pandas as pd
import torch
from torch import Generator

from astrolib.evaluate import filling
from astrolib.evaluate.filling import average_precision_per_class, intersection_over_union
from astrolib.papers import radial_networks as networks
from astrolib.papers.radial import Experiment, experiment_of
from astrolib.papers.radial_images import Scene
from astrolib.papers.radial_networks import VIT, Arm
from astrolib.report import results

PROFILE, HALF_TURN, ELLIPSE = "azimuthal profile", "half turn", "elliptical profile"
NEIGHBOURS, COMPONENTS, CONSTANT = "visible neighbours", "principal components", "constant"
UNLEARNED = (PROFILE, HALF_TURN, ELLIPSE, NEIGHBOURS, COMPONENTS, CONSTANT)
MOST_TRAINING = 2000
"""Images that the principal components are taken from."""


def fill(experiment: Experiment, arm: Arm, *, unlearned: bool = True, progress: bool = True) -> pd.DataFrame:
    """Hidden pixels of test images, guessed by an arm and, if asked for, by everything in `UNLEARNED`.

    Returns
    -------
    DataFrame
        For each method and test image: `method` (the arm's network, or a name of `UNLEARNED`), `id`,
        `visible` (fraction of its pixels), `iou` (intersection over union of occupied pixels among the hidden
        ones), `iou_partner_visible`, `iou_partner_hidden` (where the opposite pixel is visible, or is not),
        `flux_error` (mean square, hidden pixels), and for the network `average_precision` of its guess of
        occupancy with the share of occupied pixels as `prior`.
    """
    path = experiment.kept(arm, f"filling-{'all' if unlearned else 'network'}")
    if path.exists():
        return pd.read_parquet(path)
    rows = filled_rows(experiment)
    scene = experiment.scene(arm.images)
    visible, guess, score = guesses(experiment, arm, rows, progress=progress)
    judge = _Judge(scene, rows, visible, experiment.settings.threshold)
    tables = [judge.guess(arm.network, guess, score)]
    if unlearned:
        train = experiment.images.splits["train"][:MOST_TRAINING]
        made = unlearned_fills(scene, rows, visible, train)
        tables += [judge.guess(name, values) for name, values in made.items()]
    ids = np.tile(experiment.images.survey.ids[rows], len(tables))
    found = pd.concat(tables, ignore_index=True).assign(id=ids)
    results.write_table(found, path)
    return found


def fill_job(profile: str, arm: Arm, unlearned: bool) -> pd.DataFrame:
    """The same in a worker."""
    return fill(experiment_of(profile), arm, unlearned=unlearned, progress=False)


def filled_rows(experiment: Experiment) -> np.ndarray:
    """Test images whose hidden pixels are filled: the first of them in random order."""
    test = experiment.images.splits["test"]
    order = np.random.default_rng(experiment.settings.data.seed).permutation(len(test))
    return np.sort(test[order[: experiment.settings.n_filled]])


def guesses(
    experiment: Experiment, arm: Arm, rows: np.ndarray, *, progress: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """What an arm sees of images and what it makes of the rest.

    Returns
    -------
    visible : (n, H, W) bool array
    guess : (n, H, W) array
        Compressed light, or for a network that predicts occupancy the logit of it.
    score : (n, H, W) array or None
        That logit; None where `guess` is light.
    """
    settings, scene = experiment.settings, experiment.scene(arm.images)
    model = experiment.pretrain(arm, progress=progress).to(experiment.device).eval()
    generator = Generator(experiment.device).manual_seed(arm.seed)
    about = {"label": experiment.images.survey.label, "device": experiment.device}
    (batch,) = scene.batches(rows, len(rows), **about).epoch()
    with torch.no_grad():
        if arm.network == VIT:
            geometry = networks.in_patches(settings, batch)
            filled, hidden = model.reconstruct(batch["images"], generator=generator, **geometry)
            visible = ~hidden
        else:
            visible = networks.visible_pixels(settings, arm, batch, generator)
            filled = model(batch["images"], visible)
    shown = visible[:, 0].cpu().numpy()
    if arm.network != VIT and arm.loss != "flux":
        logit = filled[:, 0].float().cpu().numpy()
        return shown, logit, logit
    light = scene.compressed_of(filled.float(), rows)
    return shown, np.where(shown, scene.compressed(rows), light), None


def unlearned_fills(
    scene: Scene, rows: np.ndarray, visible: np.ndarray, train: np.ndarray
) -> dict[str, np.ndarray]:
    """Compressed light (n, H, W) of every fill in `UNLEARNED`; components and constant know `train`."""
    light, known, centre = scene.compressed(rows), scene.compressed(train), scene.centre[rows]
    return {
        PROFILE: filling.azimuthal_profile(light, visible, centre),
        HALF_TURN: filling.half_turn(light, visible, centre),
        ELLIPSE: filling.elliptical_profile(light, visible, centre),
        NEIGHBOURS: filling.patch_neighbours(light, visible),
        COMPONENTS: filling.pca_fill(known, light, visible),
        CONSTANT: np.where(visible, light, known.mean()),
    }


class _Judge:
    """Scores guesses about the same hidden pixels."""

    def __init__(self, scene: Scene, rows: np.ndarray, visible: np.ndarray, threshold: float):
        self.scene, self.rows, self.threshold = scene, rows, threshold
        self.visible, self.hidden = visible.mean(axis=(1, 2)), ~visible
        self.light, self.occupied = scene.compressed(rows), scene.occupied[rows]
        self.partner = filling.partner_visible(visible, scene.centre[rows])

    def guess(self, method: str, guess: np.ndarray, score: np.ndarray | None = None) -> pd.DataFrame:
        """A row for each image; with `score` the guess is a logit of occupancy."""
        error = np.full(len(guess), np.nan)
        if score is None:
            occupied = self.scene.occupied_in(guess, self.rows, self.threshold)
            square = np.where(self.hidden, (guess - self.light) ** 2, 0).sum(axis=(1, 2))
            error = square / self.hidden.sum(axis=(1, 2))
        else:
            occupied = guess > 0
        table = {"method": method, "visible": self.visible, "flux_error": error}
        parts = {
            "iou": self.hidden,
            "iou_partner_visible": self.hidden & self.partner,
            "iou_partner_hidden": self.hidden & ~self.partner,
        }
        for name, where in parts.items():
            table[name] = intersection_over_union(occupied, self.occupied, where)
        table |= {"average_precision": np.nan, "prior": np.nan}
        found = pd.DataFrame(table)
        if method not in UNLEARNED:
            values = guess if score is None else score
            triples = zip(self.occupied, self.hidden, values, strict=True)
            found["average_precision"] = [_average_precision(t[where], v[where]) for t, where, v in triples]
            found["prior"] = (self.occupied & self.hidden).sum(axis=(1, 2)) / self.hidden.sum(axis=(1, 2))
        return found


def _average_precision(truth: np.ndarray, values: np.ndarray) -> float:
    if not truth.any():
        return np.nan
    return average_precision_per_class(truth.astype(int), np.stack([-values, values], axis=1))[1]
