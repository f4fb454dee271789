"""Simulated image sets: flux, seeing, noise, dust and change are what they say."""

import dataclasses

import numpy as np
import pytest

from astrolib.simulate import image_sets as simulated
from astrolib.simulate.image_sets import BANDS, CAMERAS, REDDENING, draw_image_sets, dust
from astrolib.simulate.sdss import flux

SLOTS = ("Legacy-like", "SDSS-like", "ZTF-like", "ZTF-like")


@pytest.fixture(scope="module")
def sets():
    return draw_image_sets(200, seed=3)


def _quiet(monkeypatch, size=128, n=40, **options):
    """Sets in a wide field with hardly any noise."""
    deep = {k: dataclasses.replace(c, depth=tuple(30.0 for _ in c.depth)) for k, c in CAMERAS.items()}
    monkeypatch.setattr(simulated, "CAMERAS", deep)
    return draw_image_sets(n, seed=3, size=size, **options)


def test_the_sharpest_and_deepest_is_the_anchor(sets):
    assert sets.survey == SLOTS and sets.epoch.tolist() == [0, 0, 0, 1]
    assert sets.source.startswith("simulated")


def test_same_seed_same_sets(sets):
    again, other = draw_image_sets(200, seed=3), draw_image_sets(200, seed=4)
    assert again.fingerprint() == sets.fingerprint() != other.fingerprint()


def test_a_galaxy_has_one_flux_in_all_surveys(monkeypatch):
    found = _quiet(monkeypatch)
    light = (found.images * found.noise[..., None, None]).sum(axis=(3, 4))  # nanomaggies
    r = found.band == BANDS.index("r")
    still = ~found.transient
    for slot in (1, 2, 3):
        both = r[:, 0].any(1) & r[:, slot].any(1) & still
        ours = light[both, slot][r[both, slot]] / light[both, 0][r[both, 0]]
        # Legacy's 128 pixels are 34 arcsec: a spheroid has light beyond
        assert np.median(ours[found.label[both] == 0]) == pytest.approx(1, abs=0.01)
        assert (ours > 0.99).all()


def test_depth_is_that_of_a_point_source_of_five_sigma(sets):
    for slot, name in enumerate(SLOTS):
        camera = CAMERAS[name]
        sigma = camera.fwhm / camera.pixel_scale / 2.3548
        noise = flux(sets.depth[:, slot]) / 5 / np.sqrt(4 * np.pi * sigma**2)
        assert sets.noise[:, slot] == pytest.approx(noise, rel=1e-3)


def test_sky_noise_is_one(sets):
    far = ~sets.source_mask[:, 2] & ~np.pad(np.ones((200, 20, 20), bool), ((0, 0), (6, 6), (6, 6)))
    assert sets.images[:, 2, 1][far].std() == pytest.approx(1, abs=0.02)


def test_seeing_adds_to_the_size(monkeypatch):
    """Second moments of one galaxy differ between cameras by those of their seeing."""
    found = _quiet(monkeypatch)
    disc = np.flatnonzero((found.label == 0) & ~found.transient)
    x = np.arange(128) - 63.5

    def moment(slot):  # arcsec^2, along x
        image = found.images[disc, slot, 1] * (x[:, None] ** 2 + x**2 < 63**2)
        return (image * x**2).sum((1, 2)) / image.sum((1, 2)) * found.pixel_scale[slot] ** 2

    ztf, sdss = moment(2), moment(1)
    seeing = (2.0**2 - 1.3**2) / 5.545 + (1.01**2 - 0.396**2) / 12
    assert np.median(ztf - sdss) == pytest.approx(seeing, rel=0.1)


def test_dust_dims_every_band_by_its_share(monkeypatch):
    found = _quiet(monkeypatch)
    monkeypatch.setattr(simulated, "dust", lambda ra, dec: 0 * ra)
    clean = _quiet(monkeypatch)
    ratio = found.images[:, 0, 1].sum((1, 2)) / clean.images[:, 0, 1].sum((1, 2))
    band = found.band[:, 0, 1]
    expected = 10 ** (-0.4 * REDDENING[band] * found.ebv)
    assert ratio == pytest.approx(expected, rel=2e-3)


def test_dust_is_one_smooth_field_with_the_cards_range():
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, 4000), np.degrees(np.arcsin(rng.uniform(-1, 1, 4000)))
    here = dust(ra, dec)
    low, high = np.quantile(here, [0.05, 0.95])
    assert 0.01 < low < 0.03 and 0.18 < high < 0.3
    near, far = dust(ra, np.clip(dec + 1, -90, 90)), dust((ra + 120) % 360, dec)
    assert np.corrcoef(np.log(here), np.log(near))[0, 1] > 0.98
    assert abs(np.corrcoef(np.log(here), np.log(far))[0, 1]) < 0.3


def test_three_tenths_have_something_new_on_the_second_date(monkeypatch):
    found = _quiet(monkeypatch, size=32, n=300)
    assert found.transient.mean() == pytest.approx(0.3, abs=0.08)
    assert not found.transient_mask[~found.transient].any()
    light = (found.images * found.noise[..., None, None]).sum(axis=(3, 4))
    g = found.band[:, 2, 0] == found.band[:, 3, 0]
    grown = (light[:, 3, 0] - light[:, 2, 0])[g]
    assert (np.abs(grown[~found.transient[g]]) < 0.1).all()
    assert ((grown[found.transient[g]] > 0.7 * flux(21.0)) & (grown[found.transient[g]] < flux(17.9))).all()


def test_nulls_take_out_one_thing(sets):
    objects = draw_image_sets(200, seed=3, null="objects")
    reddening = draw_image_sets(200, seed=3, null="reddening")
    scale = draw_image_sets(200, seed=3, null="scale")
    assert not np.array_equal(reddening.ebv, sets.ebv)
    assert np.array_equal(np.sort(reddening.ebv), np.sort(sets.ebv))
    assert (scale.pixel_scale == scale.pixel_scale[0]).all()
    bright = sets.images[:, 0, 1].sum((1, 2)), objects.images[:, 0, 1].sum((1, 2))
    second = [s.images[:, 2, 1].sum((1, 2)) for s in (sets, objects)]
    assert np.corrcoef(bright[0], second[0])[0, 1] > 0.8 > 0.3 > abs(np.corrcoef(bright[1], second[1])[0, 1])
    assert all("null" in each.source for each in (objects, reddening, scale))


def test_every_camera_can_be_used():
    found = draw_image_sets(3, seed=0, cameras=("PS1-like", "unWISE-like"))
    assert found.survey == ("PS1-like", "unWISE-like")
    assert found.band[0, 1].tolist() == [BANDS.index("W1"), BANDS.index("W2"), BANDS.index("W2")]
    assert np.isfinite(found.images).all()


def test_unknown_cameras_are_refused():
    with pytest.raises(ValueError, match="must be among SDSS-like"):
        draw_image_sets(3, seed=0, cameras=("Euclid",))
