"""Image sets keep what belongs together together."""

import dataclasses

import numpy as np
import pytest

from astrolib.simulate.image_sets import draw_image_sets


@pytest.fixture(scope="module")
def sets():
    return draw_image_sets(12, seed=0)


def test_a_subset_has_rows_of_everything(sets):
    some = sets.subset(np.array([7, 2]))
    assert len(some) == 2 and some.survey == sets.survey
    assert np.array_equal(some.images[1], sets.images[2]) and some.ebv[0] == sets.ebv[7]
    assert np.array_equal(some.transient_mask[0], sets.transient_mask[7])
    assert some.fingerprint() != sets.fingerprint()


def test_columns_of_another_length_are_refused(sets):
    with pytest.raises(ValueError, match="ebv, fwhm do not fit"):
        dataclasses.replace(sets, ebv=sets.ebv[:-1], fwhm=sets.fwhm[:-1])


def test_it_says_what_it_holds(sets):
    assert "12 sets of 4 images: simulated" in repr(sets) and "second date" in repr(sets)
