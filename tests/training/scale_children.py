"""Trainings by one process and by two that torchrun's agent starts, for test_scale_out.py. A script: FOLDER.

One interpreter imports torch and the agent forks it, which is much faster than an interpreter for each.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from processes import suicide
from torch import Tensor, nn
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from astrolib.data.batches import Batches
from astrolib.models.barlow_twins import BarlowTwins
from astrolib.models.distributed import global_batch_norm
from astrolib.models.encoders import vit
from astrolib.models.mae import MaskedAutoencoder
from astrolib.models.masking import RandomMask
from astrolib.models.multimodal import MultimodalCLIP
from astrolib.models.resnet import small_resnet
from astrolib.models.star_encoders import MetadataEncoder
from astrolib.papers.barlow_networks import pair_loss
from astrolib.training.fabric import make_fabric
from astrolib.training.fit import fit
from astrolib.training.optim import Optimization
from astrolib.training.runs import Run

OPTIMIZATION = Optimization(4, 16, 1e-3, schedule="warmup-cosine", warmup_epochs=1, grad_clip=1.0)


# ---------------------------------------------------------------- what is trained


def mae() -> nn.Module:
    """With batch normalisation in its blocks."""
    encoder = vit(16, in_chans=2, patch_size=4, embed_dim=16, depth=1, num_heads=2, block="pcm")
    return MaskedAutoencoder(
        encoder, RandomMask(0.75), decoder_embed_dim=16, decoder_depth=1, decoder_num_heads=2
    )


def mae_loss(model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Masks belong to rows: several processes draw the same ones as one."""
    return {"loss": model(batch["image"], noise=batch["noise"])["loss"]}


def clip() -> nn.Module:
    encoders = {name: MetadataEncoder(5, 8, dropout=0.0) for name in "abc"}
    return MultimodalCLIP(encoders, 6, init_scale=1.0)


def clip_loss(model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    inputs = {name: (batch[name],) for name in "abc"}
    found = model(inputs, {name: batch[f"{name}.present"] for name in "abc"})
    return {name: found[name] for name in ("loss", "accuracy", "scale a-b")}


def barlow() -> nn.Module:
    return BarlowTwins(small_resnet(2, (4, 4, 8, 8), max_pool=False), 8, 6)


CASES: dict[str, tuple[Callable, Callable]] = {
    "mae": (mae, mae_loss),
    "clip": (clip, clip_loss),
    "barlow": (barlow, pair_loss),  # it also measures the spectrum of the whole validation batch
}


def data(n: int) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(n)
    image = torch.randn(n, 2, 16, 16, generator=g)
    found = {"image": image, "view_a": image, "noise": torch.rand(n, 16, generator=g)}
    found["view_b"] = image + 0.3 * torch.randn(image.shape, generator=g)
    kind = torch.randn(n, 5, generator=g)
    for name in "abc":
        found[name] = kind + 0.5 * torch.randn(n, 5, generator=g)
        found[f"{name}.present"] = torch.rand(n, generator=g) < 0.8
    return found


# ---------------------------------------------------------------- one training


def train(root: Path, case: str, killed: tuple[int, int] | None = None) -> None:
    """57 objects in batches of 16, the last one of 9; a process of a rank may be killed at a step."""
    make, loss = CASES[case]
    torch.manual_seed(1)
    model, fabric, rows, gradients = global_batch_norm(make()), make_fabric("cpu"), [], []

    def watched(model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        if model.training:
            if killed == (fabric.global_rank, len(rows)):
                suicide()
            rows.append(batch["index"].tolist())
        return loss(model, batch, generator)

    def keep_gradients(optimizer, *_) -> None:
        about = [p.grad.clone() for group in optimizer.param_groups for p in group["params"]]
        gradients.append(about)

    hook = register_optimizer_step_pre_hook(keep_gradients)
    fit(
        Run(root, case, {}),
        model,
        Batches(data(57), 16, shuffle=True),
        watched,
        OPTIMIZATION,
        validation=Batches(data(21), 16),
        keep="best",
        seed=3,
        fabric=fabric,
        progress=False,
        save_every=0.0,
    )
    hook.remove()
    torch.save({"rows": rows, "gradients": gradients}, root / f"{case}-{fabric.global_rank}.pt")


def train_all(root: Path) -> None:
    """One after the other in the same process, as pretraining and fine-tuning are."""
    root.mkdir(exist_ok=True)
    for case in CASES:
        train(root, case)


def train_killed(root: Path, killed: tuple[int, int] | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a fork has the agent's handler, torchrun's processes not
    root.mkdir(exist_ok=True)
    (root / f"pid-{os.environ['RANK']}").write_text(str(os.getpid()))
    try:
        train(root, "clip", killed)
    except RuntimeError:
        # The closed connection may end the survivor before the agent sees the death, and of processes that
        # the agent forks it names only the first failure that it sees: the survivor leaves that to the other.
        if killed and os.environ["RANK"] != str(killed[0]):
            time.sleep(20)
        raise


# ---------------------------------------------------------------- processes


def launch(task: Callable, *arguments) -> str:
    """What torchrun does with two processes; says how it failed, if it did."""
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        run_id="test",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        start_method="fork",
        max_restarts=0,
        monitor_interval=0.05,
    )
    try:
        elastic_launch(config, task)(*arguments)
    except ChildFailedError as error:
        return str(error)
    return ""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    folder = Path(sys.argv[1])
    deaths = {}
    assert launch(train_all, folder / "two") == ""
    for rank in (0, 1):
        root = folder / f"killed-{rank}"
        message = launch(train_killed, root, (rank, 6))  # in the second epoch, which has four steps
        left = [alive(int((root / f"pid-{each}").read_text())) for each in (0, 1)]
        deaths[rank] = {"message": message, "alive": left, "done": Run(root, "clip", {}).done}
        assert launch(train_killed, root, None) == ""
    (folder / "deaths.json").write_text(json.dumps(deaths))
    train_all(folder / "one")
