"""Which files a source of codes is made of, and which settings of the config are refused."""

import pytest

from rehash import outside
from rehash.comparison import plan
from rehash.config import over_defaults, validated
from rehash.errors import InputError

SOURCES = {
    "deep": {"kind": "cohort", "depth": 2, "layer": 1, "state": "untrained"},
    "wide": {"kind": "cohort", "real": True, "width": 32},
    "wide_itq": {"kind": "itq", "of": "wide", "repeats": 2, "bits": [8]},
    "hashed": {"kind": "equihash", "task": "{dataset}_images", "model": "shannon_hamming"},
    "hashed_untrained": {"kind": "equihash", "task": "{dataset}_images", "model": "shannon_hamming", "state": "untrained"},
    "turned": {"kind": "tgsh", "task": 2},
    "block": {"kind": "layer", "model": "resnet8", "node": "relu", "bits": [8]},
}  # fmt: skip
NAMES = [*SOURCES, "pixels", "simhash"]


def config(**changes) -> dict:
    wing = {"sources": SOURCES, "retrieval": {"mnist5k": {"sources": NAMES, "bits": [64, 16]}}}
    for key, value in changes.items():
        wing[key] = {**wing.get(key, {}), **value}
    return validated(over_defaults({"comparison": wing}))


def test_a_cohort_is_as_wide_as_its_codes_are_long():
    found = plan.encoders_of(config(), "mnist5k", "deep")
    assert [(one["bits"], one["repeat"]) for one in found] == [(16, 0), (16, 1), (16, 2), (64, 0), (64, 1), (64, 2)]
    folder = "results/hash_encoders/mnist5k/networks/capacity/scripts/depth=2"
    assert found[0]["files"] == {"networks": f"{folder}/layer_width=16/networks_3.safetensors"}
    assert plan.encoder_of(config(), "deep", "mnist5k", 64, 2)["settings"] == {
        "state": "untrained", "layer": 1
    }  # fmt: skip


def test_real_numbers_have_no_bits():
    (*_, last) = found = plan.encoders_of(config(), "mnist5k", "wide")
    assert {one["bits"] for one in found} == {0} and "layer_width=32/" in last["files"]["networks"]
    assert plan.encoders_of(config(), "mnist5k", "pixels") == [{"bits": 0, "repeat": 0, "files": {}}]


def test_a_baseline_is_fitted_on_the_features_that_it_names():
    found = plan.encoders_of(config(), "mnist5k", "wide_itq")
    inner = plan.encoders_of(config(), "mnist5k", "wide")[0]["files"]["networks"]
    fitted = "results/comparison/mnist5k/wide_itq/fitted.safetensors"
    assert [one["files"] for one in found] == 2 * [{"fitted": fitted, "networks": inner}]
    assert plan.fit_inputs(config(), "mnist5k", "wide_itq")["files"] == [inner]
    assert plan.fit_inputs(config(), "mnist5k", "simhash")["files"] == []
    assert plan.fit_params(config(), "mnist5k", "wide_itq")["bits"] == [8]


def test_a_hash_network_of_other_bits_is_a_variant_of_its_model():
    def variants(source: str) -> list[str]:
        return [one["files"]["weights"].split("/")[5] for one in plan.encoders_of(config(), "mnist5k", source)]

    assert variants("hashed") == ["bits=16", "default"]
    assert variants("hashed_untrained")[1] == "untrained"
    assert variants("hashed_untrained")[0].startswith("bits=16+learning_rate=0+steps=")


def test_every_file_of_a_source_is_an_input_once():
    inputs = plan.source_inputs(config(), "mnist5k", "deep")
    assert inputs["dataset"] == "results/datasets/mnist5k.h5" and len(inputs["files"]) == 2


