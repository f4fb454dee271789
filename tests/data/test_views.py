import dataclasses

import numpy as np
import pytest
import torch

from astrolib.data.augment import centre_crop
from astrolib.data.views import (
    LEGACY_REDDENING,
    REDDENING,
    DisplayViews,
    PhysicalViews,
)

R = tuple(REDDENING.values())
SKY = (0.05, 0.02, 0.02, 0.03, 0.1)
PHYSICAL = PhysicalViews(32, reddening=R, noise=SKY)
DISPLAY = DisplayViews(32, zoom=2 / 3)
BOTH = pytest.mark.parametrize("views", [PHYSICAL, DISPLAY], ids=["physical", "display"])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images_for(views, n=6):
    """Random pixels: nothing but the same processing makes the same view."""
    return torch.rand(n, 5 if views is PHYSICAL else 3, 48, 48, generator=generator(1))


def galaxy(n, channels=5, size=48, sigma=2.5):
    """Round sources of total flux 100 in the middle."""
    pixels = torch.arange(size) - (size - 1) / 2
    image = torch.exp(-(pixels**2 + pixels[:, None] ** 2) / (2 * sigma**2))
    return (100 * image / image.sum()).expand(n, channels, size, size).contiguous()


def same_drawn(first, second, step_of, step):
    """All drawn parameters but those of one step are equal, and some of that step are not."""
    for name, owner in step_of.items():
        assert torch.equal(first[name], second[name]) == (owner != step), name


STEP_OF = {
    PHYSICAL: {
        "ebv": "reddening",
        "angle": "rotation",
        "flip": "flips",
        "size": "size",
        "shift": "jitter",
        "psf": "psf",
        "noise": "noise",
    },
    DISPLAY: {"angle": "rotation", "flip": "flips", "size": "size", "shift": "jitter"}
    | {name: name for name in ("psf", "noise", "gamma", "gain", "channel_gain", "grayscale")},
}
EVERY_STEP = pytest.mark.parametrize(
    ("views", "step"),
    [(views, step) for views in (PHYSICAL, DISPLAY) for step in views.STEPS],
    ids=[f"{type(views).__name__}-{step}" for views in (PHYSICAL, DISPLAY) for step in views.STEPS],
)


@BOTH
def test_two_views_of_one_galaxy_differ_and_follow_from_the_seed(views):
    images = images_for(views)
    before = images.clone()
    a, b = views(images, generator(3))
    assert a.shape == b.shape == (6, images.shape[1], 32, 32) and a.dtype == torch.float32
    assert torch.equal(images, before)
    assert not torch.isclose(a, b).all(dim=-1).any()
    for view, again, other in zip(
        (a, b), views(images, generator(3)), views(images, generator(4)), strict=True
    ):
        assert torch.equal(view, again) and not torch.equal(view, other)


@BOTH
def test_the_pair_is_one_view_after_the_other(views):
    images, draws = images_for(views), generator()
    a, b = views(images, generator())
    assert torch.equal(a, views.view(images, draws, "a"))
    second, drawn = views.view_with_parameters(images, draws, "b")
    assert torch.equal(b, second) and all(len(v) == 6 for v in drawn.values())
    assert drawn.keys() == STEP_OF[views].keys()


@BOTH
def test_the_central_view_is_what_remains_with_all_steps_off(views):
    images = images_for(views)
    for which in ("a", "b"):
        assert torch.equal(views.only().view(images, generator(), which), views.central(images))
    assert torch.equal(PHYSICAL.central(images), centre_crop(images, 32))
    if views is DISPLAY:
        torch.testing.assert_close(
            views.central(torch.full((1, 3, 48, 48), 0.3)), torch.full((1, 3, 32, 32), 0.3)
        )


@EVERY_STEP
def test_one_step_off_leaves_the_draws_of_all_others(views, step):
    """Also those of the second view and of the next batch: the generator stays in step."""
    images, draws, draws_without = images_for(views, 64), generator(), generator()
    for which in ("a", "b", "a"):
        _, drawn = views.view_with_parameters(images, draws, which)
        _, without = views.without(step).view_with_parameters(images, draws_without, which)
        same_drawn(drawn, without, STEP_OF[views], step)
    assert torch.equal(draws.get_state(), draws_without.get_state())


