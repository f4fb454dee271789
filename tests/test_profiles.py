"""Profiles are read strictly, and the paper's profile holds what the paper printed."""

import pytest

from astrolib import profiles
from astrolib.report.tables import published


def test_every_profile_on_disk_can_be_read():
    assert {"demo", "sample", "paper", "smallest"} <= set(profiles.available())
    for name in profiles.available():
        assert profiles.load(name).name == name


def test_paper_profile_is_table_1_and_2():
    settings = profiles.load("paper").astromae
    for ours, table in ((settings.finetuning, "astromae_table1"), (settings.pretraining, "astromae_table2")):
        printed = published(table).set_index("hyperparameter")["value"].to_dict()
        assert ours.batch_size == int(printed["batch_size"])
        assert ours.weight_decay == float(printed["weight_decay"])
        assert ours.betas == (float(printed["beta1"]), float(printed["beta2"]))
    assert settings.pretraining.epochs == 2000 and settings.finetuning.epochs == 700
    assert settings.pretraining.mask_ratio == 0.75
    assert settings.data.seed == 42 and settings.finetuning.seeds[0] == 42
    assert (settings.finetuning.noise_std, settings.full_data.noise_std) == (0.05, 0.20)


def test_paper_profile_is_table_3():
    sizes = profiles.load("paper").astromae.transformer
    printed = published("astromae_table3").set_index("component")
    assert printed.loc["encoder"].tolist() == [
        sizes.patch_size, sizes.embed_dim, sizes.depth, sizes.num_heads
    ]  # fmt: skip
    assert printed.loc["decoder"].tolist() == [
        sizes.patch_size, sizes.decoder_embed_dim, sizes.decoder_depth, sizes.decoder_num_heads
    ]  # fmt: skip


def test_enough_seeds_for_a_spread():
    assert len(profiles.load("demo").astromae.finetuning.seeds) >= 2
    for seeds in (
        profiles.load("sample").astromae.finetuning.seeds,
        profiles.load("sample").astromae.full_data.seeds,
    ):
        assert len(set(seeds)) >= 3


def test_unknown_profile_names_those_there_are():
    with pytest.raises(profiles.ProfileError, match="'demos': choose one of demo, paper"):
        profiles.load("demos")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mask_ratio = 0.75", "mask_ration = 0.75", "unknown setting mask_ration"),
        ("mask_ratio = 0.75\n", "", "missing setting mask_ratio"),
        ("mask_ratio = 0.75", 'mask_ratio = "high"', "mask_ratio = 'high' should be of type"),
        ("stamps = false", "stamps = 0", "stamps = 0 should be of type"),
        ("mask_ratio = 0.75", "mask_ratio 0.75", "not valid TOML"),
    ],
)
def test_faulty_profile_says_what_is_wrong(tmp_path, monkeypatch, old, new, message):
    text = (profiles.FOLDER / "demo.toml").read_text()
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new))
    monkeypatch.setattr(profiles, "FOLDER", tmp_path)
    with pytest.raises(profiles.ProfileError, match=message):
        profiles.load("mine")
