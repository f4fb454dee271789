"""A linear classifier on an image encoder of any kind."""

from torch import Tensor, nn


class PooledEncoder(nn.Module):
    """One vector for each image: (B, C, H, W) -> (B, d)."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        return self.pool(self.encoder(images))

    @staticmethod
    def pool(x: Tensor) -> Tensor:
        """Vectors (B, d) as they are; of tokens (B, 1 + N, d), class token first, the mean of the others.

        Masked autoencoding does not train the class token.
        """
        return x[:, 1:].mean(dim=1) if x.ndim == 3 else x


class ImageClassifier(nn.Module):
    """Logits (B, n_classes) from the pooled features of an encoder, all of it trainable."""

    def __init__(self, encoder: nn.Module, n_features: int, n_classes: int):
        super().__init__()
        self.encoder = PooledEncoder(encoder)
        self.head = nn.Linear(n_features, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(images))
