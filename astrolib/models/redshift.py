"""Redshift from images and magnitudes: AstroMAE, its parts, and the network of Henghes et al. (2022)."""

from collections.abc import Mapping
from itertools import pairwise

import torch
from timm.layers import to_2tuple
from torch import Tensor, nn

from astrolib.models.density import BinnedDensity, DensityHead
from astrolib.models.encoders import vit
from astrolib.models.inception import InceptionBranch


def mlp(*widths: int) -> nn.Sequential:
    """Linear - ReLU - ... - Linear through these widths."""
    layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


class RedshiftNet(nn.Module):
    """Up to three branches, concatenated in the order ViT, Inception, magnitudes, and a regression head.

    | network of the paper | encoder          | inception | magnitudes |
    |----------------------|------------------|-----------|------------|
    | ViT                  | "plain" or "pcm" | no        | no         |
    | Inception only       | None             | yes       | no         |
    | Henghes et al.       | None             | yes       | yes        |
    | ViT-magnitude        | "plain" or "pcm" | no        | yes        |
    | ViT-inception        | "plain" or "pcm" | yes       | no         |
    | AstroMAE             | "plain" or "pcm" | yes       | yes        |

    With a `frozen` encoder (its weights come from `load_encoder`) these are the paper's pretrained networks,
    without it the from-scratch ones. Frozen: patch embedding, class token, positions and blocks take no
    gradient and stay in evaluation mode, so batch-norm statistics do not move; `fc_norm` and `head` train.
    `density` adds a redshift probability density beside the point estimate, see `astrolib.models.density`.
    """

    def __init__(
        self,
        encoder: str | None = "pcm",
        inception: bool = True,
        magnitudes: bool = True,
        *,
        img_size: int | tuple[int, int] = 32,
        in_chans: int = 5,
        patch_size: int | tuple[int, int] = 8,
        embed_dim: int = 192,
        depth: int = 12,
        num_heads: int = 3,
        kernel_size: int = 1,
        groups: int | None = None,
        head_dim: int = 1096,
        fusion_dim: int = 1024,
        magnitude_dim: int = 1024,
        n_magnitudes: int = 5,
        frozen: bool = False,
        density: BinnedDensity | None = None,
    ):
        super().__init__()
        if encoder is None and not inception:
            raise ValueError('An image branch is needed: encoder="plain" or "pcm", or inception=True.')
        if encoder is None and frozen:
            raise ValueError("frozen=True has nothing to freeze: the network has no encoder.")
        img_size = to_2tuple(img_size)
        self.frozen = frozen
        n_image_branches = (encoder is not None) + inception
        alone = n_image_branches == 1 and not magnitudes

        self.encoder = self.encoder_mlp = self.inception = self.inception_mlp = self.magnitude_mlp = None
        if encoder is not None:
            sizes = (img_size, in_chans, patch_size, embed_dim, depth, num_heads)
            self.encoder = vit(*sizes, encoder, kernel_size, groups, n_features=embed_dim)  # (B, embed_dim)
            self.encoder_mlp = mlp(embed_dim, head_dim, head_dim)
        if inception:
            self.inception = InceptionBranch(in_chans)
            self.inception_mlp = mlp(InceptionBranch.n_features(img_size), head_dim, head_dim)
        if magnitudes:
            self.magnitude_mlp = mlp(n_magnitudes, *[magnitude_dim] * 5)

        n_fused = head_dim * n_image_branches + magnitude_dim * magnitudes
        # A lone branch has a ReLU on either side of its MLP and no fusion layer.
        self.before_mlp = nn.ReLU() if alone else nn.Identity()
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(n_fused, 1)) if alone else mlp(n_fused, fusion_dim, 1)
        # Last, so that the other layers start from the same random numbers with and without it.
        self.density = None if density is None else DensityHead(n_fused, density)

        if frozen:
            for name, parameter in self.encoder.named_parameters():
                parameter.requires_grad_(name.startswith(("fc_norm.", "head.")))
            self.train()

    def train(self, mode: bool = True) -> "RedshiftNet":
        super().train(mode)
        if self.frozen:
            self.encoder.eval()  # fc_norm and head behave the same in both modes
        return self

    def load_encoder(self, state_dict: Mapping[str, Tensor]) -> None:
        """Take the weights of a pretrained encoder: the `encoder.state_dict()` of a `MaskedAutoencoder`.

        Everything up to the last block is copied unchanged. The final `norm` of pretraining is left out: here
        the mean patch token goes through `fc_norm` and `head`, which start fresh.
        """
        if self.encoder is None:
            raise ValueError("This network has no encoder to load weights into.")
        own = self.encoder.state_dict()
        expected = {name for name in own if not name.startswith(("fc_norm.", "head."))}
        given = {name: value for name, value in state_dict.items() if not name.startswith("norm.")}
        wrong = sorted(expected ^ given.keys()) or sorted(
            name for name in expected if own[name].shape != given[name].shape
        )
        if wrong:
            raise ValueError(
                f"These weights are of another encoder: {len(wrong)} entries are missing, unknown or of "
                f"another shape, the first is {wrong[0]!r}. "
                "Compare block, img_size, in_chans, patch_size, embed_dim and depth."
            )
        self.encoder.load_state_dict(given, strict=False)

    def density_loss(self, logits: Tensor, redshift: Tensor) -> Tensor:
        """Mean cross entropy of "density_logits" (B, K) with the true redshifts (B,)."""
        return self.density.density_loss(logits, redshift)

    def forward(self, images: Tensor, magnitudes: Tensor | None = None) -> dict[str, Tensor]:
        """Images (B, C, H, W), magnitudes (B, M) -> "redshift" (B,), "fused" (B, F),
        and "density_logits" (B, K) if there is a `density`.

        Networks without a magnitude branch do not read the magnitudes.
        """
        branches = []
        if self.encoder is not None:
            branches.append(self.encoder_mlp(self.before_mlp(self.encoder(images))))  # (B, head_dim)
        if self.inception is not None:
            branches.append(self.inception_mlp(self.before_mlp(self.inception(images))))  # (B, head_dim)
        # Float32 even under autocast: bfloat16 would round magnitudes to 0.06 mag and redshifts to 0.4%.
        with torch.autocast(images.device.type, enabled=False):
            if self.magnitude_mlp is not None:
                if magnitudes is None:
                    raise ValueError("This network has a magnitude branch: call it with magnitudes too.")
                branches.append(self.magnitude_mlp(magnitudes.float()))  # (B, magnitude_dim)
            fused = torch.cat([branch.float() for branch in branches], dim=1)  # (B, F)
            output = {"redshift": self.head(fused).squeeze(1), "fused": fused}
            if self.density is not None:
                output["density_logits"] = self.density(fused)
        return output
