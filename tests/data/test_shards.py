import gc
import json
import os
import resource
import weakref

import numpy as np
import pytest

from astrolib.data.shards import ShardError, open_shards, write_shards

WORDS = '{"format": 1, "about": {}, %s}'
ONE = '{"dtype": "<f4", "shape": []}'
ABOUT = {"source": "simulated", "bands": ["u", "g"], "pixel_scale": 0.4}


def survey(n=10) -> dict[str, np.ndarray]:
    random = np.random.default_rng(n)
    return {
        "images": random.normal(size=(n, 2, 3, 3)).astype(np.float16),
        "redshift": random.uniform(size=n).astype(np.float32),
        "id": np.array([f"galaxy {i}" for i in range(n)], "U12"),
    }


def blocks(arrays, *lengths):
    cuts = np.cumsum([0, *lengths])
    return [
        {name: values[a:b] for name, values in arrays.items()}
        for a, b in zip(cuts[:-1], cuts[1:], strict=True)
    ]


@pytest.fixture
def folder(tmp_path):
    write_shards(tmp_path / "survey", blocks(survey(), 3, 0, 6, 1), rows_per_shard=4, about=ABOUT)
    return tmp_path / "survey"


@pytest.mark.parametrize("lengths", [(10,), (1,) * 10, (3, 0, 6, 1), (4, 4, 2), (9, 1)])
@pytest.mark.parametrize("rows_per_shard", [1, 4, 5, 10, 1000])
def test_blocks_of_any_length_come_back_as_they_were(tmp_path, lengths, rows_per_shard):
    arrays = survey()
    write_shards(tmp_path / "s", iter(blocks(arrays, *lengths)), rows_per_shard=rows_per_shard, about=ABOUT)
    shards = open_shards(tmp_path / "s")
    assert shards.n_objects == 10 and shards.about == ABOUT and shards.names == ("images", "redshift", "id")
    assert shards.bounds.tolist() == [*range(0, 10, rows_per_shard), 10]
    for name, values in arrays.items():
        parts = [shards.shard(i)[name] for i in range(len(shards))]
        assert all(isinstance(part, np.memmap) and part.mode == "r" for part in parts)
        np.testing.assert_array_equal(np.concatenate(parts), values)
        assert parts[0].dtype == values.dtype


@pytest.mark.parametrize("index", [[7, 0, 7, 3, 9, 4], [2, 3, 4, 5], [6, 5], [0], [], range(10)])
def test_rows_come_in_the_order_asked_for(folder, index):
    index, arrays = np.array(index, int), survey()
    rows = open_shards(folder).rows(index)
    assert rows.keys() == arrays.keys()
    for name, values in rows.items():
        np.testing.assert_array_equal(values, arrays[name][index])
        assert values.flags.writeable and values.dtype == arrays[name].dtype
    unsigned = open_shards(folder).rows(index.astype(np.uint64))
    np.testing.assert_array_equal(unsigned["redshift"], rows["redshift"])
    (only,) = open_shards(folder).rows(index, ["redshift"]).items()
    np.testing.assert_array_equal(only[1], arrays["redshift"][index])


@pytest.mark.parametrize("index", [[10], [0, -1]])
def test_a_row_that_is_not_there(folder, index):
    with pytest.raises(IndexError, match=f"were asked of the 10 of {folder}"):
        open_shards(folder).rows(np.array(index))
    with pytest.raises(TypeError, match="float64"):
        open_shards(folder).rows(np.array([0.5]))
    with pytest.raises(TypeError, match="bool, .* np.flatnonzero makes them of a mask"):
        open_shards(folder).rows(np.ones(10, bool))


