"""Batches of a survey that lives on the device: a batch is an index selection there, without workers."""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Generator, Tensor

Batch = dict[str, Tensor]


def _as_tensor(values: Tensor | np.ndarray) -> Tensor:
    """Without a copy: a memory map is read when its rows are, or when `Batches.to` moves it."""
    if isinstance(values, Tensor):
        return values
    values = values.astype(values.dtype.newbyteorder("="), copy=False)  # FITS arrays are big-endian
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # it is only read
        return torch.from_numpy(np.asarray(values))


def widened(rows: Batch) -> Batch:
    """The same arrays; those of float16, which only saves memory, as float32."""
    return {
        name: values.float() if values.dtype == torch.float16 else values for name, values in rows.items()
    }


class Batches:
    """Rows of dense arrays, a batch at a time.

    Parameters
    ----------
    tensors : mapping of str to Tensor or array, each of shape (N, ...)
        For example ``{"images": survey.images, "redshift": survey.redshift}``. Memory maps are fine.
        Arrays of float16 (to save memory on the device) come out as float32.
    batch_size : int
        Rows of a batch, over all ranks together.
    transform : callable, optional
        ``transform(batch, generator) -> batch``, called on each batch: augmentation, scaling, cropping.
    shuffle : bool
        A new order in each epoch.
    drop_last : bool
        Leave out a last batch that is not full.
    rank, world_size : int
        This process among how many: all draw the same order and each takes its share of every batch.
        A last batch with fewer rows than ranks is joined to the one before.

    Raises
    ------
    ValueError
        If the arrays differ in length, or there are too few rows for one batch on each rank.

    Examples
    --------
    >>> batches = Batches({"redshift": np.linspace(0, 0.4, 5, dtype="float32")}, batch_size=2)
    >>> [batch["index"].tolist() for batch in batches.epoch()]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor | np.ndarray],
        batch_size: int,
        *,
        transform: Callable[[Batch, Generator], Batch] | None = None,
        shuffle: bool = False,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ):
        self.tensors = {name: _as_tensor(values) for name, values in tensors.items()}
        self.batch_size, self.transform, self.shuffle, self.drop_last = (
            batch_size,
            transform,
            shuffle,
            drop_last,
        )
        self.rank, self.world_size = rank, world_size
        lengths = {name: len(values) for name, values in self.tensors.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"Batches needs arrays with the same number of rows, got {lengths}.")
        self.n_objects = next(iter(lengths.values()))
        self._check_sizes()

    def _check_sizes(self) -> None:
        fewest = max(self.world_size, self.batch_size if self.drop_last else 1)
        if self.n_objects < fewest or self.batch_size < self.world_size:
            raise ValueError(
                f"{self.n_objects} rows in batches of {self.batch_size} do not make one batch for each of "
                f"{self.world_size} process(es): give more rows or change the batch size."
            )

    @property
    def device(self) -> torch.device:
        return next(iter(self.tensors.values())).device

    def _bounds(self) -> list[int]:
        """Where the batches of an epoch begin, and where the last one ends."""
        bounds = list(range(0, self.n_objects, self.batch_size)) + [self.n_objects]
        remainder = self.n_objects % self.batch_size
        if remainder and self.drop_last:
            del bounds[-1]
        elif 0 < remainder < self.world_size:
            del bounds[-2]
        return bounds

    def __len__(self) -> int:
        """Steps of an epoch."""
        return len(self._bounds()) - 1

    def to(self, device: torch.device | str) -> "Batches":
        """The same batches with their arrays on `device`; on the CPU memory maps stay where they are."""
        moved = copy.copy(self)
        moved.tensors = {name: values.to(device) for name, values in self.tensors.items()}
        return moved

    def share(self, rank: int, world_size: int) -> "Batches":
        """The same batches as seen by one of several processes."""
        shared = copy.copy(self)
        shared.rank, shared.world_size = rank, world_size
        shared._check_sizes()
        return shared

    def rows(self, index: Tensor) -> Batch:
        """The arrays' rows `index` (B,), a tensor on the device, in that order and as they are stored."""
        return {name: values.index_select(0, index) for name, values in self.tensors.items()}

    def epoch(self, generator: Generator | None = None) -> Iterator[Batch]:
        """One pass. The order and what `transform` draws come from `generator`, on the device of the arrays.

        Yields
        ------
        dict of str to Tensor
            The arrays' rows of this batch, and "index" (B,): their row numbers.
        """
        order = self._order(generator)
        for share in self._shares(generator):
            index = order[share]
            yield self._batch(self.rows(index), index, generator)

    def _order(self, generator: Generator | None) -> Tensor:
        """Row numbers (N,) in the order of an epoch, the same on every rank."""
        if self.shuffle:
            return torch.randperm(self.n_objects, generator=generator, device=self.device)
        return torch.arange(self.n_objects, device=self.device)

    def _shares(self, generator: Generator | None) -> list[slice]:
        """Where in the order the rows of this rank are, batch by batch; called when the order is drawn."""
        if generator is not None and self.world_size > 1:  # the same order, but not the same augmentations
            seed = np.random.SeedSequence([generator.initial_seed(), self.rank]).generate_state(1, np.uint64)
            generator.manual_seed(int(seed[0]) >> 1)
        bounds = self._bounds()
        return [
            slice(start + self.rank, stop, self.world_size)
            for start, stop in zip(bounds[:-1], bounds[1:], strict=True)
        ]

    def _batch(self, rows: Batch, index: Tensor, generator: Generator | None) -> Batch:
        batch = widened(rows) | {"index": index}
        return batch if self.transform is None else self.transform(batch, generator)
