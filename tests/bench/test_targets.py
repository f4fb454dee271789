import pandas as pd
import pytest

from astrolib.bench.targets import NOT_MEASURED, SURVEY, TARGETS, judged


def row(machine, stage="pretraining", way="astrolib, bfloat16", **others):
    common = {"device": "cuda", "threads": 8, "profile": "paper", "run": "2026-01-01", "times_first": 11.0}
    common |= {"objects_per_second": 150_000.0, "floor_per_second": 6e5, "precision": "bf16-mixed"}
    common |= {"share_of_float32": 0.5, "share_of_bfloat16": 0.25, "floor_is": "operations"}
    common |= {"busy": 0.1, "source": "random pixels", "n_seeds": 1}
    common |= {"gigaoperations_per_step": 100.0, "batch_size": 256}
    return common | {"machine": machine, "stage": stage, "way": way} | others


def verdicts(*rows):
    return judged(pd.DataFrame(rows)).set_index(["stage", "for", "target"])


def test_nothing_measured_is_said_for_every_target():
    found = judged(pd.DataFrame())
    assert len(found) == len(TARGETS) and (found["verdict"] == NOT_MEASURED).all()
    assert found[["source", "n_seeds"]].notna().all(axis=None)


def test_met_and_missed_with_factor_and_floor():
    found = verdicts(row("NVIDIA H200"))
    rate = found.loc[("pretraining", "H200", "at least 200,000 galaxies a second")]
    assert rate["verdict"] == "not met" and rate["measured"] == 150_000
    assert rate["short_of"] == pytest.approx(200 / 150) and rate["floor"] == 6e5
    gain = found.loc[("pretraining", "H200", "at least 10 times the plain loop")]
    assert gain["verdict"] == "met" and gain["measured"] == 11.0 and gain["floor"] == 44.0
    assert gain["notes"] == "25% of the machine's matrix rate; operations would allow 4.0 times this"


def test_seconds_for_the_whole_survey():
    words = f"{SURVEY:,} galaxies from disk to disk in 5 s or less"
    for rate, verdict in ((SURVEY / 4, "met"), (SURVEY / 10, "not met")):
        found = verdicts(row("NVIDIA H200", "inference", objects_per_second=rate))
        found = found.loc[("inference", "H200", words)]
        assert found["verdict"] == verdict
        assert found["measured"] == pytest.approx(SURVEY / rate)
        assert found["short_of"] == pytest.approx(SURVEY / rate / 5)


def test_a_target_is_judged_only_on_the_machine_it_was_made_for():
    found = judged(pd.DataFrame([row("NVIDIA H100"), row("EPYC, 8 threads", device="cpu")]))
    assert (found["verdict"] == NOT_MEASURED).all()
    two_cores = row("EPYC, 2 threads", device="cpu", threads=2, times_first=2.5)
    found = judged(pd.DataFrame([two_cores])).set_index(["stage", "for"]).loc[("pretraining", "2 CPU cores")]
    assert found["verdict"] == "not met" and found["short_of"] == pytest.approx(3 / 2.5)


def test_small_networks_the_plain_loop_and_older_runs_do_not_count():
    rows = [
        row("NVIDIA H200", profile="demo", objects_per_second=1e9, run="2026-02-01"),
        row("NVIDIA H200", way="plain loop", objects_per_second=1e9, times_first=1.0),
        row("NVIDIA H200", way="astrolib, float32", objects_per_second=9e8, run="2025-01-01"),
        row("NVIDIA H200", way="astrolib, float32", objects_per_second=1e5),
        row("NVIDIA H200"),
    ]
    found = judged(pd.DataFrame(rows))
    found = found[(found["stage"] == "pretraining") & (found["for"] == "H200")]
    assert set(found["measured"]) == {150_000, 11.0} and set(found["way"]) == {"astrolib, bfloat16"}


def test_what_was_not_measured_says_what_it_would_ask_of_a_machine():
    found = verdicts(row("EPYC, 2 threads", device="cpu", threads=2))
    rate = found.loc[("pretraining", "H200", "at least 200,000 galaxies a second")]
    assert rate["verdict"] == NOT_MEASURED  # 100 / 256 GFLOP, 200,000 times a second
    assert rate["notes"] == (
        "it asks for 78 TFLOP/s of the network: 0.391 GFLOP each, counted on EPYC, 2 threads"
    )
    assert found.loc[("pretraining", "H200", "at least 10 times the plain loop"), "notes"] == ""
