import numpy as np
import pytest
from scipy import optimize, special

from astrolib.evaluate.morphology import morphology_features


def sersic(size, n, radius, axis_ratio=1.0, angle=0.0, centre=(0.0, 0.0), fine=10):
    """Light (size, size) of a Sersic profile, averaged over the pixels; the circularised radius holds half.

    `fine` is even, so that no sample falls on the cusp.
    """
    grid = (np.arange(size * fine) + 0.5) / fine - size / 2
    y, x = np.meshgrid(grid - centre[0], grid - centre[1], indexing="ij")
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    r = np.hypot(u * np.sqrt(axis_ratio), v / np.sqrt(axis_ratio))
    light = np.exp(-special.gammaincinv(2 * n, 0.5) * (r / radius) ** (1 / n))
    return light.reshape(size, fine, size, fine).mean(axis=(1, 3))


def measured(images, **options):
    """Features of images (N, C, H, W), or of one (H, W), by name."""
    values, names = morphology_features(images if np.ndim(images) == 4 else images[None, None], **options)
    assert np.isfinite(values).all() and values.dtype == np.float32
    return dict(zip(names, values.T if len(values) > 1 else values[0], strict=True))


def _expected(n):
    """Half-light radius and concentration of a Sersic profile of radius 1 within 1.5 Petrosian radii."""
    scale = special.gammaincinv(2 * n, 0.5)

    def light(r):
        return special.gammainc(2 * n, scale * r ** (1 / n))

    def ring(r):
        return (light(1.25 * r) - light(0.8 * r)) / (1.25**2 - 0.8**2) / light(r)

    total = light(1.5 * optimize.brentq(lambda r: ring(r) - 0.2, 0.5, 5))

    def radius(share):
        return optimize.brentq(lambda r: light(r) - share * total, 1e-4, 30)

    return radius(0.5), 5 * np.log10(radius(0.8) / radius(0.2))


@pytest.mark.parametrize("n, radius, tolerance", [(0.5, 10, 0.005), (1, 10, 0.005), (4, 8, 0.1)])
def test_size_and_concentration_of_known_profiles(n, radius, tolerance):
    found = measured(sersic(121, n, radius))
    r50, concentration = _expected(n)
    assert found["half-light radius"] == pytest.approx(radius * r50, rel=0.02)
    assert found["concentration"] == pytest.approx(concentration, abs=tolerance)  # the cusp is in one pixel


def test_expected_concentrations_are_the_literatures():
    """All light: 2.8 of an exponential and 5.3 of a de Vaucouleurs profile; the aperture leaves less."""
    assert _expected(1)[1] == pytest.approx(2.8, abs=0.1)
    assert 3.9 < _expected(4)[1] < 5.3


