"""AstroMAE: redshifts from a masked autoencoder and a new fine-tuning architecture.

Dolatpour Fathkouhi & Fox 2024, arXiv:2409.01825. An `Experiment` goes the paper's way from a survey to a
table of scores; every step is kept on disk and is made only once:

>>> experiment = Experiment("demo", number=1)               # doctest: +SKIP
>>> autoencoder = experiment.pretrain("pcm")                # doctest: +SKIP
>>> predictions = experiment.finetune("pcm-AstroMAE", seed=42)  # doctest: +SKIP
>>> scores = experiment.scores()                            # doctest: +SKIP
"""

import dataclasses

import numpy as np
import pandas as pd
import torch
from torch import nn

from astrolib import paths, profiles, surveys
from astrolib.data.augment import centre_crop
from astrolib.data.galaxies import GalaxySurvey
from astrolib.evaluate.redshift import score
from astrolib.models.distributed import global_batch_norm
from astrolib.models.mae import MaskedAutoencoder
from astrolib.models.redshift import RedshiftNet
from astrolib.papers import astromae_networks as networks
from astrolib.papers.astromae_networks import NETWORKS, NETWORKS_FULL_DATA
from astrolib.papers.galaxies import BASELINES, Galaxies
from astrolib.papers.workers import write_once
from astrolib.report import results
from astrolib.training.fit import fit
from astrolib.training.optim import Optimization
from astrolib.training.runs import Run


