"""Download what a profile needs, of galaxies, stars and images.

python -m astrolib.fetch --profile sample
"""

import argparse
import sys

from astrolib import image_surveys, profiles, star_surveys, surveys
from astrolib.data import fetch


def datasets_of(profile: str) -> list[str]:
    """Names of the datasets that a profile needs.

    Examples
    --------
    >>> datasets_of("sample")
    ['sdss_photometry', 'sdss_stamps', 'gaia_dr3_latents', 'eros1', 'galaxy_zoo1', 'galaxy_zoo1_more']
    """
    settings = profiles.load(profile)
    galaxies, stars, images = settings.astromae.data, settings.astrom3, settings.barlow.data
    sources = [galaxies.source] + ["stamps"] * galaxies.stamps
    names = [dataset for source in sources for dataset in surveys.DATASETS.get(source, ())]
    for data in (stars.data, stars.second):
        names += star_surveys.DATASETS.get(data.source, ())
    return names + list(image_surveys.DATASETS.get(images.source, ()))


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m astrolib.fetch", description="Download what a profile needs."
    )
    parser.add_argument("--profile", default="demo", help=f"one of {', '.join(profiles.available())}")
    profile = parser.parse_args(arguments).profile
    try:
        names = datasets_of(profile)
    except profiles.ProfileError as error:
        print(error, file=sys.stderr)
        return 1
    if not names:
        print(f"Profile {profile} simulates its surveys: nothing to download.")
    return fetch.run(names) if names else 0


if __name__ == "__main__":
    sys.exit(main())