@pytest.mark.parametrize("axis_ratio", [0.3, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("angle", [0.0, 0.7])
def test_axis_ratio_at_any_angle(axis_ratio, angle):
    found = measured(sersic(64, 1, 6, axis_ratio, angle))["axis ratio"]
    assert found == pytest.approx(axis_ratio, abs=0.02)  # the patch is that of the smoothed image


@pytest.mark.parametrize("size", [48, 49])
@pytest.mark.parametrize("centre", [(0.0, 0.0), (1.5, -2.0)])
def test_symmetric_galaxies_have_no_asymmetry_wherever_they_are(size, centre):
    found = measured(sersic(size, 1, 5, 0.5, 0.4, centre))
    assert found["asymmetry"] == pytest.approx(0, abs=0.005)  # the border is not quite empty
    assert found["half-light radius"] == pytest.approx(5, abs=0.3)


def test_asymmetry_of_a_known_image():
    """A knot of a share f of the light far from the centre has no partner: 2 f of the light changes."""
    galaxy, knot = sersic(65, 1, 5), np.zeros((65, 65))
    knot[24:27, 24:27] = 0.1 * galaxy.sum() / 9
    share = 0.1 / (1 + 0.1)
    assert measured(galaxy + knot)["asymmetry"] == pytest.approx(2 * share, rel=0.05)


def test_asymmetry_is_the_least_over_centres():
    image = sersic(41, 1, 2.5) + 0.4 * sersic(41, 0.5, 2, centre=(5.0, 0.0))
    wide = np.pad(image, 20)  # 81 pixels: turning the array turns about pixel 40
    shifts = np.ndindex(13, 13)  # of the turned image by -2 to 10 pixels: centres in steps of half a pixel
    turned = (np.roll(wide[::-1, ::-1], np.array(shift) - 2, axis=(0, 1)) for shift in shifts)
    brute = [np.abs(wide - each).sum() / wide.sum() for each in turned]
    assert measured(image)["asymmetry"] == pytest.approx(min(brute), abs=0.03)  # of all the light


@pytest.mark.parametrize("radius", [2.0, 4.0])
def test_size_does_not_depend_on_the_place_within_a_pixel(radius):
    sizes = [
        measured(sersic(49, 0.5, radius, centre=centre))["half-light radius"]
        for centre in ((0.0, 0.0), (0.5, 0.5), (0.3, -0.4))
    ]
    assert sizes == pytest.approx([radius] * 3, rel=0.03)


def test_noise_does_not_look_like_asymmetry():
    rng = np.random.default_rng(0)
    galaxy = sersic(64, 1, 5, 0.6, 1.0)
    noisy = galaxy + 0.05 * rng.normal(size=(100, 1, 64, 64))  # peak 0.8
    found = measured(noisy)
    assert abs(found["asymmetry"].mean()) < 0.02
    assert found["axis ratio"].mean() == pytest.approx(0.6, abs=0.02)
    assert found["half-light radius"].mean() == pytest.approx(5, abs=0.25)


def test_colours_and_magnitude_are_those_of_the_fluxes():
    galaxy = 100 * sersic(64, 1, 5)
    rng = np.random.default_rng(1)
    bands = np.stack([galaxy, 2 * galaxy, 5 * galaxy])[None] + 0.1 * rng.normal(size=(20, 3, 64, 64)) + 3.0
    found = measured(bands, noise=[0.1, 0.1, 0.1])
    assert found["colour 0-1"].mean() == pytest.approx(2.5 * np.log10(2), abs=0.01)
    assert found["colour 1-2"].mean() == pytest.approx(2.5 * np.log10(2.5), abs=0.01)
    expected = -2.5 * np.log10(0.8 * 0.969 * 2 * galaxy.sum())  # 80 % of what the aperture holds
    assert found["magnitude"].mean() == pytest.approx(expected, abs=0.02)


def test_neighbours_do_not_count():
    galaxy = sersic(64, 1, 4, 0.7, 0.3)
    neighbour = sersic(64, 0.5, 1.5, centre=(9.0, -10.0))
    rng = np.random.default_rng(2)
    noise = 0.01 * rng.normal(size=(64, 64))
    alone, crowded = measured(galaxy + noise), measured(galaxy + neighbour + noise)
    for name in ("magnitude", "half-light radius", "concentration", "asymmetry", "axis ratio", "M20"):
        assert crowded[name] == pytest.approx(alone[name], abs=0.06), name


def test_gini_is_that_of_the_definition():
    """A square of four levels on an empty sky, against half the mean absolute difference of all pairs."""
    patch = np.zeros((40, 40))
    patch[12:28, 12:28] = np.repeat([4.0, 6.0, 8.0, 10.0], 64).reshape(16, 16)
    found = measured(patch)["Gini"]
    # Smoothing adds a rim of empty pixels to the patch, which share in the inequality.
    values = patch[11:29, 11:29].ravel()
    expected = np.abs(values[:, None] - values).sum() / (2 * values.mean() * len(values) * (len(values) - 1))
    assert found == pytest.approx(expected, abs=0.02)


def test_m20_tells_a_core_from_two_knots():
    core = measured(sersic(64, 1, 5))["M20"]
    knots = sersic(64, 1, 5)
    for place in ((-8.0, 0.0), (8.0, 0.0)):
        knots = knots + 1.5 * sersic(64, 0.5, 1.5, centre=place)
    assert core < -1.6 and measured(knots)["M20"] > core + 0.5


def test_images_do_not_depend_on_their_company():
    rng = np.random.default_rng(3)
    images = np.stack([sersic(32, 1, r, q) for r, q in ((2, 0.5), (3, 0.9), (4, 0.3))])[:, None]
    images = images + 0.02 * rng.normal(size=(3, 2, 32, 32))
    together = morphology_features(images)[0]
    np.testing.assert_array_equal(together[1:2], morphology_features(images[1:2])[0])
    np.testing.assert_allclose(together, morphology_features(images.astype(np.float32))[0], atol=1e-3)


def test_weights_follow_the_noise():
    rng = np.random.default_rng(4)
    quiet, loud = sersic(48, 1, 4, 0.5), rng.normal(size=(10, 48, 48)) * 5
    images = np.stack([np.broadcast_to(quiet, loud.shape), loud], axis=1)
    assert measured(images, noise=[1e-3, 5.0])["axis ratio"] == pytest.approx(0.5, abs=0.02)


def test_images_of_nothing_have_finite_features():
    rng = np.random.default_rng(5)
    for images in (np.zeros((2, 3, 32, 32)), np.full((1, 1, 16, 20), -1.0), rng.normal(size=(20, 5, 32, 32))):
        values, names = morphology_features(images)
        assert np.isfinite(values).all() and values.shape == (len(images), len(names))
    assert not morphology_features(np.ones((2, 3, 32, 32)))[0].any(), "zero where nothing can be told"
    spot = np.zeros((1, 1, 32, 32))
    spot[..., 16, 16] = 1
    assert np.isfinite(morphology_features(spot)[0]).all()
    assert morphology_features(np.zeros((0, 3, 32, 32)))[0].shape == (0, 9)


def test_names_say_what_the_columns_are():
    _, names = morphology_features(np.zeros((1, 3, 32, 32)))
    shape = ("half-light radius", "concentration", "asymmetry", "axis ratio", "Gini", "M20")
    assert names == ("magnitude", "colour 0-1", "colour 1-2", *shape)


def test_faulty_images_are_named():
    images = np.zeros((600, 2, 64, 64), np.float32)
    images[500, 1, 3, 3] = np.nan
    with pytest.raises(ValueError, match="Image 500 holds values that are not finite"):
        morphology_features(images)
    with pytest.raises(ValueError, match=r"not one of shape \(32, 32\)"):
        morphology_features(images[0, 0, :32, :32])
    for noise in ([1.0], [1.0, 0.0], [1.0, np.nan]):
        with pytest.raises(ValueError, match="2 positive numbers"):
            morphology_features(images[:1], noise=noise)
