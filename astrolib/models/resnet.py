"""A thin ResNet for small galaxy images, from timm's parts."""

from collections.abc import Iterable

import torch
from timm.models.resnet import BasicBlock, ResNet
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def small_resnet(
    in_chans: int,
    channels: tuple[int, ...] = (32, 64, 128, 256),
    stem: int = 3,
    max_pool: bool = True,
) -> ResNet:
    """One basic block in each of four stages: (B, in_chans, H, W) -> (B, channels[-1]).

    `stem` is the side of the first kernel (stride 2): 3 for images of about 32 pixels, 7 for larger ones.
    Shortcuts average over the pixels that a stride skips. With plain strided shortcuts, and the last
    BatchNorm of every block starting at zero, an untrained network would see one corner of a small image
    (Barlow Twins card, section 9.2).
    """
    net = ResNet(
        BasicBlock,
        [1, 1, 1, 1],
        in_chans=in_chans,
        num_classes=0,
        channels=channels,
        avg_down=True,
        zero_init_last=False,
    )
    width = channels[0]  # of the stem; timm's is 64
    net.conv1 = nn.Conv2d(in_chans, width, stem, stride=2, padding=stem // 2, bias=False)
    net.bn1 = nn.BatchNorm2d(width)
    net.layer1[0] = BasicBlock(width, width)
    if not max_pool:
        net.maxpool = nn.Identity()
    net.init_weights(zero_init_last=True)
    return net.to(memory_format=torch.channels_last)  # faster on a CPU


@torch.no_grad()
def calibrate_batch_norm(model: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """Give the BatchNorms of an untrained network the mean statistics of some batches of images.

    With the statistics it starts with, a frozen random network would be a weaker control than it is (card,
    section 9.2). Momentum and mode of every module are left as they were.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    before = [(norm.momentum, norm.training) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's name for a plain average
        norm.train()
    for images in batches:
        model(images)
    for norm, (momentum, training) in zip(norms, before, strict=True):
        norm.momentum = momentum
        norm.train(training)
    return model
