import numpy as np
import pytest

from astrolib.simulate import star_lines

GRID = np.arange(3800.0, 9050.0, 1.0)


@pytest.mark.parametrize("grid", [GRID, GRID[::2], GRID[::20]])
def test_a_line_of_unit_equivalent_width(grid):
    step = grid[1] - grid[0]
    for own in (2.0, 15.0):
        assert star_lines.line_profile(grid, 6000.3, own).sum() * step == pytest.approx(1, abs=1e-6)


def test_bands_are_sharp_at_the_head_and_fade_to_their_side():
    red = star_lines.band_profile(GRID, [(7000, 1.0, 100)])
    blue = star_lines.band_profile(GRID, [(7000, 1.0, -100)])
    assert red[GRID < 6900].max() < 0.01
    assert 6995 < GRID[red.argmax()] < 7050
    assert red[GRID == 7200][0] == pytest.approx(np.exp(-2), abs=0.02)
    np.testing.assert_allclose(blue[GRID < 7500][::-1][:500], red[(GRID > 6500)][:500], atol=0.02)


def test_widths_are_interpolated_and_held_outside():
    widths = np.array([[0, 1, 2, 3, 4, 5, 6.0], [6, 5, 4, 3, 2, 1, 0.0]])
    out = star_lines.at_temperature(widths, np.array([2000.0, 4500.0, 9500.0, 20_000.0]))
    np.testing.assert_allclose(out, [[0, 6], [1.5, 4.5], [6, 0], [6, 0]])


def test_the_iron_forest_is_always_the_same():
    first, again = (star_lines.iron_forest.__wrapped__(3850.0, 9000.0) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert 3850 <= first[0].min()
    assert first[0].max() <= 9000
