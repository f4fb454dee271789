"""Block diagrams of AstroMAE: its figures 1, 2, 3, 6 and 7, with the sizes of the paper's networks."""

import numpy as np
from matplotlib.figure import Figure

from astrolib.report.canvas import Box, Canvas
from astrolib.report.style import styled

BRANCHES = {
    "ViT": [
        ("image\n5 x 32 x 32", "data"),
        ("patch embedding,\nclass token, positions", "frozen"),
        ("12 transformer blocks,\nplain or pcm", "frozen"),
        ("mean of 16 patch tokens,\nLN, Linear 192", "linear"),
    ],
    "Inception": [
        ("image\n5 x 32 x 32", "data"),
        ("Inception branch\n(figure 6b)", "conv"),
        ("flatten, 192", "norm"),
    ],
    "magnitude": [
        ("magnitudes\nu, g, r, i, z", "data"),
        ("magnitude block\n(figure 6c), 1024", "linear"),
    ],
}
MLP_1096 = ("Linear 192→1096, ReLU,\nLinear 1096", "linear")
ON_ONE_BRANCH = [
    ("ReLU", "norm"),
    ("Linear 192→1096, ReLU,\nLinear 1096, ReLU", "linear"),
    ("Linear 1096→1", "linear"),
    ("redshift", "data"),
]
FREEZING = "Dashed blue boxes: pretrained and frozen; trained like the rest in the from-scratch networks."


@styled
def transformer_blocks() -> Figure:
    """Figure 1: the transformer block, (a) plain and (b) with a parallel convolution module (pcm)."""
    canvas = Canvas(10.6, 4.3)
    canvas.words("(a) plain block", 0.05, 4.15, size=10, bold=True)
    attention = [("LN", "norm", 0.5), ("MHSA\n3 heads", "attention", 0.75), ("+", "", 0.22)]
    feed_forward = [("LN", "norm", 0.5), ("FFN\n192→768→192", "linear", 1.0), ("+", "", 0.22)]
    y = 3.25
    tokens, _, _, first, _, _, second, _ = canvas.row(
        [("tokens\nN x 192", "data", 0.85), *attention, *feed_forward, ("tokens\nN x 192", "data", 0.85)],
        1.55, y, gap=0.34,
    )  # fmt: skip
    canvas.skip(tokens.right[0] + 0.14, first, y, 0.48)
    canvas.skip(first.right[0] + 0.14, second, y, 0.48)

    canvas.words("(b) pcm block", 0.05, 2.5, size=10, bold=True)
    y = 1.6
    source, sequence, _, mhsa = canvas.row(
        [("input", "data", 0.65), ("Img2Seq", "norm", 0.75), *attention[:2]], 0.1, y, gap=0.42
    )
    first, _, _, second, _, _ = canvas.row(
        [("+", "", 0.22), *feed_forward, ("Seq2Img", "norm", 0.75), ("output", "data", 0.7)],
        5.72,
        y,
        gap=0.27,
    )
    canvas.arrow(mhsa.right, first.left)
    canvas.skip(sequence.right[0] + 0.17, first, y, 0.48)
    canvas.skip(first.right[0] + 0.11, second, y, 0.48)
    low, split = 0.62, source.right[0] + 0.17
    canvas.frame(1.15, 0.14, 5.55, 1.02, "PCM")
    convolutions = [
        ("G-Conv\n192→768", "pcm", 0.85),
        ("BN", "pcm", 0.45),
        ("SiLU", "pcm", 0.5),
        ("G-Conv\n768→192", "pcm", 0.85),
        ("Img2Seq", "pcm", 0.7),
    ]
    start, *_, end = canvas.row(convolutions, 1.3, low, gap=0.19)
    canvas.arrow((split, y), (split, low), start.left)
    canvas.dot(split, y)
    canvas.arrow(end.right, (first.x, low), first.bottom)
    canvas.words("The PCM sees the patch tokens before LN, as an", 6.1, 0.72)
    canvas.words("image of 192 channels; the class token gets no PCM term.", 6.1, 0.52)
    return canvas.figure


