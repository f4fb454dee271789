import numpy as np

from astrolib.simulate.star_classes import CLASS_COUNTS, draw_classes
from astrolib.simulate.star_planted import CONFUSIONS, OUTLIERS, event, plant


def planted(n=8000):
    names = draw_classes(n, np.random.default_rng(0))
    return names, plant(names, np.random.default_rng(1))


def test_shares():
    _, p = planted()
    kinds = dict(zip(*np.unique(p.kind, return_counts=True), strict=True))
    assert kinds == {"mislabelled": 120, "outlier": 80, "normal": 7800}


def test_only_mislabelled_stars_have_another_class():
    names, p = planted()
    np.testing.assert_array_equal(p.catalogue_class != names, p.kind == "mislabelled")
    for true, label in zip(
        names[p.kind == "mislabelled"], p.catalogue_class[p.kind == "mislabelled"], strict=True
    ):
        assert label in CONFUSIONS[true]


def test_confusions_are_between_known_classes():
    assert set(CONFUSIONS) == set(CLASS_COUNTS)
    for true, others in CONFUSIONS.items():
        assert set(others) < set(CLASS_COUNTS) - {true}


def test_outliers_have_a_kind_that_suits_the_class():
    names, p = planted()
    np.testing.assert_array_equal(p.what != "", p.kind == "outlier")
    kinds, counts = np.unique(p.what[p.kind == "outlier"], return_counts=True)
    assert set(kinds) == set(OUTLIERS)
    assert counts.min() >= 80 // len(OUTLIERS) - 2  # about as many of each
    for name, what in zip(names, p.what, strict=True):
        assert what == "" or name not in OUTLIERS[what]


def test_periods_are_wrong_where_said():
    names, p = planted()
    wrong = p.what == "wrong period"
    assert (p.period_factor[wrong] != 1).all()
    assert (p.period_factor[(p.kind == "normal") | ((p.kind == "outlier") & ~wrong)] == 1).all()
    halved = (names == "EW") & (p.catalogue_class == "RRC")
    assert halved.any()
    assert (p.period_factor[halved] == 0.5).all()


def test_classes_with_few_stars_keep_them():
    names = np.repeat(["EW", "DSCT"], [991, 9])
    for seed in range(20):
        p = plant(names, np.random.default_rng(seed))
        assert (p.kind[names == "DSCT"] == "normal").all()


def test_events():
    times = np.tile(np.linspace(0, 1000, 400), 3)
    what, offsets = np.array(["flare", "", "dimming"]), np.array([0, 400, 800, 1200])
    flare, none, dimming = event(what, times, offsets, np.random.default_rng(0)).reshape(3, 400)
    assert (none == 0).all()
    assert -2.5 <= flare.min() <= -1
    assert flare.max() <= 0
    assert 1.5 <= dimming.max() <= 3.5
    assert dimming.min() >= 0
    for curve in (np.abs(flare), dimming):  # quick onset, slow end
        peak = curve.argmax()
        half = curve > curve.max() / 2
        assert half[peak:].sum() > 2 * half[:peak].sum()
