import galsim
import numpy as np
import pytest
import torch

from astrolib.simulate.galaxies import (
    SDSS_SKY_NOISE,
    component_fraction,
    draw_population,
    parameters_from_photometry,
    render,
)
from astrolib.simulate.sdss import PIXEL_SCALE, SDSS_GAIN, SDSS_PSF, DoubleGaussian, flux

BANDS = "ugriz"


def plain_galaxy(bulge_fraction, radius, axis_ratio=1.0, angle=0.0, centre=(0.0, 0.0), **changes):
    """One smooth galaxy with one profile and no neighbour, at the nominal seeing."""
    galaxy = draw_population(1, seed=0)
    values = {
        "bulge_fraction": bulge_fraction,
        "bulge_radius": radius,
        "disc_radius": radius,
        "bulge_axis_ratio": axis_ratio,
        "disc_axis_ratio": axis_ratio,
        "bulge_colour": 0.0,
        "position_angle": angle,
        "centre_x": centre[0],
        "centre_y": centre[1],
        "arm_fraction": 0.0,
        "seeing": 1.0,
        "neighbour": "none",
    }
    for name, value in (values | changes).items():
        galaxy[name] = value
    return galaxy


def distance_from(size, centre=(0.0, 0.0)):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.hypot(x - centre[0], y - centre[1])


def half_light_radius(image, centre):
    distance = distance_from(len(image), centre).ravel()
    order = np.argsort(distance)
    growth = np.cumsum(image.ravel()[order])
    return np.interp(growth[-1] / 2, growth, distance[order])


