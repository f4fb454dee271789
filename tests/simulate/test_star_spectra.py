import astropy.units as u
import numpy as np
import pytest
from astropy.modeling.models import BlackBody

from astrolib.simulate.star_spectra import SKY_LINES, blackbody, observe, starlight

WAVELENGTH = np.arange(3850.0, 9000.0, 2.0)


def light(wavelength=WAVELENGTH, **changed):
    """Spectra of plain stars, one for each value of what is changed."""
    n = max(np.size(v) for v in changed.values())
    stars = {"temperature": 5500.0, "metallicity": 0.0, "giant": False, "subtype": "", "extinction": 0.0}
    stars |= {"radial_velocity": 0.0, "chromosphere": 0.0, "shock": 0.0, "hot_gas": 0.0, "companion": 0.0}
    return starlight(
        wavelength, {k: np.broadcast_to(np.asarray(v), n).copy() for k, v in (stars | changed).items()}
    )


def mean(flux, low, high, wavelength=WAVELENGTH):
    return flux[:, (wavelength > low) & (wavelength < high)].mean(1)


def width(flux, centre, half, wavelength=WAVELENGTH):
    """Equivalent width [Å] against the continuum beside the line."""
    left, right = mean(flux, centre - 2 * half, centre - half), mean(flux, centre + half, centre + 2 * half)
    inside = np.abs(wavelength - centre) < half
    return np.sum(1 - flux[:, inside] / ((left + right) / 2)[:, None], axis=1) * 2.0


def test_blackbody_against_astropy():
    unit = u.erg / u.s / u.cm**2 / u.AA / u.sr
    model = BlackBody(6000 * u.K, scale=1 * unit)
    expected = (model(WAVELENGTH * u.AA) / model(5500 * u.AA)).value
    np.testing.assert_allclose(blackbody(WAVELENGTH, np.array([6000.0]))[0], expected, rtol=1e-4)


def test_hotter_is_bluer_and_dust_reddens():
    flux = light(temperature=np.array([9000.0, 7000, 6000, 5000, 4000, 3300]))
    assert (np.diff(mean(flux, 4400, 4800) / mean(flux, 8000, 8200)) < 0).all()
    dusty = light(extinction=np.array([0.0, 1.0, 2.0]))
    colour = -2.5 * np.log10(mean(dusty, 4390, 4410) / mean(dusty, 5490, 5510))
    np.testing.assert_allclose(np.diff(colour), 1 / 3.1, atol=0.02)  # E(B-V) for A_V = 1


def test_balmer_lines_are_strong_in_hot_stars_and_metals_in_cool_ones():
    flux = light(temperature=np.array([9000.0, 7000, 5800, 4800]))
    assert (np.diff(width(flux, 4861.3, 40)) < 0).all()
    assert (np.diff(width(flux, 5175.0, 25)) > 0).all()  # Mg b
    assert (np.diff(width(flux, 5893.0, 12)) > 0).all()  # Na D
    assert width(flux[:1], 6562.8, 40)[0] == pytest.approx(10, abs=3)


def test_metal_poor_stars_have_weak_metal_lines():
    flux = light(temperature=np.full(2, 6300.0), metallicity=np.array([-2.0, 0.0]))
    for centre, half in ((3933.7, 20), (5175.0, 25), (8542.1, 12)):
        weak, strong = width(flux, centre, half)
        assert weak < 0.6 * strong
    np.testing.assert_allclose(*width(flux, 6562.8, 30), rtol=0.15)  # hydrogen stays


def test_titanium_oxide_appears_below_4000_kelvin():
    flux = light(temperature=np.array([4300.0, 3800, 3500, 3200, 2900]), giant=True)
    band = mean(flux, 7080, 7110) / mean(flux, 7020, 7035)
    assert (np.diff(band) < 0).all()
    assert band[0] > 0.95
    assert band[-1] < 0.4


