"""Block diagrams: words stay in their boxes, boxes apart, and the sizes are the paper's."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from astrolib.report import diagrams

IMAGE = np.zeros((32, 32, 3), np.uint8)
MASK = np.ones((4, 4), bool)
MASK[[0, 1, 2, 3], [1, 3, 0, 2]] = False

DIAGRAMS = {
    "figure 1": diagrams.transformer_blocks,
    "figure 2": lambda: diagrams.masked_autoencoder(IMAGE, MASK, IMAGE),
    "figure 2 before training": lambda: diagrams.masked_autoencoder(IMAGE, MASK),
    "figure 3": diagrams.inception_block,
    "figure 6": diagrams.network_parts,
    "figure 7": diagrams.fused_networks,
}


def words(figure):
    return "\n".join(text.get_text() for text in figure.axes[0].texts)


@pytest.mark.parametrize("name", DIAGRAMS)
def test_nothing_overlaps(name):
    figure = DIAGRAMS[name]()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer, (axes,) = canvas.get_renderer(), figure.axes
    boxes = [patch.get_window_extent(renderer) for patch in axes.patches if patch.get_gid() == "box"]
    inside = [text.get_window_extent(renderer) for text in axes.texts if text.get_gid() == "box"]
    free = [text.get_window_extent(renderer) for text in axes.texts
            if text.get_gid() != "box" and text.get_text() not in ("", "+")]  # fmt: skip
    assert len(boxes) == len(inside) > 1
    for box, text in zip(boxes, inside, strict=True):
        assert box.x0 < text.x0 and text.x1 < box.x1 and box.y0 < text.y0 and text.y1 < box.y1
    for a, b in itertools.combinations(boxes + free, 2):
        assert not a.overlaps(b)
    for extent in boxes + free:
        assert axes.bbox.x0 <= extent.x0 and extent.x1 <= axes.bbox.x1
        assert axes.bbox.y0 <= extent.y0 and extent.y1 <= axes.bbox.y1


def test_figure_1_has_the_pcm():
    found = words(diagrams.transformer_blocks())
    for part in ("PCM", "G-Conv", "BN", "SiLU", "Img2Seq", "Seq2Img", "MHSA", "FFN", "LN"):
        assert part in found
    assert found.count("\n+") == 4  # two sums in each block


def test_figure_2_masks_what_it_is_told():
    figure = diagrams.masked_autoencoder(np.full_like(IMAGE, 200), MASK)
    assert "12 of 16 patches masked" in words(figure) and "4 visible" in words(figure)
    masked = figure.axes[0].images[1].get_array()
    assert (masked[MASK.repeat(8, 0).repeat(8, 1)] == 0).all() and (masked == 0).mean() == 0.75


def test_figure_3_has_four_paths():
    found = words(diagrams.inception_block())
    assert found.count("conv 1x1") == 4
    assert found.count("conv 3x3") == found.count("conv 5x5") == found.count("max pool 3x3") == 1


@pytest.mark.parametrize(
    ("draw", "sizes"), [(diagrams.network_parts, [2120]), (diagrams.fused_networks, [2120, 2192, 3216])]
)
def test_fusion_sizes_are_the_papers(draw, sizes):
    """1096 for each image branch, 1024 for the magnitudes."""
    found = words(draw())
    assert [size for size in (2120, 2192, 3216) if f"concatenate, {size}" in found] == sizes
    assert set(sizes) <= {1096 + 1024, 2 * 1096, 2 * 1096 + 1024}