class Experiment:
    """One of the paper's two experiments on one profile's survey.

    Parameters
    ----------
    profile : str
        Name of a profile: sizes, schedules, survey.
    number : int
        1: pretrain on most galaxies, fine-tune on the labels of the others (Table IV).
        2: pretrain and fine-tune on all of them (Table V).
    """

    def __init__(self, profile: str, number: int = 1):
        if number not in (1, 2):
            raise ValueError(f"AstroMAE has experiments 1 and 2, not {number!r}.")
        self.profile = profile
        self.number = number
        self.settings = profiles.load(profile).astromae
        self.finetuning = self.settings.finetuning if number == 1 else self.settings.full_data
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.galaxies = Galaxies(self.settings.data, share_all=number == 2, device=self.device)

    # ---------------------------------------------------------------- pretraining

    def autoencoder(self, block: str) -> MaskedAutoencoder:
        """An untrained masked autoencoder with "plain" or "pcm" encoder blocks (Table III)."""
        return networks.autoencoder_of(self.settings, block, len(self.galaxies.survey.bands))

    def pretraining_run(self, block: str) -> Run:
        """Where the pretrained autoencoder of this experiment is kept."""
        return self._run(
            f"pretrain-{block}", ("transformer", "pretraining"), (MaskedAutoencoder,), block=block
        )

    def pretrain(self, block: str) -> MaskedAutoencoder:
        """Train the masked autoencoder without labels, or load it if that has been done."""
        pretraining = self.settings.pretraining
        validation = None
        if len(self.galaxies.splits["pretraining validation"]):
            validation = self.galaxies.batches(
                "pretraining validation", pretraining.batch_size, training=False
            )
        return fit(
            self.pretraining_run(block),
            self.autoencoder(block),
            self.galaxies.batches("pretraining", pretraining.batch_size, training=True),
            networks.reconstruction_loss,
            Optimization.of(pretraining),
            validation=validation,
            keep="last",
            seed=self.settings.data.seed,
        )

    @torch.no_grad()
    def reconstruct(self, block: str, images: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
        """Mask images and let the pretrained autoencoder fill them in.

        Parameters
        ----------
        images : (N, C, H, W) array
            Stamps in nanomaggies, at least as large as the crop.

        Returns
        -------
        dict
            "image" and "reconstruction", (N, C, crop, crop) in nanomaggies, and "mask", (N, crop, crop),
            1 where the encoder saw nothing. Visible pixels of the reconstruction are those of the image.
        """
        model = self.pretrain(block).to(self.device)
        images = torch.tensor(np.asarray(images), dtype=torch.float32, device=self.device)  # a copy
        flux = centre_crop(images, self.settings.data.crop)
        generator = torch.Generator(self.device).manual_seed(seed)
        filled, mask = model.reconstruct(self.galaxies.scaling(flux), generator=generator)
        filled = torch.where(mask.bool(), self.galaxies.scaling.inverse(filled), flux)
        return {
            "image": flux.cpu().numpy(),
            "reconstruction": filled.cpu().numpy(),
            "mask": mask[:, 0].cpu().numpy(),
        }

    # ---------------------------------------------------------------- fine-tuning

    def network(self, name: str, seed: int) -> RedshiftNet:
        """An untrained row of Table IV; its encoder comes from pretraining where the row says so."""
        row, net = NETWORKS[name], self._architecture(name, seed)
        if row.pretrained:
            net.load_encoder(self.pretrain(row.encoder).encoder.state_dict())
        return global_batch_norm(net)

    def trained(self, name: str, seed: int) -> RedshiftNet:
        """A row of Table IV as `finetune` left it, in evaluation mode on the CPU; nothing is trained here.

        Raises
        ------
        RunError
            If `finetune` has not been done, or its weights cannot be read.
        """
        return self.finetuning_run(name, seed).load_model(self._architecture(name, seed))

    def _architecture(self, name: str, seed: int) -> RedshiftNet:
        return networks.redshift_net_of(self.settings, name, seed, len(self.galaxies.survey.bands))

    def finetuning_run(self, name: str, seed: int) -> Run:
        """Where one network of one seed is kept."""
        row = NETWORKS[name]
        settings = {"network": dataclasses.asdict(row), "seed": seed}
        if row.pretrained:
            settings["pretrained"] = self.pretraining_run(row.encoder).folder.name
        slug = name.replace(" ", "-").replace(".", "")
        parts = ("transformer", "heads", "finetuning" if self.number == 1 else "full_data")
        return self._run(f"{slug}-seed{seed}", parts, (RedshiftNet,), **settings)

    def finetune(self, name: str, seed: int) -> pd.DataFrame:
        """Train one network on redshifts, then predict the test set; or load that if it has been done.

        Returns
        -------
        DataFrame
            A row for each test galaxy: id, redshift, prediction, and the density's bins `p0`, `p1`, ….
        """
        run, recipe = self.finetuning_run(name, seed), self.finetuning
        kept = run.folder / "predictions.parquet"
        if run.done and kept.exists():
            return pd.read_parquet(kept)
        net = fit(
            run,
            self.network(name, seed),
            self.galaxies.batches("train", recipe.batch_size, training=True, noise_std=recipe.noise_std),
            networks.redshift_loss,
            Optimization.of(recipe),
            validation=self.galaxies.batches("validation", recipe.batch_size, training=False),
            keep="best",
            monitor="mse",
            seed=seed,
        )
        predictions = self._predict(net, "test")
        write_once(predictions, kept)
        return predictions

    @torch.no_grad()
    def _predict(self, net: nn.Module, part: str) -> pd.DataFrame:
        net = net.to(self.device).eval()
        batches = self.galaxies.batches(part, self.finetuning.batch_size, training=False)
        outputs = [
            {"index": batch["index"], **net(batch["images"], batch["magnitudes"])}
            for batch in batches.epoch(torch.Generator(self.device))
        ]
        joined = {key: torch.cat([output[key] for output in outputs]).cpu() for key in outputs[0]}
        rows = self.galaxies.splits[part][joined["index"].numpy()]
        density = torch.softmax(joined["density_logits"].float(), dim=1).numpy()
        table = {
            "id": self.galaxies.ids[rows],
            "redshift": self.galaxies.survey.redshift[rows],
            "prediction": joined["redshift"].numpy(),
        }
        table |= {f"p{k}": density[:, k] for k in range(density.shape[1])}
        return pd.DataFrame(table)

    # ---------------------------------------------------------------- results

    def scores(self) -> pd.DataFrame:
        """Every network and baseline over all seeds; trains what is missing.

        Returns
        -------
        DataFrame
            A row for each network, seed and metric: `network`, `init`, `seed`, `convention`, `metric`,
            `value`, `error` (bootstrap over test galaxies) and `source`. Kept as "scores".
        """
        names = NETWORKS if self.number == 1 else NETWORKS_FULL_DATA
        jobs = [(name, NETWORKS[name].init, self.finetune) for name in names]
        jobs += [(name, "magnitudes only", self.galaxies.baseline) for name in BASELINES]
        scores, predictions = [], []
        for name, init, predict in jobs:
            for seed in self.finetuning.seeds:
                table = predict(name, seed)
                labels = {"network": name, "init": init, "seed": seed, "source": self.galaxies.survey.source}
                scores.append(score(table["redshift"], table["prediction"]).assign(**labels))
                predictions.append(table.assign(**labels))
        scores = pd.concat(scores, ignore_index=True)
        self._keep("scores", scores)
        self._keep("predictions", pd.concat(predictions, ignore_index=True))
        seeds = self.finetuning.seeds
        runs = {(name, seed): self.finetuning_run(name, seed) for name in names for seed in seeds}
        self._keep("finetuning", self._histories(runs))
        return scores

    def keep_galaxies(self, n_shown: int = 40) -> None:
        """Keep the catalogue with everyone's part as "galaxies" and some stamps as "cutouts"."""
        survey, shown = self.galaxies.survey, self.galaxies.splits["test"][:n_shown]
        self._keep("galaxies", self.galaxies.catalogue())
        self._keep_images("cutouts", survey, shown, image=survey.images[shown])

    def keep_pretraining(self) -> None:
        """Keep the learning curves of both encoders as "pretraining"."""
        runs = {(block, self.settings.data.seed): self.pretraining_run(block) for block in ("plain", "pcm")}
        self._keep("pretraining", self._histories(runs))

    def keep_reconstructions(self, block: str, n_images: int = 256) -> None:
        """Keep reconstructions of test galaxies, and of real stamps where the profile has them."""
        survey, shown = self.galaxies.survey, self.galaxies.splits["test"][:n_images]
        self._keep_images("reconstructions", survey, shown, **self.reconstruct(block, survey.images[shown]))
        if self.settings.data.stamps:
            stamps = surveys.load_galaxies("stamps", image_size=self.settings.data.image_size)
            rows = np.arange(len(stamps))
            self._keep_images("stamps", stamps, rows, **self.reconstruct(block, stamps.images))

    def _histories(self, runs: dict[tuple[str, int], Run]) -> pd.DataFrame:
        histories = [
            run.history().assign(network=network, seed=seed, source=self.galaxies.survey.source)
            for (network, seed), run in runs.items()
        ]
        return pd.concat(histories, ignore_index=True)

    def _keep(self, name: str, table: pd.DataFrame) -> None:
        results.keep(self.profile, f"astromae{self.number}_{name}", table)

    def _keep_images(self, name: str, survey: GalaxySurvey, rows: np.ndarray, **images: np.ndarray) -> None:
        about = {"redshift": survey.redshift[rows], "noise": survey.noise, "source": survey.source}
        results.keep_arrays(
            self.profile, f"astromae{self.number}_{name}", **images, **about, bands=np.array(survey.bands)
        )

    def _run(self, name: str, parts: tuple[str, ...], code: tuple[type, ...], **extra) -> Run:
        settings = {part: dataclasses.asdict(getattr(self.settings, part)) for part in ("data", *parts)}
        settings |= {"experiment": self.number, "survey": self.galaxies.survey.fingerprint(), **extra}
        return Run(paths.runs(self.profile), f"astromae{self.number}-{name}", settings, code=code)
