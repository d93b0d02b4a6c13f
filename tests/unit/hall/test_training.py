"""Saved state: killed anywhere, a training ends with the same bytes; a foreign state is never used."""

import fcntl
import os
import random
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rehash import training
from rehash.errors import InputError
from rehash.hash_encoders.cohort import CohortTraining, Recipe
from rehash.job import Saving, discard_state
from rehash.training import Compute, StateFile, finished, moments, resolve_device, restore_moments, run
from toys import SCRIPTS, SHAPE, mixed


class Killed(Exception):
    pass


def result(folder: Path, recipes: list[Recipe], kill_at=(), every=1) -> dict[str, torch.Tensor]:
    """Train a toy cohort, dying right before each of the given numbers of steps; the final networks."""
    for limit in [*kill_at, None]:
        job = CohortTraining(recipes, SHAPE, repeats=2, seed=5, name=("t",), device=torch.device("cpu"))
        step = job.step

        def mortal(job=job, step=step, limit=limit):
            if limit is not None and job.finished_steps >= limit:
                raise Killed
            step()

        job.step = mortal
        try:
            with StateFile(folder / "networks", {"a": 1}) as state:
                save, calls = state.save, count()
                # Only every `every`-th state reaches the disk, so that a restart has steps to repeat.
                state.save = lambda *s, save=save, calls=calls: next(calls) % every or save(*s)
                run(job, state, save_every_s=0, log_every_s=0)
        except Killed:
            pass
    discard_state(folder / "networks")
    assert not list(folder.iterdir()), "nothing is left of the state and the lock"
    found = {}
    for i, trained in enumerate(job.trained):
        found |= {f"{i}/{s}/{k}": v for s, n in trained.networks.items() for k, v in n.items()}
        found[f"{i}/history"] = torch.tensor([list(row.values()) for row in trained.history])
    return found


@pytest.mark.parametrize("every", [1, 7, 20])
@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(n, marks=pytest.mark.long) for n in range(3, 40))])
def test_killed_at_random_steps_ends_with_the_same_bytes(tmp_path, seed, every):
    recipes = mixed(replace(SCRIPTS, patience=1, learning_rate=0.2, epochs=8))
    undisturbed = result(tmp_path, recipes)
    assert len({len(undisturbed[f"{i}/history"]) for i in range(len(recipes))}) > 1, "the case must have early stops"
    steps = sorted(random.Random(seed).sample(range(1, 60), 5))
    disturbed = result(tmp_path, recipes, kill_at=steps, every=every)
    for name, tensor in undisturbed.items():
        assert tensor.numpy().tobytes() == disturbed[name].numpy().tobytes(), name


def test_two_processes_on_one_file(tmp_path):
    with (
        StateFile(tmp_path / "out", {"a": 1}),
        pytest.raises(InputError, match=rf"another process \(.*process {os.getpid()}\) is making this file"),
    ):
        StateFile(tmp_path / "out", {"a": 1}).__enter__()


def saved(path: Path, key: dict, code: str = "c") -> StateFile:
    state = StateFile(path, key, code)
    path.parent.mkdir(exist_ok=True)
    state.save({"x": torch.ones(2)}, {"n": 1})
    return state


def test_state_of_another_configuration_is_never_used(tmp_path):
    other, mine = saved(tmp_path / "out", {"width": 3}), StateFile(tmp_path / "out", {"width": 4}, "c")
    assert mine.load() is None, "it has another name"
    os.rename(other.path, mine.path)
    with pytest.raises(InputError, match=f"another configuration .found {other.digest}, expected {mine.digest}"):
        mine.load()
    assert StateFile(tmp_path / "out", {"width": 3}).digest == other.digest