@EVERY_STEP
def test_one_step_alone_changes_the_image_and_draws_nothing_else(views, step):
    images = images_for(views, 64)
    alone = views.only(step)
    assert alone == views.without(*(each for each in views.STEPS if each != step))
    view, drawn = alone.view_with_parameters(images, generator(), "a")
    assert not torch.isclose(view, views.central(images), atol=1e-3).all()
    _, none = views.only().view_with_parameters(images, generator(), "a")
    same_drawn(drawn, none, STEP_OF[views], step)


@BOTH
def test_an_unknown_step_is_refused(views):
    for change in (views.without, views.only):
        with pytest.raises(ValueError, match=r"has no step \['hue'\]; its steps are .*rotation, flips"):
            change("hue")


@BOTH
def test_autocast_does_not_reach_the_views(views):
    images = images_for(views)
    expected = (*views(images, generator()), views.central(images))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = (*views(images, generator()), views.central(images))
    assert all(torch.equal(*pair) for pair in zip(expected, inside, strict=True))


def test_one_reddening_explains_the_dimming_of_all_bands():
    images = torch.rand(500, 5, 40, 40, generator=generator(1)) + 0.1
    view, drawn = PHYSICAL.only("reddening").view_with_parameters(images, generator(), "b")
    dimming = -2.5 * torch.log10(view / PHYSICAL.central(images))  # magnitudes
    expected = drawn["ebv"][:, None] * torch.tensor(R)
    torch.testing.assert_close(dimming, expected[:, :, None, None].expand_as(dimming), rtol=1e-4, atol=1e-5)
    assert drawn["ebv"].max() <= 0.5 and drawn["ebv"].max() > 0.45
    assert (drawn["ebv"] > 0).float().mean().item() == pytest.approx(0.8, abs=0.06)


def test_the_sdss_coefficients_are_those_of_schlafly_and_finkbeiner():
    assert R == (4.239, 3.303, 2.285, 1.698, 1.263)
    assert tuple(LEGACY_REDDENING.values()) == (3.237, 2.176, 1.217)


@pytest.mark.parametrize("step", ["rotation", "flips", "size"])
def test_flux_is_kept(step):
    images = galaxy(64, sigma=3.0) * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])[:, None, None]
    views = dataclasses.replace(PHYSICAL.only(step), p_size=1.0)
    view, drawn = views.view_with_parameters(images, generator(), "a")
    torch.testing.assert_close(view.sum((2, 3)), images.sum((2, 3)), rtol=0.01, atol=0)
    if step == "size":  # and the galaxy is larger
        width = second_moment(view)[:, 0].sqrt()
        torch.testing.assert_close(width, 3.0 * drawn["size"], rtol=0.02, atol=0)


def test_flux_of_a_compact_source_is_kept_unless_it_is_resized_on_the_pixel_axes():
    """Turned by a few degrees from the axes, the phases of the pixels average."""
    views = dataclasses.replace(PHYSICAL.only("rotation", "flips", "size", "jitter"), p_size=1.0)
    view, drawn = views.view_with_parameters(galaxy(500, 5, 60, sigma=1.5), generator(), "a")
    error = (view.sum((2, 3)) / 100 - 1).abs().amax(dim=1)
    turned = (drawn["angle"] % 90 - 45).abs() < 35
    assert error[turned].max() < 0.01 and error.median() < 0.002 and error.max() < 0.04


def second_moment(images):
    """Variance along x in pixels squared (B, C), about the middle."""
    pixels = torch.arange(images.shape[-1]) - (images.shape[-1] - 1) / 2
    profile = images.sum(dim=2)
    return (profile * pixels**2).sum(-1) / profile.sum(-1)