def test_oxygen_rich_and_carbon_rich_miras_have_their_own_bands():
    flux = light(temperature=np.full(2, 2800.0), giant=True, subtype=np.array(["oxygen-rich", "carbon-rich"]))

    def step(bluewards, redwards):  # flux on the blue side over that on the red side
        return mean(flux, *bluewards) / mean(flux, *redwards)

    tio = step((7020, 7035), (7090, 7110))
    vo = step((7820, 7835), (7880, 7900))
    c2 = step((5580, 5615), (5670, 5700))
    assert tio[0] > 2 > 1.5 > tio[1]
    assert vo[0] > 1.3
    assert c2[1] < 0.4 < 0.55 < c2[0]  # Swan band: head at 5636, dark on the blue side
    assert mean(flux, 3900, 4300)[1] < 0.1


def test_active_stars_and_unusual_stars_have_emission():
    flux = light(
        temperature=np.full(3, 4300.0), chromosphere=np.array([0, 4.0, 0]), hot_gas=np.array([0, 0, 30.0])
    )
    quiet, active, unusual = width(flux, 6562.8, 15)
    assert quiet - active == pytest.approx(4, abs=0.5)
    assert quiet - unusual == pytest.approx(30, abs=2)
    mira = light(temperature=np.full(2, 2900.0), giant=True, subtype="oxygen-rich", shock=np.array([0, 10.0]))
    assert width(mira, 4101.7, 12)[1] < width(mira, 4101.7, 12)[0] - 5


def test_lines_move_with_the_radial_velocity():
    flux = light(temperature=np.full(2, 7000.0), radial_velocity=np.array([-300.0, 300.0]))
    near = np.abs(WAVELENGTH - 6562.8) < 25
    place = (1 - flux[:, near] / flux[:, near].max(1, keepdims=True)) ** 2
    centre = (place * WAVELENGTH[near]).sum(1) / place.sum(1)
    assert centre[1] - centre[0] == pytest.approx(6562.8 * 600 / 299792, abs=1.5)


def test_a_hot_companion_fills_the_blue():
    flux = light(temperature=np.full(2, 4300.0), companion=np.array([0.0, 9500.0]))
    blue = mean(flux, 3900, 4200) / mean(flux, 7000, 7400)
    assert blue[1] > 2 * blue[0]


def test_a_coarse_grid_keeps_equivalent_widths():
    coarse = np.arange(3850.0, 9000.0, 20.0)
    flux = light(coarse, temperature=np.array([9000.0]))
    near = np.abs(coarse - 6562.8) < 100
    edge = np.abs(np.abs(coarse - 6562.8) - 110) < 12
    coarse_width = np.sum(1 - flux[0, near] / flux[0, edge].mean()) * 20
    fine_width = width(light(temperature=np.array([9000.0])), 6562.8, 100)[0]
    assert coarse_width == pytest.approx(fine_width, rel=0.15)


def test_inverse_variance_is_that_of_the_noise():
    rng = np.random.default_rng(0)
    model = np.repeat(light(temperature=np.array([6000.0, 4000.0])), 200, axis=0)
    flux, ivar, expected = observe(WAVELENGTH, model, rng.uniform(11, 17, 400), rng)
    pull = (flux - expected) * np.sqrt(ivar)
    away = np.min([np.abs(WAVELENGTH - line) for line, _ in SKY_LINES], axis=0) > 20
    assert np.mean(pull[:, away]) == pytest.approx(0, abs=0.01)
    assert np.std(pull[:, away]) == pytest.approx(1, abs=0.01)
    for pixels in (WAVELENGTH < 4500, away & (WAVELENGTH > 8000)):
        assert np.std(pull[:, pixels]) == pytest.approx(1, abs=0.02)
    assert np.std(pull[:, np.abs(WAVELENGTH - 5577) < 3]) > 1.5  # a trace of the sky is not in the errors


def test_signal_to_noise_falls_with_magnitude_and_rises_with_the_pixel():
    rng = np.random.default_rng(0)

    def ratio(step, brightness):
        grid = np.arange(3850.0, 9000.0, step)
        model = light(grid, temperature=np.full(300, 6000.0))
        flux, ivar, _ = observe(grid, model, np.full(300, brightness), rng)
        return np.median(flux * np.sqrt(ivar))

    assert ratio(2.0, 12.0) > 1.8 * ratio(2.0, 14.0) > 3 * ratio(2.0, 16.0)
    assert ratio(20.0, 14.0) / ratio(2.0, 14.0) == pytest.approx(np.sqrt(10), rel=0.1)
