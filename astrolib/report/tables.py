"""Tables on disk, ours beside the paper's."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

PUBLISHED = Path(__file__).parent / "published"
PAPER_ONLY = "published value only, not run here"
"""Source of a row that a paper has and we do not."""


def published(name: str) -> pd.DataFrame:
    """Numbers that a paper printed.

    Parameters
    ----------
    name : str
        Of AstroMAE (arXiv:2409.01825): "astromae_table1" to "astromae_table5"; "astromae_checkpoint" holds
        the scores of the authors' released weights (github.com/UVA-MLSys/AI-for-Astronomy). Networks are
        named as in the paper; `init` is "from scratch" or "fine-tuned".
        Of AstroM3 (doi 10.3847/1538-3881/adcbad): "astrom3_table_aj", "astrom3_table_v1"
        (arXiv:2411.08842v1), "astrom3_table_rerun", "astrom3_class_counts", "astrom3_hparams",
        "astrom3_embedding_classifiers", "astrom3_modality_importance", "astrom3_confusions"; percentages run
        from 0 to 100, `clip` is 0 or 1.
        Of Barlow Twins (arXiv:2103.03230): "barlow_table1" to "barlow_table7", percentages; the variants of
        Table 5 are named as in `astrolib.models.barlow_twins.LOSSES`. "barlow_hparams" holds its settings and
        "barlow_figures" the points of its Figures 2 to 5 that are known as numbers, most of them BYOL's
        (arXiv:2006.07733); an empty `top1` with `top1_low` and `top1_high` is no more than a range.
        Of the masked autoencoders: "mae_ablation" (arXiv:2111.06377), "rmae_kitti", "rmae_waymo" and
        "rmae_nuscenes" (from the read-me of the code of arXiv:2406.07833), "stmae_table1" and
        "stmae_ablation" (arXiv:2309.15169 and its released results). Of A2-MAE no number is public.

    Raises
    ------
    ValueError
        If there is no such table; the message lists those there are.

    Examples
    --------
    >>> float(published("astromae_table5")["r2"].max())
    0.97239
    """
    path = PUBLISHED / f"{name}.csv"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in PUBLISHED.glob("*.csv")))
        raise ValueError(f"No published table {name!r}: choose one of {known}.")
    return pd.read_csv(path)


def with_paper(ours: pd.DataFrame, published: pd.DataFrame, *, on: str | Sequence[str]) -> pd.DataFrame:
    """Put published numbers into columns `paper_...` beside ours.

    Parameters
    ----------
    ours : DataFrame
        Our rows; `<metric>_std` beside a `<metric>` is its spread over seeds.
    published : DataFrame
        Published rows, each key once.
    on : str or sequence of str
        Columns that tell which rows belong together.

    Returns
    -------
    DataFrame
        All rows of both: ours in their order, then those only the paper has, with `n_seeds` 0 and a `source`
        that says so. Columns: keys, every metric with its `_std` and `paper_` columns, the others.

    Raises
    ------
    ValueError
        If a key is missing or is not unique among the published rows.
    """
    on = [on] if isinstance(on, str) else list(on)
    missing = [f"{key} ({side})" for side, table in (("ours", ours), ("published", published))
               for key in on if key not in table]  # fmt: skip
    if missing:
        raise ValueError(f"Cannot join with the published table: no column {', '.join(missing)}.")
    if published.duplicated(on).any():
        twice = published.loc[published.duplicated(on), on].to_dict("records")
        raise ValueError(f"The published table has rows with the same {on}: {twice}.")
    paper = published.rename(columns={c: f"paper_{c}" for c in published if c not in on})
    joined = ours.merge(paper, on=on, how="left")
    known = pd.MultiIndex.from_frame(ours[on])
    rest = paper[~pd.MultiIndex.from_frame(paper[on]).isin(known)]
    labels = {"n_seeds": 0, "source": PAPER_ONLY}
    rest = rest.assign(**{column: value for column, value in labels.items() if column in ours})
    joined = pd.concat([joined, rest], ignore_index=True) if len(rest) else joined
    return joined[_grouped(list(joined.columns), on)]


def hyperparameters(settings: Mapping[str, object], name: str, *, source: str, n_seeds: int) -> pd.DataFrame:
    """A two-column table of the paper (AstroMAE I or II) with our values beside the paper's.

    Parameters
    ----------
    settings : mapping of str to value
        Ours, by the names of the published table's column `hyperparameter`; others make rows of their own.
    name : str
        See `published`.
    source, n_seeds
        Of the run that the settings belong to.
    """
    ours = pd.DataFrame({"hyperparameter": list(settings), "value": [str(v) for v in settings.values()]})
    return with_paper(ours.assign(n_seeds=n_seeds, source=source), published(name), on="hyperparameter")


def save_table(table: pd.DataFrame, folder: Path, name: str, *, reading: pd.DataFrame | None = None) -> Path:
    """Save a table as ``name.csv``, all digits, and ``name.md``, for reading.

    In the Markdown table `<metric>`, `<metric>_std` and `paper_<metric>` make one cell, "ours ± std (paper)".

    Parameters
    ----------
    table : DataFrame
        Every row has `source`, in words, and `n_seeds`.
    folder : Path
        Made if need be. Files are written aside and then moved there.
    name : str
        Without an ending.
    reading : DataFrame, optional
        Goes into the Markdown file instead, where the table itself has too many columns to be read.

    Returns
    -------
    Path
        Of the csv file.

    Raises
    ------
    ValueError
        If a row has no source or no number of seeds.
    """
    _check_rows(table, name)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"csv": table.to_csv(index=False), "md": markdown(table if reading is None else reading)}
    for ending, text in texts.items():
        aside = folder / f".{name}.{ending}.{os.getpid()}.part"
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, folder / f"{name}.{ending}")
    return folder / f"{name}.csv"


def markdown(table: pd.DataFrame) -> str:
    """The table as Markdown, a metric's value, spread and published value in one cell."""
    columns = list(table.columns)
    companions = {c for c in columns if _metric_of(c, columns)}
    lines = {}
    for column in columns:
        if column in companions:
            continue
        std, paper = f"{column}_std" in columns, f"paper_{column}" in columns
        header = column + (" ± std" if std else "") + (" (paper)" if paper else "")
        lines[header] = _cells(table, column)
    rows = [list(lines), ["---"] * len(lines), *zip(*lines.values(), strict=True)]
    return "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |\n" for row in rows)


