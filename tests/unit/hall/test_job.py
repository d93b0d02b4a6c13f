"""What stands around every script: a log, provenance, and the end of a saved state."""

import json
import logging
import types
from pathlib import Path

import pytest
import torch
from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params, ResourceList, Wildcards

from rehash import job
from rehash.errors import InputError
from rehash.graph import saving, untracked


@pytest.fixture(autouse=True)
def own_logging():
    """A script sets up the logging of its whole process; here it is put back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def rule(tmp_path):
    """What Snakemake hands to the script of a rule with the given resources, where a state has been saved."""

    def make(device=None, **resources):
        names = {"networks": "n.safetensors", "history": "h.csv", "provenance": "n.json"}
        for name in (".n.safetensors.0123.state", ".n.safetensors.4567.state", ".h.csv.0123.state"):
            (tmp_path / name).touch()
        return types.SimpleNamespace(
            rule="train",
            log=Log(fromdict={"log": str(tmp_path / "logs" / "train.log")}),
            input=InputFiles(),
            output=OutputFiles(fromdict={key: str(tmp_path / name) for key, name in names.items()}),
            params=Params(fromdict={"code": "c0de", **({"compute": {"device": device}} if device else {})}),
            wildcards=Wildcards(fromdict={"dataset": "toy"}),
            resources=ResourceList(fromdict=resources),
        )

    return make


def states(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".*.state"))


SAVED = [".h.csv.0123.state", ".n.safetensors.0123.state", ".n.safetensors.4567.state"]


@pytest.mark.parametrize("every", [0, 30])
def test_a_state_is_deleted_once_the_provenance_is_written(tmp_path, rule, monkeypatch, every):
    """However often it is saved; and only those of the first output, which the job has locked."""
    seen, write = [], job.write_provenance

    def noted(path, **facts):
        seen.append(states(tmp_path))
        write(path, **facts)
        seen.append(states(tmp_path))

    monkeypatch.setattr(job, "write_provenance", noted)
    with job.recorded(rule(save_every_s=every, on_code_change="restart")) as notes:
        notes |= {"device": "cpu", "digests": {}}
    assert seen == [SAVED, SAVED] and states(tmp_path) == [".h.csv.0123.state"]
    facts = json.loads((tmp_path / "n.json").read_text())
    assert (facts["rule"], facts["device"]) == ("train", "cpu") and "digests" not in facts
    assert facts["params"] == {"code": "c0de", "wildcards": {"dataset": "toy"}}


def test_a_rule_that_saves_no_state_deletes_none(tmp_path, rule):
    with job.recorded(rule(mem_mb=1000)):
        pass
    assert states(tmp_path) == SAVED and (tmp_path / "n.json").exists()


def test_a_job_that_fails_keeps_its_state_and_says_why(tmp_path, rule):
    with pytest.raises(RuntimeError, match="no luck"), job.recorded(rule(save_every_s=30)):
        raise RuntimeError("no luck")
    assert states(tmp_path) == SAVED and not (tmp_path / "n.json").exists()
    assert "train: RuntimeError: no luck" in (tmp_path / "logs" / "train.log").read_text()


def test_a_state_outlives_provenance_that_cannot_be_written(tmp_path, rule, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job, "write_provenance", full)
    with pytest.raises(OSError, match="No space left"), job.recorded(rule(save_every_s=30)):
        pass
    assert states(tmp_path) == SAVED


def test_a_script_saves_its_state_as_the_config_says(rule):
    config = {"on_code_change": "continue", "save_every_seconds": 7, "seed": 1}
    assert job.saving(rule(**saving(config))) == job.Saving(code="c0de", on_code_change="continue", every_s=7)


def test_a_script_reads_what_its_rule_hands_over_untracked(rule):
    values = {"words": {"source": "s", "licence": None}, "mirrors": ["https://a/b", "/c d"]}
    resources = untracked(**{name: lambda wildcards, value=value: value for name, value in values.items()})
    snakemake = rule(**{name: text(Wildcards()) for name, text in resources.items()})
    assert {name: job.untracked(snakemake, name) for name in values} == values


GIVEN = [{"gpu": 1}, {"gpu": 0, "gres": "gpu:a100:1"}]


@pytest.fixture
def no_cuda(monkeypatch):
    """As on a node whose driver is too old: the scheduler assigns a GPU, and torch sees none."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(job, "claim_device", lambda: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")


@pytest.mark.parametrize("given", GIVEN, ids=str)
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_job_that_was_given_a_gpu_never_computes_without_one(tmp_path, rule, no_cuda, device, given):
    words = rf"config: device is {device} and the job has a GPU, but torch .* can use none .*: 3\).*device: cpu"
    begun = False
    with pytest.raises(InputError, match=words), job.recorded(rule(device, **given)):
        begun = True
    assert not begun and "train: InputError: config: device is" in (tmp_path / "logs" / "train.log").read_text()


@pytest.mark.parametrize(
    ("device", "resources"),
    [("cpu", GIVEN[0]), ("cpu", GIVEN[1]), (None, GIVEN[0]), ("auto", {}), ("auto", {"gpu": 0})],
)
def test_a_job_computes_on_the_cpu_if_it_may(rule, no_cuda, device, resources):
    with job.recorded(rule(device, **resources)) as notes:
        notes["device"] = "cpu"


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_a_job_computes_on_the_gpu_that_it_claims(rule, monkeypatch, given):
    said = []
    monkeypatch.setattr(job, "claim_device", lambda: said.append("claimed"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: said.append("asked") or True)
    with job.recorded(rule("auto", **given)):
        pass
    assert said == ["claimed", "asked"], "CUDA is not looked at before the choice is made"
