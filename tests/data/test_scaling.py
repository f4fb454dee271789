import numpy as np
import pytest
import torch

from astrolib.data.scaling import PixelScaling, Standardizer

SOFTENING = (0.6, 0.1, 0.15, 0.2, 0.7)


def flux():
    return torch.randn(4, 5, 8, 8, generator=torch.Generator().manual_seed(0)) * 10


def test_asinh_round_trip_over_the_range_of_the_survey():
    scaling = PixelScaling("asinh", SOFTENING)
    pixels = flux() * torch.logspace(-4, 3, 8)
    torch.testing.assert_close(scaling.inverse(scaling(pixels)), pixels, rtol=2e-5, atol=1e-6)


def test_asinh_is_linear_below_the_softening_and_logarithmic_above():
    scaling = PixelScaling("asinh", [1.0])
    faint, bright = torch.full((1, 1, 1), 1e-3), torch.full((1, 1, 1), 1e4)
    assert scaling(faint).item() == pytest.approx(1e-3, rel=1e-6)
    assert scaling(bright).item() == pytest.approx(np.log(2e4), rel=1e-6)
    assert scaling(-bright).item() == -scaling(bright).item()


def test_every_band_has_its_own_softening():
    scaled = PixelScaling("asinh", SOFTENING)(flux())
    expected = np.arcsinh(flux().numpy() / np.array(SOFTENING)[:, None, None])
    np.testing.assert_allclose(scaled.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_none_changes_nothing():
    scaling = PixelScaling()
    assert torch.equal(scaling(flux()), flux()) and torch.equal(scaling.inverse(flux()), flux())


def test_wrong_scalings_are_refused():
    with pytest.raises(ValueError, match='"none" or "asinh"'):
        PixelScaling("log", SOFTENING)
    for softening in ((), (0.1, 0.0)):
        with pytest.raises(ValueError, match="a positive softening"):
            PixelScaling("asinh", softening)
    with pytest.raises(ValueError, match="2 softenings, the images have 5 bands"):
        PixelScaling("asinh", (1.0, 1.0))(flux())


def test_standardizer_round_trip_and_moments():
    magnitudes = np.random.default_rng(0).normal([19, 18, 17.5, 17, 16.8], [1, 0.8, 0.6, 0.6, 0.5], (500, 5))
    standardizer = Standardizer.fit(magnitudes.astype("float32"))
    values = torch.from_numpy(magnitudes).float()
    standardized = standardizer(values)
    torch.testing.assert_close(standardized.mean(0), torch.zeros(5), rtol=0, atol=1e-4)
    torch.testing.assert_close(standardized.std(0, correction=0), torch.ones(5), rtol=0, atol=1e-4)
    torch.testing.assert_close(standardizer.inverse(standardized), values)


def test_a_column_that_cannot_be_standardised_is_named():
    values = np.random.default_rng(0).normal(size=(10, 3))
    values[:, 1] = 2.5
    with pytest.raises(ValueError, match=r"Column\(s\) \[1\]"):
        Standardizer.fit(values)
    values[3, 0] = np.nan
    with pytest.raises(ValueError, match=r"Column\(s\) \[0, 1\]"):
        Standardizer.fit(values)
