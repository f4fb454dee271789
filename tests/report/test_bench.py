import numpy as np
import pandas as pd
import pytest

from astrolib.report import bench


def throughput(machines=("CPU, 2 threads",)):
    rows = []
    for machine in machines:
        for stage in ("pretraining", "inference"):
            for way, rate in (
                ("plain loop", 100.0),
                ("astrolib, float32", 150.0),
                ("astrolib, bfloat16", 300.0),
            ):
                precision = "bf16-mixed" if "bfloat16" in way else "32-true"
                rows.append(
                    {"machine": machine, "stage": stage, "way": way, "precision": precision}
                    | {"objects_per_second": rate, "slowest": 0.8 * rate, "fastest": 1.1 * rate}
                    | {"times_first": rate / 100, "floor_per_second": 1e4, "date": "2026-01-01"}
                    | {"run": "a", "compared_with": "plain loop"}
                )
    return pd.DataFrame(rows).assign(source="random pixels", n_seeds=1)


def curves():
    x = np.array([16.0, 32.0, 64.0])
    rows = [
        pd.DataFrame(
            {"x": x, "cost_ms": scale * x, "cost_ms_low": 0.9 * scale * x, "cost_ms_high": scale * x}
        )
        .assign(
            machine="CPU, 2 threads",
            stage="pretraining",
            against=against,
            way=way,
            cost="step",
            date="2026-01-01",
        )
        .assign(source="random pixels", n_seeds=1)
        for against in ("batch size", "weights")
        for way, scale in (("plain loop", 2.0), ("astrolib", 1.0))
    ]
    points = pd.concat(rows, ignore_index=True)
    slopes = points.groupby(["machine", "stage", "against", "way"], as_index=False).first()
    return points, slopes.assign(slope=1.25, standard_error=0.03)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_a_bar_for_each_way_and_the_gain_in_words():
    (axes,) = bench.throughput(throughput()).axes
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == [100.0, 150.0, 300.0] * 2
    assert [text for text in texts(axes) if text.startswith("x ")] == ["x 1.5", "x 3"] * 2
    assert axes.get_xscale() == "log"


def test_no_gain_is_told_against_a_row_of_another_run():
    table = throughput()
    table.loc[(table["stage"] == "inference") & (table["way"] != "plain loop"), "run"] = "b"
    (axes,) = bench.throughput(table).axes
    assert [text for text in texts(axes) if text.startswith("x ")] == ["x 1.5", "x 3"]


def test_machines_have_panels_of_their_own():
    figure = bench.throughput(throughput(["CPU, 2 threads", "NVIDIA H200"]))
    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == ["CPU, 2 threads", "NVIDIA H200"]


def test_curves_are_logarithmic_and_their_slopes_are_told():
    figure = bench.scaling(*curves())
    for axes, against in zip(figure.axes, ("batch size", "weights"), strict=True):
        assert (axes.get_xscale(), axes.get_yscale(), axes.get_xlabel()) == ("log", "log", against)
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == ["plain loop: slope 1.25 ± 0.03", "astrolib: slope 1.25 ± 0.03"]
        line = axes.get_lines()[-1]
        drawn = np.polyfit(np.log(line.get_xdata()), np.log(line.get_ydata()), 1)
        assert drawn[0] == pytest.approx(1.25)


def test_draw_makes_what_there_are_numbers_for(tmp_path, capsys):
    assert bench.draw(tmp_path) == [] and bench.main([str(tmp_path)]) == 1
    throughput().to_csv(tmp_path / "throughput.csv", index=False)
    assert [path.name for path in bench.draw(tmp_path)] == ["throughput.png"]
    points, slopes = curves()
    points.to_csv(tmp_path / "scaling.csv", index=False)
    slopes.to_csv(tmp_path / "slopes.csv", index=False)
    assert bench.main([str(tmp_path)]) == 0
    assert all((tmp_path / f"{name}.png").stat().st_size > 5000 for name in ("throughput", "scaling"))
    assert "throughput.png, scaling.png" in capsys.readouterr().out


def test_summary_has_a_line_for_each_way():
    lines = bench.summary(throughput().head(3)).splitlines()
    assert len(lines) == 3 and "300/s (240 to 330), 3.00 times plain loop" in lines[2]
