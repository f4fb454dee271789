"""The published benchmark: how fast each training is, beside a plain loop and beside what the machine can do.

    python -m astrolib.bench --device cpu --out figures/bench
    python -m astrolib.bench --only pretraining,astrom3 --size small

`stage` says what a measurement is, `galaxies`, `inference`, `images` and `stars` what is measured, `scaling`
how the cost grows, `keep` where the numbers go, `targets` what was promised.
"""