def test_the_layout_on_disk(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["00000", "00001", "00002", "shards.json"]
    np.testing.assert_array_equal(np.load(folder / "00001" / "redshift.npy"), survey()["redshift"][4:8])
    words = json.loads((folder / "shards.json").read_text())
    assert words["rows"] == [4, 4, 2] and words["about"] == ABOUT
    assert words["arrays"]["images"] == {"dtype": "<f2", "shape": [2, 3, 3]}


def test_fits_arrays_are_stored_in_the_order_of_the_machine(tmp_path):
    values = np.arange(5, dtype=">f4")
    write_shards(tmp_path / "s", [{"x": values}], rows_per_shard=5, about={})
    rows = open_shards(tmp_path / "s").rows(np.arange(5))
    assert rows["x"].dtype.isnative
    np.testing.assert_array_equal(rows["x"], values)


def test_an_interruption_leaves_nothing_under_the_name_and_the_next_attempt_succeeds(tmp_path):
    def interrupted():
        yield from blocks(survey(), 5, 3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards(tmp_path / "s", interrupted(), rows_per_shard=2, about={})
    assert [path.name for path in tmp_path.glob("s*")] == ["s.part"]
    with pytest.raises(ShardError, match=r"no .*shards\.json\. Its writing was interrupted"):
        open_shards(tmp_path / "s")
    write_shards(tmp_path / "s", blocks(survey(), 10), rows_per_shard=2, about={})
    assert [path.name for path in tmp_path.glob("s*")] == ["s"] and len(open_shards(tmp_path / "s")) == 5
    with pytest.raises(ShardError, match="exists: delete it"):
        write_shards(tmp_path / "s", blocks(survey(), 10), rows_per_shard=2, about={})


def test_the_next_block_is_asked_for_when_the_last_is_on_disk(tmp_path):
    """Not all at once: a survey of any size is written from blocks that are made as they are needed."""
    on_disk = []

    def made():
        for block in blocks(survey(), *[2] * 5):
            on_disk.append(len(list((tmp_path / "s.part").glob("*"))))
            yield block

    write_shards(tmp_path / "s", made(), rows_per_shard=2, about={})
    assert on_disk == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "change, said",
    [
        ({"redshift": np.zeros(2)}, r"Block 1 .* redshift float64 \(\), .* the first .*float32"),
        ({"images": np.zeros((2, 2, 4, 4), np.float16)}, r"images float16 \(2, 4, 4\)"),
        ({"extra": np.zeros(2)}, r"does not fit to the first.*extra"),
        ({"redshift": np.zeros(3, np.float32)}, r"same number of rows, got .*'redshift': 3"),
        ({"id": np.array(["a", None], object)}, "id is masked or holds Python objects"),
        ({"redshift": np.ma.masked_equal(np.float32([0, 1]), 0)}, "redshift is masked"),
        ({"id": np.zeros(2, [("ra", "f4"), ("dec", "f4")])}, "id is .*'dec'.* an array for each field"),
    ],
)
def test_blocks_that_do_not_fit_together(tmp_path, change, said):
    first, second = blocks(survey(), 8, 2)
    with pytest.raises(ShardError, match=said):
        write_shards(tmp_path / "s", [first, second | change], rows_per_shard=4, about={})
    assert not (tmp_path / "s").exists()


def test_what_cannot_be_written_at_all(tmp_path):
    folder, one = tmp_path / "s", blocks(survey(), 10)
    with pytest.raises(ShardError, match="no row to write"):
        write_shards(folder, blocks(survey(), 0), rows_per_shard=4, about={})
    with pytest.raises(ShardError, match="no row to write"):
        write_shards(folder, [], rows_per_shard=4, about={})
    with pytest.raises(ShardError, match="needs at least one row"):
        write_shards(folder, one, rows_per_shard=0, about={})
    with pytest.raises(ShardError, match=r"'a/b' must be an array of rows whose name"):
        write_shards(folder, [{"a/b": np.zeros(3)}], rows_per_shard=4, about={})
    with pytest.raises(ShardError, match="Block 0 .* has no arrays"):
        write_shards(folder, [{}], rows_per_shard=4, about={})
    with pytest.raises(TypeError):
        write_shards(folder, one, rows_per_shard=4, about={"a": object()})
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(ShardError, match=r"file/s\.part cannot be written \(.*directory.*choose another"):
        write_shards(tmp_path / "file" / "s", blocks(survey(), 10), rows_per_shard=4, about={})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(ShardError, match=r"s\.part/00000 cannot be written \(.*No space left"):
        write_shards(tmp_path / "s", blocks(survey(), 10), rows_per_shard=4, about={})


def removed(path):
    path.unlink()


def cut_by(n):
    return lambda path: os.truncate(path, path.stat().st_size - n)


def exchanged(path):
    np.save(path, np.load(path).astype(np.float64))


def shorter(path):
    np.save(path, np.load(path)[:-1])


@pytest.mark.parametrize("damage", [removed, cut_by(1), cut_by(130), exchanged, shorter])
def test_a_damaged_file_is_named_when_the_survey_is_opened(folder, damage):
    path = folder / "00001" / "redshift.npy"
    damage(path)
    with pytest.raises(ShardError, match=str(path)):
        open_shards(folder)


@pytest.mark.parametrize("damage", [removed, cut_by(1)])
def test_a_file_that_goes_while_it_is_mapped_is_an_error_and_not_a_crash(folder, damage):
    shards, path = open_shards(folder), folder / "00001" / "redshift.npy"
    shards.rows(np.arange(10))
    damage(path)
    shards.rows(np.arange(4))
    with pytest.raises(ShardError, match=f"{path} has vanished or shrunk"):
        shards.rows(np.arange(5))


def test_a_survey_may_have_more_files_than_a_process_may_open(tmp_path):
    write_shards(tmp_path / "s", [{"x": np.arange(300)}], rows_per_shard=1, about={})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        rows = open_shards(tmp_path / "s").rows(np.arange(300)[::-1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    np.testing.assert_array_equal(rows["x"], np.arange(300)[::-1])


def test_a_survey_that_is_no_longer_used_holds_no_files(folder):
    shards = open_shards(folder)
    map_ = weakref.ref(shards.shard(0)["redshift"])
    gc.disable()
    try:
        del shards
        assert map_() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"format": 1}',
        WORDS % '"arrays": []',
        WORDS % '"arrays": {}, "rows": ["a"]',
        WORDS % '"arrays": {}, "rows": [4, 4, 2]',
        WORDS % f'"arrays": {{"redshift": {ONE}}}, "rows": []',
        WORDS % f'"arrays": {{"redshift": {ONE}}}, "rows": [4, 0, 2]',
        WORDS % f'"arrays": {{"../00000/redshift": {ONE}}}, "rows": [4]',
        f'{{"format": 1, "about": null, "arrays": {{"redshift": {ONE}}}, "rows": [4, 4, 2]}}',
    ],
)
def test_a_damaged_header(folder, text):
    (folder / "shards.json").write_text(text)
    with pytest.raises(ShardError, match=r"shards\.json is damaged"):
        open_shards(folder)


def test_a_header_of_another_format_and_a_folder_that_is_not_there(folder, tmp_path):
    header = json.loads((folder / "shards.json").read_text())
    (folder / "shards.json").write_text(json.dumps(header | {"format": 2}))
    with pytest.raises(ShardError, match="is in format 2, but 1 is read here"):
        open_shards(folder)
    with pytest.raises(ShardError, match="nowhere holds no survey in shards"):
        open_shards(tmp_path / "nowhere")


def test_the_fingerprint_follows_from_the_content_alone(folder, tmp_path):
    def fingerprint(arrays, about=ABOUT, rows=4):
        place = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        write_shards(place, [arrays], rows_per_shard=rows, about=about)
        return open_shards(place).fingerprint()

    arrays = survey()
    changed = arrays | {"redshift": arrays["redshift"] + np.float32(1e-3)}
    same = [open_shards(folder).fingerprint(), fingerprint(arrays)]
    others = [fingerprint(changed), fingerprint(arrays, {}), fingerprint(arrays, rows=5)]
    assert len(set(same)) == 1 and len({*same, *others}) == 4
