"""What the embeddings of AstroM3 tell without labels: maps, similar stars, outliers, hidden subclasses.

All of it looks at the CLIP model of an experiment's first seed, pretrained and not fine-tuned, and keeps
numbers for `astrolib.report.astrom3` (AstroM3 card, section 10).
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from astrolib.data.folding import folded
from astrolib.evaluate import embeddings, retrieval, subclasses
from astrolib.papers.astrom3 import ALL, Experiment
from astrolib.papers.astrom3_results import embed
from astrolib.report import results

FEWEST = 10  # stars that can be split in two


class Discovery:
    """The embeddings of one experiment, and what is found in them.

    Parameters
    ----------
    experiment : Experiment
        Its first seed's CLIP model is pretrained if need be.
    """

    def __init__(self, experiment: Experiment):
        self.experiment = experiment
        self.survey = experiment.stars.survey
        self.settings = experiment.settings.discovery
        self.parts = experiment.stars.parts(experiment.first_seed)
        self.spaces = (*experiment.names, ALL)

    @cached_property
    def embeddings(self) -> dict[str, np.ndarray]:
        """Unit vectors (N, D) of each modality and their mean "all"; NaN where a star lacks the modality."""
        return embed(self.experiment, self.experiment.first_seed)

    def keep_embeddings(self) -> None:
        """Keep them, in half precision, as "embeddings"."""
        self._keep_arrays("embeddings", **{name: x.astype(np.float16) for name, x in self.embeddings.items()})

    @cached_property
    def shown(self) -> np.ndarray:
        """Stars on the maps: random ones of each part, all if there are few."""
        n, most = len(self.survey), self.settings.n_mapped or len(self.survey)
        rng = np.random.default_rng(self.experiment.first_seed)
        return np.sort(rng.permutation(n)[:most])

    def keep_maps(self) -> None:
        """Two-dimensional UMAPs of every space, fitted to training stars, as "maps"."""
        train = np.flatnonzero(np.isin(self.shown, self.parts["train"]))
        maps = {}
        for name, x in self.embeddings.items():
            maps[name] = np.full((len(self.survey), 2), np.nan, np.float32)
            maps[name][self.shown] = embeddings.map_2d(
                x[self.shown],
                n_neighbors=self.settings.neighbors,
                min_dist=self.settings.min_dist,
                fit_rows=train,
            )
        self._keep_arrays("maps", **maps)

    # ---------------------------------------------------------------- stars to look at

    def keep_examples(self, per_class: int = 2) -> None:
        """Light curves, spectra and images of test stars of every class, as "examples"."""
        test, label = self.parts["test"], self.survey.label
        chosen = [test[label[test] == number][:per_class] for number in range(len(self.survey.class_names))]
        self._keep_arrays("examples", **self._material(np.concatenate(chosen)))

    def keep_queries(self, classes: Sequence[str], k: int = 5, n_candidates: int = 8) -> None:
        """The stars most similar to a test star of each class, within and across modalities, as "queries".

        Classes without a test star are left out; if none is left, the three most frequent ones are taken.
        What a picture needs is kept of queries and hits, and of the `n_candidates` oddest stars.
        """
        whole = np.all([m.present for m in self.survey.modalities.values()], axis=0)
        test, label = self.parts["test"][whole[self.parts["test"]]], self.survey.label
        counts = np.bincount(label[test], minlength=len(self.survey.class_names))
        numbers = [i for i, name in enumerate(self.survey.class_names) if name in classes and counts[i]]
        numbers = numbers or [i for i in np.argsort(-counts, kind="stable")[:3] if counts[i]]
        query = np.array([self._typical(test[label[test] == number]) for number in numbers])
        hits, similar = {}, {}
        for a in self.experiment.names:
            for b in self.experiment.names:
                own = query if a == b else None
                found = embeddings.nearest(self.embeddings[a][query], self.embeddings[b], k, exclude=own)
                hits[f"hits {a}>{b}"], similar[f"similarity {a}>{b}"] = found
        odd = self.outliers["n_flagged"].sort_values(ascending=False, kind="stable").index[:n_candidates]
        drawn = np.unique(np.concatenate([query, odd, *(rows.ravel() for rows in hits.values())]))
        names = np.array(self.survey.class_names)[label[drawn]]
        material = self._material(drawn) | {"row": drawn, "class_name": names}
        self._keep_arrays("queries", query_row=query, **hits, **similar, **material)

    def _typical(self, rows: np.ndarray) -> int:
        """The star closest to its class centre in the fused space."""
        x = self.embeddings[ALL]
        centres = embeddings.class_centres(x, self.survey.label, len(self.survey.class_names))
        distance = embeddings.outlier_scores(x[rows], self.survey.label[rows], centres)
        return int(rows[np.nanargmin(distance)])

    def _material(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """All that a picture of these stars needs."""
        survey = self.survey
        found = {"label": survey.label[rows], "id": survey.ids[rows]}
        if "period" in survey.catalogue.colnames:
            found["period"] = np.asarray(survey.catalogue["period"], np.float64)[rows]
        curves = [name for name, m in survey.modalities.items() if m.kind == "light curve"]
        for number, name in enumerate(curves):
            phase, flux, error = folded(survey, name, rows)
            suffix = f" {name}" if number else ""
            found |= {f"phase{suffix}": phase, f"flux{suffix}": flux, f"flux_error{suffix}": error}
        found["bands"] = np.array(curves)
        for name, modality in survey.modalities.items():
            if modality.kind == "spectrum":
                found |= {"wavelength": modality.axis, "spectrum": modality.values[rows, 0]}
            if modality.kind == "image":
                found[name] = modality.values[rows, 0]
        return found

    # ---------------------------------------------------------------- search

    def keep_retrieval(self) -> pd.DataFrame:
        """How well a view of a star finds stars of its class, and its own other views, among test stars."""
        test = self.parts["test"]
        label, rows = self.survey.label[test], []
        for a in self.experiment.names:
            for b in self.experiment.names:
                x, y = self.embeddings[a][test], self.embeddings[b][test]
                both = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
                found = retrieval.scores(x[both], y[both], label[both], same=a == b)
                rows.append(found.assign(query=a, target=b, n_queries=both.sum(), n_candidates=both.sum()))
        table = pd.concat(rows, ignore_index=True)
        self._keep("retrieval", table)
        return table

    # ---------------------------------------------------------------- outliers

    def keep_outliers(self) -> None:
        """Keep them as "outliers" and, where the truth is known, how well they were found as "planted"."""
        self._keep("outliers", self.outliers)
        if (self.outliers["truth"] != "").any():
            self._keep("planted", _planted(self.outliers, self.experiment.names))

    @cached_property
    def outliers(self) -> pd.DataFrame:
        """How far each star is from the centre of its own class, in every space, and who stands out.

        Centres are those of the training split. A row for each star: id, class, split; `distance`, `nearest`
        and `flagged` in each space; n_flagged, kind, suggested; truth ("" where it is not known).
        """
        survey, n_classes = self.survey, len(self.survey.class_names)
        names, train = np.array(survey.class_names), self.parts["train"]
        table = pd.DataFrame({"id": survey.ids, "class": names[survey.label]})
        for part, rows in self.parts.items():
            table.loc[rows, "split"] = part
        closest = []
        for name in self.spaces:
            x = self.embeddings[name]
            centres = embeddings.class_centres(x[train], survey.label[train], n_classes)
            distance = embeddings.outlier_scores(x, survey.label, centres)
            closest.append(embeddings.nearest_centre(x, centres)[0])
            table[f"distance {name}"] = distance
            table[f"nearest {name}"] = np.where(closest[-1] >= 0, names[closest[-1]], "")
            table[f"flagged {name}"] = embeddings.flag_outliers(
                distance, survey.label, share=self.settings.outlier_share
            )
        flags = table[[f"flagged {name}" for name in self.experiment.names]]
        table["n_flagged"] = flags.sum(axis=1)
        kind, suggested = embeddings.outlier_kinds(
            survey.label, np.stack(closest[:-1], axis=1), flags.to_numpy()
        )
        table["kind"], table["suggested"] = kind, np.where(suggested >= 0, names[suggested], "")
        known = survey.truth is not None and "planted" in survey.truth.colnames
        table["truth"] = np.asarray(survey.truth["planted"]).astype(str) if known else ""
        return table

    # ---------------------------------------------------------------- subclasses

    def keep_subclasses(self, groups: Sequence[str]) -> pd.DataFrame:
        """Split some groups of stars in two without labels and compare with what is known.

        Parameters
        ----------
        groups : sequence of str
            Classes of the survey, or subtypes of its catalogue; it says so if it does not have one.

        Returns
        -------
        DataFrame
            Adjusted Rand index of each group in each space, and of the metadata alone; kept as
            "subclass_scores", the stars as "subclasses".
        """
        tables, scores = [], []
        for group in groups:
            rows, truth, told_by = self._members(group)
            if len(rows) < FEWEST:
                print(f"{self.survey.source}: {len(rows)} stars of {group} are too few to split: left out.")
                continue
            metadata = self.survey.modalities["metadata"]
            raw = np.where(metadata.present[rows, None], metadata.values[rows], np.nan)
            spaces = {name: self.embeddings[name][rows] for name in self.spaces}
            scatter = np.maximum(np.nanstd(raw, axis=0), 1e-6)
            spaces["metadata baseline"] = (raw - np.nanmean(raw, axis=0)) / scatter
            known = truth != ""
            for space, x in spaces.items():
                have = np.isfinite(x).all(axis=1)
                if have.sum() < FEWEST:
                    print(f"{self.survey.source}: {have.sum()} stars of {group} have {space}: too few.")
                    continue
                clusters = np.full(len(rows), -1)
                clusters[have] = subclasses.two_groups(x[have])
                if space == ALL:
                    tables.append(self._group_table(group, rows, clusters, truth))
                told = known & have
                if len(set(truth[told])) > 1:
                    found = subclasses.adjusted_rand(truth[told], clusters[told])
                    about = {"n_stars": int(have.sum()), "n_known": int(told.sum()), "truth_source": told_by}
                    scores.append({"group": group, "space": space, **found, **about})
        if tables:
            self._keep("subclasses", pd.concat(tables, ignore_index=True))
            self._keep("subclass_scores", pd.DataFrame(scores))
        return pd.DataFrame(scores)

    def _members(self, group: str) -> tuple[np.ndarray, np.ndarray, str]:
        """Stars of a group, what is known of their subtype ("" if nothing), and who says so."""
        survey, columns = self.survey, self.survey.catalogue.colnames
        subtype = np.asarray(survey.catalogue["subtype"]).astype(str) if "subtype" in columns else None
        if group in survey.class_names:
            rows = np.flatnonzero(survey.label == survey.class_names.index(group))
            if survey.truth is not None:
                return rows, np.asarray(survey.truth["subtype"]).astype(str)[rows], "simulation"
            known = subtype[rows] if subtype is not None else np.full(len(rows), "")
            return rows, known, "catalogue label"
        rows = np.flatnonzero(subtype == group) if subtype is not None else np.array([], int)
        chemistry = np.asarray(survey.catalogue["chemistry"]).astype(str) if "chemistry" in columns else None
        truth = chemistry[rows] if chemistry is not None else np.full(len(rows), "")
        return rows, truth, "CN index of the decoded spectra"

    def _group_table(
        self, group: str, rows: np.ndarray, clusters: np.ndarray, truth: np.ndarray
    ) -> pd.DataFrame:
        """The stars of a group on a map of their own, with their metadata."""
        x = self.embeddings[ALL][rows]
        position = embeddings.map_2d(x, n_neighbors=min(15, len(rows) - 1), min_dist=0.1)
        table = pd.DataFrame({"group": group, "id": self.survey.ids[rows], "cluster": clusters})
        metadata = self.survey.modalities["metadata"]
        table = table.assign(truth=truth, x=position[:, 0], y=position[:, 1])
        return table.assign(**dict(zip(metadata.names, metadata.values[rows].T, strict=True)))

    # ---------------------------------------------------------------- shared

    def _keep(self, name: str, table: pd.DataFrame) -> None:
        self.experiment.keep(name, table)

    def _keep_arrays(self, name: str, **arrays: np.ndarray) -> None:
        experiment = self.experiment
        source = {"source": self.survey.source}
        results.keep_arrays(experiment.profile, f"{experiment.prefix}_{name}", **arrays, **source)


def _planted(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """How well several rules find the stars that were planted."""
    flagged = {"flagged in the fused embedding": table[f"flagged {ALL}"]}
    flagged |= {
        f"flagged in {k} or more modalities": table["n_flagged"] >= k for k in range(1, len(names) + 1)
    }
    rows = []
    for rule, chosen in flagged.items():
        for kind in ("mislabelled", "outlier", "either"):
            planted = table["truth"] != "normal" if kind == "either" else table["truth"] == kind
            rows.append({"rule": rule, "kind": kind, **retrieval.detection(chosen, planted)})
    return pd.DataFrame(rows)
