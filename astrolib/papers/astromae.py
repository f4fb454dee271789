"""AstroMAE: redshifts from a masked autoencoder and a new fine-tuning architecture.

Dolatpour Fathkouhi & Fox 2024, arXiv:2409.01825. An `Experiment` goes the paper's way from a survey to a
table of scores; every step is kept on disk and is made only once:

>>> experiment = Experiment("demo", number=1)               # doctest: +SKIP
>>> autoencoder = experiment.pretrain("pcm")                # doctest: +SKIP
>>> predictions = experiment.finetune("pcm-AstroMAE", seed=42)  # doctest: +SKIP
>>> scores = experiment.scores()                            # doctest: +SKIP
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from astrolib import paths, profiles, surveys
from astrolib.data.augment import centre_crop
from astrolib.data.galaxies import GalaxySurvey
from astrolib.evaluate.redshift import score
from astrolib.models import encoders
from astrolib.models.density import BinnedDensity
from astrolib.models.distributed import global_batch_norm
from astrolib.models.mae import MaskedAutoencoder
from astrolib.models.masking import RandomMask
from astrolib.models.redshift import RedshiftNet
from astrolib.papers.galaxies import BASELINES, Galaxies
from astrolib.papers.workers import write_once
from astrolib.report import results
from astrolib.training.fit import fit
from astrolib.training.optim import Optimization
from astrolib.training.runs import Run


@dataclass(frozen=True)
class Network:
    """A row of Table IV: which branches it has and how its transformer starts."""

    name: str
    encoder: str | None  # "plain", "pcm" or none at all
    pretrained: bool
    inception: bool
    magnitudes: bool
    panel: str  # of Figs 9 to 11

    @property
    def init(self) -> str:
        """The paper's two groups of rows."""
        return "fine-tuned" if self.pretrained else "from scratch"


NETWORKS = {
    network.name: network
    for network in (
        Network("from-scratch plain-ViT-magnitude", "plain", False, False, True, "10b"),
        Network("from-scratch pcm-ViT-magnitude", "pcm", False, False, True, "10d"),
        Network("Henghes et al.", None, False, True, True, "9f"),
        Network("from-scratch plain-ViT", "plain", False, False, False, "9b"),
        Network("from-scratch pcm-ViT", "pcm", False, False, False, "9d"),
        Network("Inception-only", None, False, True, False, "9e"),
        Network("plain-ViT-magnitude", "plain", True, False, True, "10a"),
        Network("pcm-ViT-magnitude", "pcm", True, False, True, "10c"),
        Network("plain-AstroMAE", "plain", True, True, True, "11a"),
        Network("pcm-AstroMAE", "pcm", True, True, True, "11b"),
        Network("plain-ViT", "plain", True, False, False, "9a"),
        Network("pcm-ViT", "pcm", True, False, False, "9c"),
        Network("plain-ViT-inception", "plain", True, True, False, "10e"),
        Network("pcm-ViT-inception", "pcm", True, True, False, "10f"),
    )
}
"""The fourteen networks of Table IV, in the order of its rows."""

NETWORKS_FULL_DATA = ("Henghes et al.", "pcm-AstroMAE")
"""The two networks of Table V."""


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
        sizes, pretraining = self.settings.transformer, self.settings.pretraining
        with torch.random.fork_rng():
            torch.manual_seed(self.settings.data.seed)
            encoder = encoders.vit(
                self.settings.data.crop,
                in_chans=len(self.galaxies.survey.bands),
                patch_size=sizes.patch_size,
                embed_dim=sizes.embed_dim,
                depth=sizes.depth,
                num_heads=sizes.num_heads,
                block=block,
            )
            model = MaskedAutoencoder(
                encoder,
                RandomMask(pretraining.mask_ratio),
                decoder_embed_dim=sizes.decoder_embed_dim,
                decoder_depth=sizes.decoder_depth,
                decoder_num_heads=sizes.decoder_num_heads,
                norm_pix_loss=pretraining.norm_pix_loss,
            )
        return global_batch_norm(model)

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
            _reconstruction_loss,
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
        row, sizes, heads = NETWORKS[name], self.settings.transformer, self.settings.heads
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return RedshiftNet(
                encoder=row.encoder,
                inception=row.inception,
                magnitudes=row.magnitudes,
                img_size=self.settings.data.crop,
                in_chans=len(self.galaxies.survey.bands),
                patch_size=sizes.patch_size,
                embed_dim=sizes.embed_dim,
                depth=sizes.depth,
                num_heads=sizes.num_heads,
                head_dim=heads.head_dim,
                fusion_dim=heads.fusion_dim,
                magnitude_dim=heads.magnitude_dim,
                n_magnitudes=len(self.galaxies.survey.bands),
                frozen=row.pretrained,
                density=BinnedDensity(heads.density_z_max, heads.density_bins, heads.density_dim),
            )

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
            _redshift_loss,
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


def _reconstruction_loss(model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator):
    return {"loss": model(batch["images"], generator=generator)["loss"]}


def _redshift_loss(model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator):
    """Mean squared error of z (Staylor et al. 2025, eq. 7); beside it the density's cross entropy."""
    output = model(batch["images"], batch["magnitudes"])
    mse = F.mse_loss(output["redshift"], batch["redshift"])
    entropy = model.density_loss(output["density_logits"], batch["redshift"])
    return {"loss": mse + entropy, "mse": mse, "cross_entropy": entropy}