def test_the_centre_ends_up_where_the_drawn_shift_says():
    views = PHYSICAL.only("jitter", "rotation", "flips", "size")
    view, drawn = views.view_with_parameters(galaxy(200, 5, 64), generator(), "a")
    pixels = torch.arange(32) - 15.5
    total = view.sum((2, 3))[:, 0]
    x, y = (view.sum(2)[:, 0] * pixels).sum(-1) / total, (view.sum(3)[:, 0] * pixels).sum(-1) / total
    torch.testing.assert_close(torch.stack([x, y], dim=1), drawn["shift"], rtol=0, atol=0.05)
    assert drawn["shift"].abs().max() <= 3.0
    assert drawn["shift"].std().item() == pytest.approx(3 / 3**0.5, rel=0.1)


def test_the_psf_adds_its_own_variance_in_each_band():
    images = galaxy(100, sigma=2.0)
    view, drawn = PHYSICAL.only("psf").view_with_parameters(images, generator(), "a")
    added = second_moment(view) - second_moment(images)
    torch.testing.assert_close(added, drawn["psf"] ** 2, rtol=0.01, atol=1e-3)
    assert (drawn["psf"] >= 0.1).all() and (drawn["psf"] <= 1.0).all()
    assert np.corrcoef(drawn["psf"].numpy().T)[0, 1:].max() < 0.4  # bands independent
    torch.testing.assert_close(view.sum((2, 3)), images.sum((2, 3)), rtol=1e-4, atol=0)


def test_noise_adds_its_variance_to_that_of_the_sky():
    sky = torch.tensor(SKY)[:, None, None]
    images = sky * torch.randn(400, 5, 32, 32, generator=generator(1))
    view, drawn = PHYSICAL.only("noise").view_with_parameters(images, generator(), "a")
    total = torch.tensor(SKY) * (1 + drawn["noise"] ** 2).sqrt()
    torch.testing.assert_close(view.std((2, 3)), total, rtol=0.12, atol=0)  # 1024 pixels: 2.2 % each
    torch.testing.assert_close((view.std((2, 3)) / total).mean(0), torch.ones(5), rtol=0, atol=0.005)
    assert (drawn["noise"] >= 0.2).all() and (drawn["noise"] <= 1.0).all()


@BOTH
@pytest.mark.parametrize(("which", "psf", "noise"), [("a", 1.0, 1.0), ("b", 0.1, 0.5)])
def test_realised_frequencies_are_the_probabilities(views, which, psf, noise):
    """Not one minus them."""
    n = 4000
    images = torch.rand(1, 5 if views is PHYSICAL else 3, 6, 6).expand(n, -1, -1, -1)
    small = dataclasses.replace(views, crop=4)
    _, drawn = small.view_with_parameters(images, generator(), which)
    share = {name: (drawn[name].reshape(n, -1) > 0).float() for name in ("psf", "noise")}
    for name, p in (("psf", psf), ("noise", noise)):
        assert (share[name] == share[name][:, :1]).all()  # all bands of an object or none
        assert share[name][:, 0].mean().item() == pytest.approx(p, abs=4 * (p * (1 - p) / n) ** 0.5)
    assert drawn["flip"].float().mean(0).tolist() == pytest.approx([0.5, 0.5], abs=0.03)
    assert torch.histc(drawn["angle"], 8, 0, 360).min() > 0.85 * n / 8
    resized = (drawn["size"] != 1).float().mean().item()
    assert resized == pytest.approx(0.5, abs=0.03) if views is PHYSICAL else resized > 0.999


def test_noise_and_psf_frequencies_show_in_the_pixels():
    images = galaxy(2000, 5, 16, sigma=1.0)
    for step, p in (("psf", 0.1), ("noise", 0.5)):
        small = dataclasses.replace(PHYSICAL.only(step), crop=8)
        changed = (small.view(images, generator(), "b") != small.central(images)).any(3).any(2).any(1)
        assert changed.float().mean().item() == pytest.approx(p, abs=0.05)
        assert (small.view(images, generator(), "a") != small.central(images)).any(3).any(2).all()


@BOTH
def test_half_precision_pixels_come_out_as_float32(views):
    view = views.view(images_for(views).half(), generator(), "a")
    assert view.dtype == torch.float32
    torch.testing.assert_close(view, views.view(images_for(views), generator(), "a"), rtol=0, atol=0.01)


