"""The methods that learn a stream of tasks, FlyNet and its baselines: what each learns, keeps and is told.

Three settings are told apart (van de Ven & Tolias 2019, arXiv 1904.07734). Task-incremental: the task is told when an
image is classified. Domain-incremental: it is not told, and all tasks have the same classes. Class-incremental: it is
not told, and tasks have classes of their own, all of which are told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from rehash.errors import unknown


@dataclass(frozen=True)
class Method:
    """A way to learn tasks one after another.

    Attributes:
        title: its name in tables and figures. words: what it is, in a sentence.
        told: whether it is told which task an image comes from; it then has parameters of its own for each task, and a
            head of the task's classes. Others have one network, with one head of all classes.
        frozen: whether it learns on the response of a frozen encoder.
        keeps: what it keeps of earlier tasks beside its parameters: nothing, their Fisher information, or images.
        settings: the keys of the config that it alone takes.
        work: how long its steps take beside a plain one of the same network.
    """

    title: str
    words: str
    told: bool
    frozen: bool = False
    keeps: str = "nothing"
    settings: tuple[str, ...] = ()
    work: float = 1.0


METHODS = {
    "flynet": Method("FlyNet", "FlyNet", told=True, frozen=True),
    "linear_probe": Method("linear probe", "a linear probe of the frozen response", told=True, frozen=True),
    "full_per_task": Method("a full network a task", "a full network a task", told=True),
    "full_in_sequence": Method("one full network in sequence", "one fully trained network in sequence", told=False),
    "online_ewc": Method(
        "online EWC",
        "online EWC",
        told=False,
        keeps="fisher",
        settings=("ewc_lambda", "ewc_gamma"),
        work=1.6,
    ),
    "experience_replay": Method(
        "experience replay", "experience replay", told=False, keeps="images", settings=("replay_images",), work=2.0
    ),
}
BASELINES = tuple(name for name in METHODS if name != "flynet")


def method_of(name: str, where: str) -> Method:
    """Return the method of a name.

    Raises:
        InputError: there is none; names the nearest one, and `where` it was found.
    """
    if name not in METHODS:
        raise unknown("method", name, METHODS, where)
    return METHODS[name]


def setting_of(name: str, own_classes: bool) -> str:
    """Return the setting in which a method learns tasks, some of which have `own_classes` or all of which share all."""
    if METHODS[name].told:
        return "task-incremental"
    return "class-incremental" if own_classes else "domain-incremental"