@styled
def masked_autoencoder(
    image: np.ndarray, mask: np.ndarray, reconstruction: np.ndarray | None = None
) -> Figure:
    """Figure 2: how a masked autoencoder learns.

    Parameters
    ----------
    image : (H, W, 3) array
        A galaxy, see `images.rgb`; its first row is drawn at the bottom.
    mask : (rows, columns) array
        True for masked patches; 12 of 4 x 4 in the paper.
    reconstruction : (H, W, 3) array, optional
        What the decoder makes of it; an empty frame stands for it before there is one.
    """
    mask = np.asarray(mask).astype(bool)
    grid, n, n_kept = mask.shape, mask.size, int((~mask).sum())
    height, width = (side // parts for side, parts in zip(image.shape[:2], grid, strict=True))
    hidden = mask.repeat(height, axis=0).repeat(width, axis=1)[..., None]
    canvas = Canvas(10.3, 3.35)
    middle, size = 1.65, 1.7
    base = middle - size / 2
    whole = canvas.picture(image, 0.1, base, size, grid)
    masked = canvas.picture(np.where(hidden, 0, image), 2.25, base, size, grid)
    canvas.arrow(whole.right, masked.left)
    canvas.words("input", whole.x, base - 0.15, ha="center")
    canvas.words(f"{n - n_kept} of {n} patches masked", masked.x, base - 0.15, ha="center")

    rows, columns = np.nonzero(~mask)
    side = 0.34
    heights = middle + (np.arange(n_kept) - (n_kept - 1) / 2) * (side + 0.07)
    for row, column, y in zip(rows, columns, heights, strict=True):
        patch = image[row * height : (row + 1) * height, column * width : (column + 1) * width]
        canvas.picture(patch, 4.3, y - side / 2, side, (1, 1))
    canvas.arrow(masked.right, (4.25, middle))
    canvas.words(f"{n_kept} visible", 4.47, heights[0] - 0.32, ha="center")
    encoder = canvas.box("encoder\n12 blocks", 5.4, middle, 0.85, 1.5, "attention")
    canvas.arrow((4.7, middle), encoder.left)

    tokens_x, step = 6.35, 0.145
    for k, is_masked in enumerate(mask.ravel()):
        canvas.token(tokens_x, middle + (k - (n - 1) / 2) * step, 0.125, trainable=is_masked)
    canvas.arrow(encoder.right, (tokens_x - 0.1, middle))
    canvas.words("grey: one trainable", tokens_x, middle - n / 2 * step - 0.15, ha="center")
    canvas.words("mask token", tokens_x, middle - n / 2 * step - 0.33, ha="center")
    decoder = canvas.box("decoder\n4 blocks", 7.3, middle, 0.85, 1.5, "linear")
    canvas.arrow((tokens_x + 0.1, middle), decoder.left)
    left = 8.45
    if reconstruction is None:
        result = canvas.box("reconstruction", left + size / 2, middle, size, size)
    else:
        result = canvas.picture(reconstruction, left, base, size, grid)
    canvas.arrow(decoder.right, result.left)
    canvas.words("output", result.x, base - 0.15, ha="center")
    loss = canvas.box("loss: mean squared error of the masked patches", 5.15, 3.15, 3.2, 0.3, "pcm")
    canvas.arrow(whole.top, (whole.x, loss.y), loss.left, dashed=True)
    canvas.arrow(result.top, (result.x, loss.y), loss.right, dashed=True)
    return canvas.figure


@styled
def inception_block() -> Figure:
    """Figure 3: the four paths of an Inception block of width w."""
    canvas = Canvas(7.4, 3.9)
    source = canvas.box("input", 0.5, 2.25, 0.8, 0.5)
    joined = canvas.box("concatenate,\n4w channels", 6.75, 2.25, 1.1, 0.5, "norm")
    paths = [
        [("conv 1x1, w", "conv")],
        [("conv 1x1, w", "conv"), ("conv 3x3, w", "conv")],
        [("conv 1x1, w", "conv"), ("conv 5x5, w", "conv")],
        [("max pool 3x3", "pool"), ("conv 1x1, w", "conv")],
    ]
    for path, y in zip(paths, (3.6, 2.7, 1.8, 0.9), strict=True):
        centres = (3.55,) if len(path) == 1 else (2.55, 4.55)
        boxes = [
            canvas.box(words, x, y, 1.35, 0.42, kind) for (words, kind), x in zip(path, centres, strict=True)
        ]
        canvas.arrow(source.right, (1.3, source.y), (1.3, y), boxes[0].left)
        if len(boxes) == 2:
            canvas.arrow(boxes[0].right, boxes[1].left)
        canvas.arrow(boxes[-1].right, (5.8, y), (5.8, joined.y), joined.left)
    canvas.words("Each convolution has w channels out, then BatchNorm and ReLU; pool: stride 1.", 0.1, 0.36)
    canvas.words("w = 16, 16, 8, 8, 4; the fifth block leaves out the 5x5 path.", 0.1, 0.13)
    return canvas.figure


@styled
def network_parts() -> Figure:
    """Figure 6: (a) ViT only, (b) Inception only, (c) magnitude block, (d) Henghes et al."""
    canvas = Canvas(10.8, 6.6)
    top = 6.1
    canvas.chain([*BRANCHES["ViT"], *ON_ONE_BRANCH], 1.15, top, 1.9)
    inception = [
        ("image\n5 x 32 x 32", "data"),
        ("conv 1x1, 32 - average pool", "conv"),
        ("2 Inception blocks, w = 16\naverage pool, 64 x 8 x 8", "conv"),
        ("2 Inception blocks, w = 8\naverage pool, 32 x 4 x 4", "conv"),
        ("Inception block, w = 4,\nno 5x5 path, 12 x 4 x 4", "conv"),
        ("flatten, 192", "norm"),
    ]
    canvas.chain([*inception, *ON_ONE_BRANCH], 3.5, top, 2.05, gap=0.14)
    magnitude = [
        ("magnitudes\nu, g, r, i, z", "data"),
        ("Linear 5→1024, ReLU", "linear"),
        ("3 x (Linear 1024, ReLU)", "linear"),
        ("Linear 1024", "linear"),
        ("1024 features", "data"),
    ]
    canvas.chain(magnitude, 5.75, top, 1.75)
    _fused(canvas, 8.8, top, ("Inception", "magnitude"), 2120)
    for letter, name, x in zip("abcd", ("ViT only", "Inception only", "magnitude block", "Henghes et al."),
                               (1.15, 3.5, 5.75, 8.8), strict=True):  # fmt: skip
        canvas.words(f"({letter}) {name}", x, 6.42, size=10, ha="center", bold=True)
    canvas.words(FREEZING, 0.1, 0.12)
    return canvas.figure


@styled
def fused_networks() -> Figure:
    """Figure 7: (a) ViT-magnitude, (b) ViT-inception, (c) AstroMAE."""
    canvas = Canvas(13.55, 6.4)
    top = 5.9
    networks = [
        ("(a) ViT-magnitude", ("ViT", "magnitude"), 2120, 1.85),
        ("(b) ViT-inception", ("ViT", "Inception"), 2192, 5.75),
        ("(c) AstroMAE", ("ViT", "Inception", "magnitude"), 3216, 10.75),
    ]
    for name, branches, features, x in networks:
        canvas.words(name, x, 6.22, size=10, ha="center", bold=True)
        _fused(canvas, x, top, branches, features)
    canvas.words(FREEZING, 0.1, 0.12)
    return canvas.figure


def _fused(canvas: Canvas, x: float, top: float, branches: tuple[str, ...], features: int) -> None:
    """Branches side by side, concatenated, then the fusion head."""
    apart = 1.86
    ends = []
    for k, branch in enumerate(branches):
        steps = BRANCHES[branch] + ([] if branch == "magnitude" else [MLP_1096])
        ends.append(canvas.chain(steps, x + (k - (len(branches) - 1) / 2) * apart, top, 1.72)[-1])
    level = min(end.bottom[1] for end in ends) - 0.42
    joined = canvas.box(f"concatenate, {features}", x, level, apart * (len(branches) - 1) + 1.2, 0.34, "norm")
    for end in ends:
        canvas.arrow(end.bottom, (end.x, joined.top[1]))
    head = [
        (f"Linear {features}→1024, ReLU", "linear"),
        ("Linear 1024→1", "linear"),
        ("redshift", "data"),
    ]
    first: Box = canvas.chain(head, x, joined.bottom[1] - 0.18, 2.0)[0]
    canvas.arrow(joined.bottom, first.top)
