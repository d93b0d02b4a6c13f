"""Optimisers by their names in torch: each goes on after a stop, and what does not fit is refused before it starts."""

import pytest
import torch

from rehash.equihash.learning import train
from rehash.equihash.learning.optimisers import _found, check_optimiser, make_optimiser
from rehash.errors import InputError
from rehash.training import moments, restore_moments
from small_training import bytes_of, job, small_bank

SETTINGS = {"learning_rate": 0.01, "weight_decay": 0.0, "momentum": 0.9}


def small_network() -> torch.nn.Module:
    """A matrix, a stack of filters in channels last, and a single number."""
    torch.manual_seed(3)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3), torch.nn.Flatten(), torch.nn.Linear(12, 4), torch.nn.PReLU()
    )
    return network.to(memory_format=torch.channels_last)


def gradients(network: torch.nn.Module, step: int) -> None:
    chance = torch.Generator().manual_seed(step)
    for parameter in network.parameters():
        parameter.grad = torch.empty_like(parameter).copy_(torch.randn(parameter.shape, generator=chance))


def test_every_optimiser_of_torch_is_known_or_refused():
    """From its source, as its module says; and each argument is one of the class's."""
    own = {name for name in torch.optim.__all__ if name[0].isupper() and name != "Optimizer"}
    assert {*_found(), "LBFGS", "SparseAdam", "Muon"} == own
    import inspect

    for name, arguments in _found().items():
        assert arguments == list(inspect.signature(getattr(torch.optim, name)).parameters)


@pytest.mark.parametrize("name", ["adam", "sgd", *_found()])
def test_an_optimiser_goes_on_after_a_stop_as_if_there_had_been_none(name):
    """The same parameters to the byte, from what `moments` gives and `restore_moments` takes."""
    whole, cut = small_network(), small_network()
    first = make_optimiser(name, list(whole.parameters()), **SETTINGS, arguments={})
    for step in range(5):
        gradients(whole, step)
        first.step()
        if step == 2:
            kept = {
                key: value.clone().contiguous() for key, value in moments(first, dict(whole.named_parameters())).items()
            }
            cut.load_state_dict(whole.state_dict())
    second = make_optimiser(name, list(cut.parameters()), **SETTINGS, arguments={})
    restore_moments(second, dict(cut.named_parameters()), kept)
    for step in range(3, 5):
        gradients(cut, step)
        second.step()
    assert bytes_of(cut.state_dict()) == bytes_of(whole.state_dict())
    assert bytes_of(moments(second, dict(cut.named_parameters()))) == bytes_of(
        moments(first, dict(whole.named_parameters()))
    )


def test_an_optimiser_is_torchs_own_with_its_arguments(tmp_path, monkeypatch):
    """Two steps of a training, beside torch's own by the same gradients."""
    monkeypatch.setattr(train, "UNTRAINED_BATCHES", 1)
    how = {"optimiser": "AdamW", "optimiser_arguments": {"betas": [0.5, 0.8], "weight_decay": 0.3}}
    training = job(small_bank(tmp_path), steps=2, learning_rate=0.01, **how)
    copies = [p.detach().clone().requires_grad_() for p in training.parameters]
    other = torch.optim.AdamW(copies, lr=0.01, betas=(0.5, 0.8), weight_decay=0.3)
    for _ in range(2):
        training.step()
        for copy, parameter in zip(copies, training.parameters):
            copy.grad = parameter.grad.clone()
        other.step()
    for copy, parameter in zip(copies, training.parameters):
        torch.testing.assert_close(parameter.detach(), copy.detach(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "arguments", "weight_decay", "message"),
    [
        ("AdmW", {}, 0, "x: unknown optimiser 'AdmW'; did you mean 'AdamW'"),
        ("AdamW", {"beta": 1}, 0, "x: optimiser_arguments: unknown argument of AdamW 'beta'; did you mean 'betas'"),
        ("AdamW", {"lr": 1}, 0, "x: optimiser_arguments: lr is the setting learning_rate"),
        ("sgd", {"momentum": 1}, 0, "x: optimiser_arguments: momentum is the setting momentum"),
        ("AdamW", {"capturable": True}, 0, "unknown argument of AdamW 'capturable'"),
        ("AdamW", {}, 0.1, "x: weight_decay is 0.1, a setting of adam and sgd; of AdamW say it in optimiser_arguments"),
        (
            "LBFGS",
            {},
            0,
            "x: optimiser LBFGS: it needs the loss several times a step.*; take another, for example AdamW",
        ),
    ],
)
def test_what_does_not_fit_is_refused_when_planning(name, arguments, weight_decay, message):
    with pytest.raises(InputError, match=message):
        check_optimiser(name, arguments, weight_decay, "x")


def test_what_torch_refuses_is_said_before_the_first_step():
    for arguments in ({"betas": [2.0, 0.9]}, {"betas": 1}, {"eps": "small"}):
        with pytest.raises(InputError, match=r"optimiser AdamW with optimiser_arguments .*: torch says"):
            make_optimiser("AdamW", list(small_network().parameters()), **SETTINGS, arguments=arguments)


def test_a_state_that_is_no_tensor_cannot_be_saved():
    network = small_network()
    optimiser = torch.optim.Adam(network.parameters())
    optimiser.state[network[0].weight]["count"] = 3
    with pytest.raises(
        InputError, match=r"optimiser Adam: what it remembers as count of 0.weight is a int and no tensor"
    ):
        moments(optimiser, dict(network.named_parameters()))