def test_unreadable_state_starts_anew(tmp_path, caplog):
    state = saved(tmp_path / "out", {})
    content = state.path.read_bytes()
    for broken in (content[:20], content[:-3], b"", b"rubbish" * 9):
        state.path.write_bytes(broken)
        assert state.load() is None and "not a readable state" in caplog.text
    save_file({"x": torch.ones(1)}, state.path)  # a safetensors file of somebody else
    assert state.load() is None


def test_changed_code_restarts_or_continues(tmp_path):
    saved(tmp_path / "out", {}, code="old")
    assert StateFile(tmp_path / "out", {}, "new", "restart").load() is None
    going_on = StateFile(tmp_path / "out", {}, "new", "continue")
    tensors, values = going_on.load()
    assert tensors["x"].tolist() == [1, 1] and values == {"n": 1} and going_on.continued_from == ["old"]
    going_on.save({"x": torch.zeros(1)}, {})
    newest = StateFile(tmp_path / "out", {}, "newest", "continue")
    newest.load()
    assert newest.continued_from == ["old", "new"]


def grown(folder: Path, key: dict | None = None, **options) -> StateFile:
    return StateFile(folder / "out", key or {}, **options)


def rows(n: int) -> dict[str, torch.Tensor]:
    """The first n rows of two tensors that grow, and one that changes."""
    codes = torch.arange(3 * n, dtype=torch.uint8).reshape(n, 3)
    return {"codes": codes, "logits": torch.arange(float(n)) ** 2, "other": torch.full((2,), float(n))}


GROWN = ("codes", "logits")


def loaded(state: StateFile) -> int:
    """How many rows a state has; they have to be the right ones."""
    tensors, values = state.load()
    n = values["n"]
    assert set(tensors) == set(rows(n)) and all(torch.equal(tensors[k], v) for k, v in rows(n).items())
    assert all(tensors[k].dtype == v.dtype for k, v in rows(n).items())
    return n


def test_rows_that_were_saved_are_not_written_again(tmp_path, monkeypatch):
    state, files = grown(tmp_path), {}
    for n in (0, 2, 2, 5, 9):
        state.save(rows(n), {"n": n}, GROWN)
        assert loaded(grown(tmp_path)) == n
    again = grown(tmp_path)
    assert loaded(again) == 9
    path = tmp_path / f"{again.path.name}.codes"
    with open(path, "rb+") as file:  # what lies there already is left alone
        file.write(b"\xff" * 27)
    again.save(rows(11), {"n": 11}, GROWN)
    assert path.read_bytes() == b"\xff" * 27 + bytes(range(27, 33))
    assert again.path.stat().st_size < 2000, "the file that is written whole holds none of the rows"
    files = sorted(each.name.removeprefix(again.path.name) for each in tmp_path.iterdir())
    assert files == ["", ".codes", ".logits"]
    discard_state(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_rows_of_a_saving_that_was_not_finished_do_not_count(tmp_path, monkeypatch):
    state = grown(tmp_path)
    state.save(rows(4), {"n": 4}, GROWN)

    def killed(*_):
        raise Killed

    monkeypatch.setattr(training, "write_bytes", killed)
    with pytest.raises(Killed):
        state.save(rows(7), {"n": 7}, GROWN)
    monkeypatch.undo()
    assert (tmp_path / f"{state.path.name}.codes").stat().st_size == 21
    again = grown(tmp_path)
    assert loaded(again) == 4
    again.save(rows(6), {"n": 6}, GROWN)
    assert loaded(grown(tmp_path)) == 6


@pytest.mark.parametrize("damage", ["cut", "bit", "gone"])
def test_damaged_rows_start_anew(tmp_path, caplog, damage):
    state = grown(tmp_path)
    state.save(rows(4), {"n": 4}, GROWN)
    path = tmp_path / f"{state.path.name}.logits"
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    again = grown(tmp_path)
    assert again.load() is None and "not a readable state" in caplog.text
    again.save(rows(3), {"n": 3}, GROWN)
    assert loaded(grown(tmp_path)) == 3


def test_rows_of_another_code_or_configuration_are_not_continued(tmp_path):
    grown(tmp_path, code="old").save(rows(4), {"n": 4}, GROWN)
    other = grown(tmp_path, {"a": 2}, code="old")
    assert other.load() is None
    other.save(rows(6), {"n": 6}, GROWN)
    fresh = grown(tmp_path, code="new")
    assert fresh.load() is None
    fresh.save(rows(2), {"n": 2}, GROWN)
    assert loaded(grown(tmp_path, code="new")) == 2 and loaded(grown(tmp_path, {"a": 2}, code="old")) == 6


def test_rows_that_cannot_be_written_are_told(tmp_path, monkeypatch):
    state = grown(tmp_path)
    state.save(rows(4), {"n": 4}, GROWN)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"could not write .*\.codes: No space left on device; the state saved before"):
        state.save(rows(5), {"n": 5}, GROWN)
    monkeypatch.undo()
    state.save(rows(6), {"n": 6}, GROWN)
    assert loaded(grown(tmp_path)) == 6