def _cells(table: pd.DataFrame, column: str) -> list[str]:
    n = len(table)
    empty = pd.Series([np.nan] * n, index=table.index)
    values, stds = table[column], table.get(f"{column}_std", empty)
    papers = table.get(f"paper_{column}", empty)
    printed = _as_printed(papers)
    cells = []
    for value, std, paper in zip(values, stds, printed, strict=True):
        cell = _number(value, std)
        cells.append(f"{cell} ({paper})" if cell and paper else f"({paper})" if paper else cell)
    return cells


def _number(value: object, std: float) -> str:
    if pd.isna(value):
        return ""
    if isinstance(value, float | np.floating):
        if not pd.isna(std) and std > 0:
            decimals = max(0, 1 - int(np.floor(np.log10(std))))  # two digits of the spread
            return f"{value:.{decimals}f} ± {std:.{decimals}f}"
        return str(int(value)) if value == int(value) else f"{value:.4g}"
    return str(value)


def _as_printed(papers: pd.Series) -> list[str]:
    """A paper's numbers with the decimals it printed: trailing zeros are lost on the way through floats."""
    if not pd.api.types.is_numeric_dtype(papers):
        return ["" if pd.isna(paper) else str(paper) for paper in papers]
    decimals = max((len(f"{p:.10f}".rstrip("0").split(".")[1]) for p in papers.dropna()), default=0)
    return ["" if pd.isna(paper) else f"{paper:.{decimals}f}" for paper in papers]


def _metric_of(column: str, columns: Sequence[str]) -> str | None:
    """The metric that a `_std` or `paper_` column belongs to, None for other columns."""
    metric = column.removesuffix("_std").removeprefix("paper_")
    return metric if metric != column and metric in columns else None


def _grouped(columns: list[str], keys: list[str]) -> list[str]:
    """Keys, each metric followed by its companions, `n_seeds` and `source` last."""
    last = [c for c in ("n_seeds", "source") if c in columns]
    rest = [c for c in columns if c not in keys and c not in last]
    order = list(keys)
    for column in rest:
        if _metric_of(column, columns) is None:
            companions = (f"{column}_std", f"paper_{column}", f"paper_{column}_std")
            order += [c for c in (column, *companions) if c in rest]
    return list(dict.fromkeys(order + last))  # `paper_std` belongs to a metric that is itself named `std`


def _check_rows(table: pd.DataFrame, name: str) -> None:
    for column in ("source", "n_seeds"):
        if column not in table:
            raise ValueError(
                f"Table {name} has no column {column!r}: every row must say where it comes from."
            )
    sources = table["source"].fillna("").astype(str).str.strip()
    bad = table.index[(sources == "") | table["n_seeds"].isna()]
    if len(bad):
        raise ValueError(
            f"Row {bad[0]} of table {name} ({len(bad)} in all) has no source or no n_seeds: fill in where "
            "its data come from, in words, and over how many seeds it is a mean."
        )