def test_tasks_and_networks_are_those_of_the_dataset():
    assert plan.encoder_of(config(), "turned", "mnist5k", 16, 0)["settings"]["task"] == 2
    (one,) = plan.encoders_of(config(), "mnist5k", "block")
    assert one["files"]["network"].endswith("models/resnet8/repeat=0/network.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"retrieval": {"mnist5k": {"sources": ["simhsh"]}}}, "unknown source 'simhsh'.*simhash"),
        ({"retrieval": {"mnist5k": {"sources": ["pixels"]}}}, "all are of real numbers"),
        ({"retrieval": {"mnist5k": {"sources": ["itq"], "protocol": "splt"}}}, "unknown protocol 'splt'.*split"),
        ({"retrieval": {"mnist6k": {"sources": ["itq"]}}}, "unknown dataset 'mnist6k'"),
        ({"published": {"mnist5k": {"dataset": "mnist", "methods": {"dsh": "DSH"}}}}, "unknown source 'dsh'"),
        ({"sources": {"a": {"kind": "itq", "layer": 2}}}, r"sources\.a\.layer: means nothing to .* kind itq"),
        ({"sources": {"a": {"kind": "equihash", "model": "x"}}}, r"sources\.a: .* kind equihash needs task"),
        ({"sources": {"a": {"kind": "cohort", "state": "unmodulated"}}}, r"sources\.a\.state is unmodulated"),
        ({"sources": {"a": {"kind": "cohort", "real": True, "bits": [3]}}}, r"sources\.a\.bits: .* real numbers"),
        ({"sources": {"a": {"kind": "itq", "of": "simhash"}}}, r"sources\.a\.of: simhash is no source of real"),
        ({"sources": {"a": {"kind": "itq", "of": "wid"}}}, "unknown source 'wid'.*wide"),
        ({"sources": {"turned": {"kind": "tgsh", "task": 12}}}, "task 12 of the benchmark rotation; expected 0 to 8"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        config(**changes)


def test_a_network_that_nothing_trains_is_refused_when_planning():
    sources = {"block": {"kind": "layer", "model": "bare", "node": "relu", "bits": [8]}}
    blocks = {"models": {"bare": {"source": "rehash", "name": "resnet8"}}}
    wing = {"sources": sources, "retrieval": {"mnist5k": {"sources": ["block", "itq"]}}}
    with pytest.raises(InputError, match=r"sources\.block: there is no trained network of bare on mnist5k"):
        validated(over_defaults({"comparison": wing, "hash_encoders": blocks}))


def test_a_task_of_other_images_is_refused():
    sources = {"hashed": {"kind": "equihash", "task": "digits", "model": "shannon_hamming"}}
    blocks = {"fashion_mnist": {"sources": ["hashed"]}}
    with pytest.raises(InputError, match="its images are of mnist5k; expected those of fashion_mnist"):
        plan.encoders_of(config(sources=sources, retrieval=blocks), "fashion_mnist", "hashed")


def test_codes_of_ones_own_have_files_and_no_encoder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # in which checksums are remembered
    for name in ("a.npz", "b.npz"):
        (tmp_path / name).write_bytes(name.encode())
    sources = {"theirs": {"kind": "file", "path": [str(tmp_path / name) for name in ("a.npz", "b.npz")]}}
    found = config(sources=sources, retrieval={"mnist5k": {"sources": ["theirs", "itq"]}})
    assert plan.encoders_of(found, "mnist5k", "theirs") == []
    assert plan.outside_files(found, "theirs") == {"path0": str(tmp_path / "a.npz"), "path1": str(tmp_path / "b.npz")}
    before = plan.outside_digests(found, "mnist5k", "theirs")
    (tmp_path / "b.npz").write_bytes(b"another content")
    outside._content_digest.cache_clear()  # as in the next run
    after = plan.outside_digests(found, "mnist5k", "theirs")
    assert before["path0"] == after["path0"] and before["path1"] != after["path1"]
    assert len({plan.source_digest(found, source) for source in ("theirs", "itq", "wide")}) == 3
    with pytest.raises(InputError, match=r"sources\.theirs: codes of a file have no encoder"):
        plan.encoder_of(found, "theirs", "mnist5k", 16, 0)


def test_a_repeat_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"sources\.deep: repeat 3 on mnist5k; it has 3, numbered from 0"):
        plan.encoder_of(config(), "deep", "mnist5k", 16, 3)