@pytest.mark.parametrize("axis_ratio", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("radius", [0.8, 2.0, 6.0])
@pytest.mark.parametrize("profile", ["exponential", "de Vaucouleurs"])
def test_galsim_agrees(profile, radius, axis_ratio):
    centre, bulge_fraction = (0.2, -0.3), float(profile == "de Vaucouleurs")
    galaxy = plain_galaxy(bulge_fraction, radius, axis_ratio, 35.0, centre)
    size = int(np.clip(20 * radius / PIXEL_SCALE, 96, 256))
    image = render(galaxy, image_size=size, noise=False)[0, 2].double().numpy()

    shape = galsim.DeVaucouleurs if bulge_fraction else galsim.Exponential
    total = float(flux(galaxy["r"][0]))
    # GalSim's half-light radius is circularised, ours is along the major axis.
    source = shape(half_light_radius=radius * np.sqrt(axis_ratio), flux=total)
    source = source.shear(q=axis_ratio, beta=35 * galsim.degrees)
    core, wing = SDSS_PSF.sigma[2]
    seeing = galsim.Gaussian(sigma=core, flux=SDSS_PSF.weight[0])
    seeing += galsim.Gaussian(sigma=wing, flux=SDSS_PSF.weight[1])
    drawn = galsim.Convolve(source, seeing, gsparams=galsim.GSParams(maximum_fft_size=16384))
    expected = drawn.drawImage(nx=size, ny=size, scale=PIXEL_SCALE, offset=centre).array.astype(float)

    assert image.sum() == pytest.approx(expected.sum(), rel=0.02)
    assert half_light_radius(image, centre) == pytest.approx(half_light_radius(expected, centre), rel=0.03)
    # Pixel by pixel; the cusp of an exponential much larger than the seeing is 3 % too flat.
    assert np.abs(image - expected).max() < (0.04 if radius == 6.0 else 0.01) * expected.max()


def test_aperture_magnitudes_are_the_catalogue_magnitudes():
    # De Vaucouleurs wings reach far: only an aperture of radius 40 arcsec in a frame of 95 arcsec, holds more
    # than 99 % of the light of galaxies with half-light radius below 2.5 arcsec (two in three).
    galaxies = draw_population(200, seed=11)
    galaxies = galaxies[galaxies["half_light_radius"] < 2.5][:24]
    assert set(galaxies["type"]) == {"early", "late"}
    images = render(galaxies, image_size=240, noise=False, neighbours=False).double().numpy()
    aperture = distance_from(240) * PIXEL_SCALE < 40
    measured = 22.5 - 2.5 * np.log10((images * aperture).sum((2, 3)))
    catalogue = np.stack([galaxies[band] for band in BANDS], -1)
    np.testing.assert_allclose(measured, catalogue, atol=0.02)


def test_noise_is_that_of_the_sky_and_of_the_source():
    faint = plain_galaxy(0.0, 1.0, **dict.fromkeys(BANDS, 30.0))
    sky = render(faint, image_size=256, seed=1)[0]
    np.testing.assert_allclose(sky.std((1, 2)), SDSS_SKY_NOISE, rtol=0.02)
    np.testing.assert_allclose(sky.mean((1, 2)), 0, atol=0.02 * SDSS_SKY_NOISE.max())

    bright = plain_galaxy(0.0, 20.0, **dict.fromkeys(BANDS, 12.0))
    clean = render(bright, image_size=64, noise=False)[0]
    photons = (render(bright, image_size=64, seed=1)[0] - clean).var((1, 2)) - torch.tensor(
        SDSS_SKY_NOISE
    ) ** 2
    np.testing.assert_allclose(photons, clean.mean((1, 2)) / torch.tensor(SDSS_GAIN), rtol=0.15)


def test_seed_decides_the_noise_and_batches_do_not():
    galaxies = draw_population(20, seed=5)
    images = render(galaxies, image_size=32, seed=1)
    assert images.shape == (20, 5, 32, 32) and images.dtype == torch.float32
    torch.testing.assert_close(
        render(galaxies, image_size=32, seed=1, batch_size=3), images, rtol=1e-5, atol=1e-6
    )
    # A galaxy brings its own noise: rows can be rendered in any order and any selection.
    torch.testing.assert_close(
        render(galaxies[[7, 2]], image_size=32, seed=1), images[[7, 2]], rtol=1e-5, atol=1e-6
    )
    assert not torch.allclose(render(galaxies, image_size=32, seed=2), images)
    assert len(np.unique((images - render(galaxies, image_size=32, noise=False))[:, 2, 0, 0])) == 20


def test_centroid_is_the_catalogue_centre():
    image = render(plain_galaxy(0.3, 1.0, 0.6, 20.0, centre=(0.4, -0.2)), image_size=129, noise=False)[0, 2]
    y, x = np.mgrid[:129, :129] - 64.0
    weight = image.double().numpy()
    centroid = (weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()
    assert centroid == pytest.approx((0.4, -0.2), abs=0.02)


def test_position_angle_turns_the_image():
    galaxies = draw_population(40, seed=6)
    galaxy = galaxies[(galaxies["type"] == "late")][:1]
    galaxy["centre_x"] = galaxy["centre_y"] = 0.0
    first = render(galaxy, image_size=48, noise=False, neighbours=False)
    galaxy["position_angle"] += 90
    turned = render(galaxy, image_size=48, noise=False, neighbours=False)
    # Rows are y, upwards: turning from x to y is a rotation from axis 3 to axis 2.
    torch.testing.assert_close(turned, first.rot90(1, (3, 2)), rtol=1e-3, atol=1e-5)

    flat = render(plain_galaxy(0.0, 3.0, 0.3, angle=0.0), image_size=48, noise=False)[0, 2]
    assert flat[23, 40] > 5 * flat[40, 23]  # position angle 0 lies along x


def test_late_types_are_less_symmetric_than_early_ones():
    galaxies = draw_population(400, seed=7)
    galaxies = galaxies[galaxies["half_light_radius"] > 1.5]
    galaxies["centre_x"] = galaxies["centre_y"] = 0.0
    images = render(galaxies, image_size=47, noise=False, neighbours=False)[:, 2]
    asymmetry = (images - images.rot90(2, (1, 2))).abs().sum((1, 2)) / (2 * images.sum((1, 2)))
    late = torch.tensor(np.asarray(galaxies["type"] == "late"))
    assert asymmetry[~late].max() < 1e-4
    assert asymmetry[late].median() > 0.04


def test_clumps_are_blue_and_bulges_red():
    fraction = component_fraction(np.array([0.3, 0.3]), np.array([0.3, -0.3]))
    assert fraction[:, 2] == pytest.approx(0.3)
    assert (np.diff(fraction[0]) > 0).all() and (np.diff(fraction[1]) < 0).all()
    # The part's g - r minus that of the rest.
    part, rest = fraction[0], 1 - fraction[0]
    assert -2.5 * np.log10(part[1] / part[2] * rest[2] / rest[1]) == pytest.approx(0.3)


def test_seeing_is_worst_in_u_and_scales_with_the_catalogue():
    star = plain_galaxy(0.0, 0.01, **dict.fromkeys(BANDS, 17.0))
    peak = render(star, image_size=33, noise=False)[0, :, 16, 16]
    assert peak.argmin() == 0
    star["seeing"] = 1.4
    assert (render(star, image_size=33, noise=False)[0, :, 16, 16] < peak / 1.6).all()


def test_neighbours_add_their_own_light_only():
    galaxies = draw_population(300, seed=8)
    # Neighbours whose light falls well inside the frame.
    compact = (galaxies["neighbour_radius"] < 0.8) & (galaxies["neighbour"] != "none")
    inside = (np.abs(galaxies["neighbour_x"]) < 6) & (np.abs(galaxies["neighbour_y"]) < 6)
    both = render(galaxies, image_size=64, noise=False)
    added = (both - render(galaxies, image_size=64, noise=False, neighbours=False)).sum((2, 3))
    assert (added[np.asarray(galaxies["neighbour"] == "none")] == 0).all()
    expected = np.stack([flux(galaxies[f"neighbour_{band}"]) for band in BANDS], -1)
    rows = np.flatnonzero(compact & inside)
    assert len(rows) > 5
    np.testing.assert_allclose(added[rows], expected[rows], rtol=0.02)


def test_real_photometry_is_rendered_at_its_magnitudes():
    real = draw_population(30, seed=9)[[*BANDS, "redshift"]]
    parameters = parameters_from_photometry(real, seed=1)
    compact = parameters[parameters["half_light_radius"] < 1.5]
    images = render(compact, image_size=200, noise=False, neighbours=False)
    expected = np.stack([flux(compact[band]) for band in BANDS], -1)
    np.testing.assert_allclose(images.sum((2, 3)), expected, rtol=0.015)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_device_does_not_change_the_galaxies():
    galaxies = draw_population(8, seed=10)
    images = render(galaxies, image_size=32, noise=False, device="cuda")
    assert images.device.type == "cuda"
    on_cpu = render(galaxies, image_size=32, noise=False)
    torch.testing.assert_close(images.cpu(), on_cpu, rtol=1e-3, atol=1e-4)
    noisy = render(galaxies, image_size=32, device="cuda", batch_size=3)
    torch.testing.assert_close(noisy, render(galaxies, image_size=32, device="cuda"), rtol=1e-4, atol=1e-5)


def test_mistakes_are_explained():
    galaxies = draw_population(2, seed=0)
    with pytest.raises(ValueError, match="five bands"):
        render(galaxies, psf=DoubleGaussian(fwhm=(1.3, 1.3)))
    with pytest.raises(ValueError, match="no column seeing"):
        galaxies.remove_column("seeing")
        render(galaxies)