def test_settings_may_come_as_lists_and_arrays():
    views = PhysicalViews(32, reddening=list(R), noise=np.array(SKY))
    assert views == PHYSICAL and hash(views) == hash(PHYSICAL)
    bands = PhysicalViews(32, reddening=(), noise=SKY)
    assert bands == PHYSICAL.without("reddening")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: PhysicalViews(32, R, SKY, p_psf=(1.0, 10.0)),
            r"p_psf .* is a probability, not \(1.0, 10.0\)",
        ),
        (lambda: PhysicalViews(32, R, SKY, p_size=-0.1), "p_size of PhysicalViews is a probability"),
        (lambda: DisplayViews(32, zoom=1.5), "above 0 and at most 1, not 1.5"),
        (
            lambda: PHYSICAL(torch.zeros(2, 3, 48, 48), generator()),
            "5 values of `reddening`, .* have 3 bands",
        ),
        (
            lambda: PHYSICAL.without("reddening")(torch.zeros(2, 3, 48, 48), generator()),
            "5 values of `noise`",
        ),
        (lambda: PHYSICAL(torch.zeros(2, 5, 30, 30), generator()), "stamps of 30 x 30"),
        (lambda: DISPLAY(torch.zeros(2, 3, 42, 42), generator()), "stamps of 28 x 28"),
        (lambda: DISPLAY(torch.zeros(2, 5, 48, 48), generator()), "3 channels, not of 5"),
    ],
    ids=["p-pair", "p", "zoom", "reddening", "noise", "small", "small-zoomed", "channels"],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_pictures_stay_between_0_and_1_and_may_be_bytes():
    pixels = torch.randint(0, 256, (32, 3, 48, 48), generator=generator(1), dtype=torch.uint8)
    a, b = DISPLAY(pixels, generator())
    assert a.min() >= 0 and b.max() <= 1 and a.std() > 0.02
    for view, same in zip((a, b), DISPLAY(pixels / 255, generator()), strict=True):
        assert torch.equal(view, same)


def test_the_display_steps_do_what_they_are_called():
    images = torch.rand(300, 3, 48, 48, generator=generator(1)) * 0.2 + 0.1
    central = DISPLAY.central(images)
    view, drawn = DISPLAY.only("gamma").view_with_parameters(images, generator(), "a")
    exponent = drawn["gamma"][:, None, None, None]
    torch.testing.assert_close(view, central**exponent)
    assert drawn["gamma"].log().std().item() == pytest.approx(0.2, rel=0.15)
    view, drawn = DISPLAY.only("gain", "channel_gain").view_with_parameters(images, generator(), "a")
    factor = drawn["gain"][:, None] * drawn["channel_gain"]
    torch.testing.assert_close(view, (central * factor[:, :, None, None]).clamp(max=1))
    assert drawn["gain"].log().std().item() == pytest.approx(0.35, rel=0.15)
    assert drawn["channel_gain"].log().std().item() == pytest.approx(0.08, rel=0.15)
    view, drawn = DISPLAY.only("grayscale").view_with_parameters(images, generator(), "a")
    grey = (view == view[:, :1]).all(3).all(2).all(1)
    assert torch.equal(grey, drawn["grayscale"]) and 0.12 < grey.float().mean() < 0.28
    torch.testing.assert_close(view[grey][:, 0], central[grey].mean(1))
    view, drawn = DISPLAY.only("noise").view_with_parameters(images.clamp(0.3, 0.3), generator(), "a")
    torch.testing.assert_close(view.std((1, 2, 3)), drawn["noise"], rtol=0.1, atol=1e-4)
    assert drawn["noise"].max() <= 0.05 and drawn["noise"].min() < 0.01


def test_zoom_shows_more_of_the_picture():
    picture = galaxy(1, 3, 64, sigma=4.0)
    wide = DisplayViews(32, zoom=0.5).central(picture)
    close = DisplayViews(32).central(picture)
    assert second_moment(wide)[0, 0].sqrt().item() == pytest.approx(2.0, rel=0.02)
    assert second_moment(close)[0, 0].sqrt().item() == pytest.approx(4.0, rel=0.02)