def test_asking_for_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto").type == "cpu"
    with pytest.raises(InputError, match="config: device: cuda asked for, but torch sees no GPU"):
        resolve_device("cuda")
    with pytest.raises(InputError, match="config: device: cuda asked for, but torch sees no GPU"):
        Compute("cuda").start()


def test_a_job_computes_with_the_threads_and_the_device_it_is_given():
    for asked in (2, 1):
        assert Compute("cpu", asked).start() == torch.device("cpu") and torch.get_num_threads() == asked


def test_what_a_gpu_computes_is_told_to_be_reproducible(monkeypatch):
    """cuBLAS reads its variable when it starts, so it is set before; what the user has set stands."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    cudnn.allow_tf32 = cudnn.benchmark = matmul.allow_tf32 = matmul.allow_bf16_reduced_precision_reduction = True
    cudnn.deterministic = False
    Compute("cpu", 1).start()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8" and not torch.are_deterministic_algorithms_enabled()
    assert cudnn.deterministic and not cudnn.benchmark and not cudnn.allow_tf32
    assert not matmul.allow_tf32 and not matmul.allow_bf16_reduced_precision_reduction
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    Compute("cpu", 1).start()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


class Counter:
    """A job of three steps that says from which one it started."""

    total = 3

    def __init__(self) -> None:
        self.finished_steps, self.begun = 0, []

    @property
    def done(self) -> bool:
        return self.finished_steps == self.total

    def status(self) -> str:
        return ""

    def step(self) -> None:
        self.begun.append(self.finished_steps)
        self.finished_steps += 1

    def state(self):
        return {}, {"finished_steps": self.finished_steps}

    def restore(self, tensors, values) -> None:
        self.finished_steps = values["finished_steps"]


def test_a_job_on_another_kind_of_device_starts_anew(tmp_path, monkeypatch):
    """Its numbers would be a mixture of both kinds', which no machine gives again."""
    kinds = []
    for kind in ("GPU A", "GPU B", "GPU A"):
        monkeypatch.setattr(training, "device_kind", lambda device, kind=kind: kind)
        job = Counter()
        with finished(job, tmp_path / "out", {"a": 1}, Saving(), torch.device("cpu")):
            kinds.append(job.begun)
    assert kinds == [[0, 1, 2], [0, 1, 2], []]


OPTIMISERS = {
    "Adam": lambda parameters: torch.optim.Adam(parameters, 0.01),
    "AMSGrad": lambda parameters: torch.optim.Adam(parameters, 0.01, amsgrad=True),
    "fused Adam": lambda parameters: torch.optim.Adam(parameters, 0.01, fused=True),
    "RMSprop": lambda parameters: torch.optim.RMSprop(parameters, 0.01),
    "RMSprop with momentum": lambda parameters: torch.optim.RMSprop(parameters, 0.01, momentum=0.9, centered=True),
    "SGD": lambda parameters: torch.optim.SGD(parameters, 0.1),
    "SGD with momentum": lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9),
}
GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))


class Convolution:
    """A convolution whose weights lie channels last, and its optimiser."""

    def __init__(self, optimiser: str, device: str) -> None:
        torch.manual_seed(3)
        self.layer = torch.nn.Conv2d(3, 4, 3).to(device, memory_format=torch.channels_last)
        self.named = dict(self.layer.named_parameters())
        self.optimiser = OPTIMISERS[optimiser](self.layer.parameters())

    def train(self, steps: range) -> None:
        """Take steps, each on images of its own."""
        for step in steps:
            images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(step))
            self.optimiser.zero_grad()
            self.layer(images.to(self.layer.weight)).square().mean().backward()
            self.optimiser.step()

    def content(self) -> dict[str, bytes]:
        """Every parameter, and all that the optimiser remembers, to the bit."""
        tensors = {**self.named, **moments(self.optimiser, self.named)}
        return {name: tensor.detach().cpu().numpy().tobytes() for name, tensor in tensors.items()}


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_restored_in_the_middle_goes_on_to_the_same_bytes(tmp_path, name, device):
    undisturbed, first, second = (Convolution(name, device) for _ in range(3))
    undisturbed.train(range(9))
    first.train(range(4))
    StateFile(tmp_path / "out", {}).save({**first.named, **moments(first.optimiser, first.named)}, {})
    tensors, _ = StateFile(tmp_path / "out", {}).load()
    second.layer.load_state_dict({name: tensors[name] for name in second.named})
    restore_moments(second.optimiser, second.named, tensors)
    assert second.content() == first.content()
    second.train(range(4, 9))
    assert second.content() == undisturbed.content() != first.content()


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_restored_moments_are_as_torch_makes_them(name, device):
    """On their parameter's device and in its layout, which rounding depends on, but for a count of steps."""
    trained, fresh = Convolution(name, device), Convolution(name, device)
    trained.train(range(2))
    kept = moments(trained.optimiser, trained.named)
    restore_moments(fresh.optimiser, fresh.named, {key: value.contiguous().cpu() for key, value in kept.items()})
    restored = moments(fresh.optimiser, fresh.named)
    assert set(restored) == set(kept)
    for key, value in kept.items():
        found = restored[key]
        assert (found.device, found.dtype, found.stride()) == (value.device, value.dtype, value.stride()), key
        assert torch.equal(found, value) and found.data_ptr() != value.data_ptr() and not found.requires_grad, key


def test_moments_are_named_by_what_they_are_and_of_which_parameter():
    job = Convolution("Adam", "cpu")
    assert moments(job.optimiser, job.named) == {}, "an optimiser remembers nothing before its first step"
    job.train(range(1))
    found = moments(job.optimiser, {"layer/a": job.layer.weight, "b": job.layer.bias})
    kinds = ("step", "exp_avg", "exp_avg_sq")
    assert set(found) == {f"moment/{kind}/{name}" for kind in kinds for name in ("layer/a", "b")}
    other = Convolution("Adam", "cpu")
    restore_moments(other.optimiser, {"layer/a": other.layer.weight, "b": other.layer.bias}, {"x/y": None, **found})
    assert torch.equal(other.optimiser.state[other.layer.weight]["exp_avg"], found["moment/exp_avg/layer/a"])


def test_a_lock_that_was_removed_is_no_lock(tmp_path):
    """A third process must not slip in through the lock file that the first has just removed."""
    first = StateFile(tmp_path / "out", {})
    with first:
        path = first._lock_path
        stale = open(path, encoding="utf-8")  # noqa: SIM115
    fcntl.flock(stale, fcntl.LOCK_EX)  # somebody locks the file that has no name any more
    with StateFile(tmp_path / "out", {}), pytest.raises(InputError, match="another process"):
        StateFile(tmp_path / "out", {}).__enter__()
    stale.close()
