"""What the errors of Hong & Pavlic's notebook change: python docs/notebook_errors.py MODULATIONS DATASET

Writes docs/results/tgsh_notebook_errors.csv (a row a measured value: the notebook's way or the right one, by repeat),
tgsh_notebook_histograms.csv (the densities of its two histograms, in its bins) and a JSON of what they were measured
on, and draws docs/tgsh_histograms.png, the published histograms beside ours. MODULATIONS has the notebook's five tasks,
0 to 40 degrees; DATASET is MNIST with its test split in its own order, which the notebook does not shuffle.

The notebook (FlyNet - RotationMNIST.ipynb of github.com/jyhong0304/task_gsh) was read as follows, tasks from 0:

1. Its class is the place of an image in its batch of 128. It takes places 0 to 9 of the first 10 batches; intra
   similarity is of two places in one task, inter similarity of one place in two tasks.
2. For the similarities that it prints, its task 4 is images of task 1 (10 degrees) with task 4's vector.
3. Its three is the test image number 4, whose label is 4.
4. Its generation multiplies a row of the decoder that all tasks share by a task vector and keeps the product there (an
   in-place `*=` on a view; the noise goes into a copy). It does so four times: row 3 by the vectors of task 0 and task
   3, then row 1 by both. So its second image of a digit is of the decoder times both vectors.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from rehash.errors import InputError  # noqa: E402
from rehash.figures.style import COLOURS, panels, save_figure  # noqa: E402
from rehash.resources import resource  # noqa: E402
from rehash.seeds import stream  # noqa: E402
from rehash.store import file_digest, write_csv, write_json  # noqa: E402
from rehash.tgsh.flynet import DeviceSplit, correct, respond, task_decoder  # noqa: E402
from rehash.tgsh.generate import correlations, dense_encoder, generated, mean_pictures  # noqa: E402
from rehash.tgsh.model import Model, blocks  # noqa: E402
from rehash.tgsh.modulations import read_digits  # noqa: E402
from rehash.tgsh.responses import BLOCK, pair_kinds  # noqa: E402
from rehash.tgsh.tasks import Transformation, sampling  # noqa: E402
from rehash.training import set_reproducible  # noqa: E402

OUTPUT = ROOT / "docs" / "results" / "tgsh_notebook_errors.csv"
HISTOGRAMS = OUTPUT.with_name("tgsh_notebook_histograms.csv")
PUBLISHED = resource("published_tgsh_histograms.csv")
COLUMNS = ["error", "what", "way", "repeat", "task", "value", "sd", "n"]
BATCH, PLACES, SAMPLES = 128, 10, 10
SHOWN, MODULATED = 1, 4  # the tasks whose images and whose vector make up the notebook's task 4
SEVEN, THREE = 0, 4  # the test images that it calls so
FIRST_LABELS = [7, 2, 1, 0, 4]  # of MNIST's test split
DRAWN = {"digits": (3, 1), "tasks": (0, 3)}  # what its generation cells draw, in order
Row = dict[str, object]


def row(error: str, what: str, values: torch.Tensor, way: str, task: int | None = None) -> Row:
    """Mean, standard deviation and number of `values`; no deviation where they are a share, or one number."""
    spread = values.std().item() if values.is_floating_point() and values.numel() > 1 else None
    mean = values.double().mean().item()
    return {"error": error, "what": what, "way": way, "task": task, "value": mean, "sd": spread, "n": values.numel()}


def modulated(model: Model, repeat: int, images: torch.Tensor, task: int, shown: int) -> torch.Tensor:
    """Responses, of length 1 (N, U), to images as the task `shown` shows them, modulated by the vector of `task`."""
    view, net = model.views[shown], model.networks[repeat]
    parts = [respond(view.inputs(images[part]), net).t() for part in blocks(len(images), 500)]
    return torch.nn.functional.normalize(model.vectors("trained", repeat)[task] * torch.cat(parts), dim=-1)


def accuracy(
    model: Model, repeat: int, test: DeviceSplit, decoder: torch.Tensor, task: int, shown: int
) -> torch.Tensor:
    """Of one task's modulation of a decoder (K, U), on the test images as a task shows them."""
    net = replace(model.networks[repeat], decoder=decoder)
    classifier = task_decoder(net, *model.modulation("trained", repeat, task))
    right = correct(test.images, test.labels, model.views[shown], net, classifier)
    return torch.tensor(right / len(test.labels), dtype=torch.float64)


def classed_pairs(
    model: Model, repeat: int, test: DeviceSplit
) -> Iterator[tuple[str, dict[str, torch.Tensor], dict[str, torch.Tensor]]]:
    """Way; similarities of the intra and inter pairs that the notebook takes, classed by place or by digit; whether
    the two images of each have one digit."""
    index = torch.arange(len(test.labels))
    chosen = (index % BATCH < PLACES) & (index < SAMPLES * BATCH)
    tasks, digits = len(model.views), test.labels[chosen]
    found = torch.cat([modulated(model, repeat, test.images[chosen], task, task) for task in range(tasks)])
    similarity = found @ found.t()
    once = torch.ones_like(similarity).triu(1).bool()
    same_digit = digits.repeat(tasks)[:, None] == digits.repeat(tasks)
    for way, classes in (("notebook", index[chosen] % BATCH), ("right", digits)):
        kinds = pair_kinds(classes, tasks)
        pairs = {"intra": once & (kinds == 1), "inter": once & ((kinds == 2) | (kinds == 3))}
        yield way, *({kind: values[mask] for kind, mask in pairs.items()} for values in (similarity, same_digit))


def places_for_classes(model: Model, repeat: int, test: DeviceSplit) -> Iterator[Row]:
    """Intra and inter similarity of the images that the notebook takes, classed by place and by digit."""
    for way, similarity, same_digit in classed_pairs(model, repeat, test):
        yield row("class", "intra similarity (two classes, one task)", similarity["intra"], way)
        yield row("class", "inter similarity (one class, two tasks)", similarity["inter"], way)
        yield row("class", "share of intra pairs that are of one digit", same_digit["intra"], way)
        yield row("class", "share of inter pairs that are of two digits", ~same_digit["inter"], way)


def densities(model: Model, repeat: int, test: DeviceSplit) -> Iterator[Row]:
    """The histograms of the same similarities in the published bins: a row a bin."""
    published = dict(iter(pd.read_csv(PUBLISHED).groupby("kind", sort=False)))
    for way, similarity, _ in classed_pairs(model, repeat, test):
        for kind, bars in published.items():
            edges = np.append(bars.low, bars.high.iloc[-1])
            counts, _ = np.histogram(similarity[kind].numpy(), edges)
            density = counts / len(similarity[kind]) / np.diff(edges)
            for low, value in zip(bars.low, density):
                yield {"kind": kind, "low": low, "way": way, "repeat": repeat, "density": round(float(value), 5)}


def pictures_of_another_task(model: Model, repeat: int, test: DeviceSplit) -> Iterator[Row]:
    """Task 4's vector on task 1's images and on its own: similarities over the test split, and accuracy."""
    for way, shown in (("notebook", SHOWN), ("right", MODULATED)):
        inter, intra = [], []
        for part in blocks(len(test.labels), BLOCK):
            plain = modulated(model, repeat, test.images[part], 0, 0)
            fourth = modulated(model, repeat, test.images[part], MODULATED, shown)
            inter.append((plain * fourth).sum(1))
            intra.append((fourth @ fourth.t())[pair_kinds(test.labels[part], 1).triu(1) == 1])
        right = accuracy(model, repeat, test, model.networks[repeat].decoder, MODULATED, shown)
        yield row("task", "inter similarity of an image, tasks 0 and 4", torch.cat(inter), way)
        yield row("task", "intra similarity in task 4 (two digits)", torch.cat(intra), way)
        yield row("task", "accuracy of task 4's modulation", right, way, MODULATED)


def three_that_is_a_four(model: Model, repeat: int, test: DeviceSplit) -> Iterator[Row]:
    """Similarity of sevens and "threes" in task 0, over all pairs of the test split, with fours for threes and without.

    And the four numbers that the notebook prints, of two images each: its way, and with the first three of the split
    in the tasks that it names.
    """
    sevens, fours, threes = (modulated(model, repeat, test.images[test.labels == d], 0, 0) for d in (7, 4, 3))
    yield row("three", "similarity of sevens and threes in task 0", sevens @ fours.t(), "notebook")
    yield row("three", "similarity of sevens and threes in task 0", sevens @ threes.t(), "right")
    first_three = int((test.labels == 3).nonzero()[0])
    for way, three, shown in (("notebook", THREE, SHOWN), ("right", first_three, MODULATED)):
        pair = test.images[[SEVEN, three]]
        (seven_0, three_0), (seven_4, three_4) = (
            modulated(model, repeat, pair, task, seen) for task, seen in ((0, 0), (MODULATED, shown))
        )
        yield row("printed", "seven and three in task 0", seven_0 @ three_0, way)
        yield row("printed", "seven and three in task 4", seven_4 @ three_4, way)
        yield row("printed", "sevens in tasks 0 and 4", seven_0 @ seven_4, way)
        yield row("printed", "threes in tasks 0 and 4", three_0 @ three_4, way)


def decoder_overwritten(model: Model, repeat: int, test: DeviceSplit) -> Iterator[Row]:
    """Accuracy of every task with the decoder as it was drawn, and as generation in place leaves it."""
    net, vectors = model.networks[repeat], model.vectors("trained", repeat)
    both = vectors[list(DRAWN["tasks"])].prod(0)
    one, all_cells, every_digit = (net.decoder.clone() for _ in range(3))
    one[DRAWN["digits"][0]] *= vectors[DRAWN["tasks"][0]]
    all_cells[list(DRAWN["digits"])] *= both
    every_digit *= vectors[DRAWN["tasks"][0]]
    left = {
        "accuracy after its first cell (one digit)": one,
        "accuracy after its four cells (two digits)": all_cells,
        "accuracy had it drawn every digit once": every_digit,
    }
    for task in range(len(model.views)):
        as_drawn = accuracy(model, repeat, test, net.decoder, task, task)
        for what, decoder in left.items():
            yield row("decoder", what, accuracy(model, repeat, test, decoder, task, task), "notebook", task)
            yield row("decoder", what, as_drawn, "right", task)


def pictures_overwritten(model: Model, repeat: int, dataset: str) -> Iterator[Row]:
    """The second image of each digit drawn: its correlation with the mean test image of the digit in the task."""
    identity, task, digits = model.identity, DRAWN["tasks"][1], list(DRAWN["digits"])
    vectors, decoder = model.vectors("trained", repeat).numpy(), model.arrays["decoder"][repeat]
    inverse = np.linalg.pinv(dense_encoder(model.arrays["encoder"][repeat]))
    how = sampling(Transformation(**identity["tasks"][task]), identity["interpolation"])
    means = mean_pictures(read_digits(dataset).test, how, identity["fill"])[digits]
    made = {}
    for way, rows in (("right", decoder), ("notebook", decoder * vectors[DRAWN["tasks"][0]])):
        rng = stream(identity["seed"], "tgsh", "notebook errors", repeat)
        made[way] = generated(inverse, vectors[[task]], rows[digits], rng=rng)[0]
        alike = torch.from_numpy(correlations(made[way], means).diagonal().copy())
        yield row("decoder", "second images: correlation with the mean image", alike, way, task)
    between = torch.from_numpy(correlations(made["notebook"], made["right"]).diagonal().copy())
    yield row("decoder", "second images: correlation with the right ones", between, "notebook", task)


def draw(histograms: pd.DataFrame, path: Path) -> None:
    """Draw the published histograms, and ours the notebook's way and of digits: mean and sd over networks."""
    figure, axes = panels(2)
    titles = {"intra": "two classes in one task", "inter": "one class in two tasks"}
    ways = {"notebook": ("ours, the notebook's way", "-"), "right": ("ours, of digits", "--")}
    for panel, (kind, bars) in zip(axes, pd.read_csv(PUBLISHED).groupby("kind", sort=False)):
        edges = np.append(bars.low, bars.high.iloc[-1])
        panel.stairs(bars.density, edges, fill=True, color="0.8", label="published")
        for (way, (words, dashes)), colour in zip(ways.items(), COLOURS):
            rows = histograms[(histograms.kind == kind) & (histograms.way == way)]
            found = rows.groupby("low").density.agg(["mean", "std"])
            middles = found.index.to_numpy() + np.diff(edges) / 2
            panel.plot(middles, found["mean"], dashes, color=colour, label=words)
            panel.fill_between(
                middles,
                found["mean"] - found["std"],
                found["mean"] + found["std"],
                color=colour,
                alpha=0.2,
                linewidth=0,
            )
        panel.set(title=f"{kind} similarity: {titles[kind]}", xlabel="cosine similarity", ylabel="density")
        panel.legend()
    save_figure(figure, path)


def main(modulations: str, dataset: str) -> None:
    set_reproducible(1)
    model = Model.read(modulations, torch.device("cpu"))
    test = DeviceSplit(read_digits(dataset).test, model.device)
    angles, first = [task["angle"] for task in model.identity["tasks"]], test.labels[: len(FIRST_LABELS)].tolist()
    if angles != [0, 10, 20, 30, 40] or first != FIRST_LABELS:
        raise InputError(
            f"{modulations}, {dataset}: tasks of {angles} degrees, test images of {first}; expected the notebook's "
            f"five tasks, 0 to 40 degrees, and MNIST's test split in its own order, which begins {FIRST_LABELS}"
        )
    rows: list[Row] = []
    histograms: list[Row] = []
    for repeat in range(len(model.networks)):
        for measure in (places_for_classes, pictures_of_another_task, three_that_is_a_four, decoder_overwritten):
            rows += [{**found, "repeat": repeat} for found in measure(model, repeat, test)]
        rows += [{**found, "repeat": repeat} for found in pictures_overwritten(model, repeat, dataset)]
        histograms += densities(model, repeat, test)
    table = pd.DataFrame(rows)[COLUMNS]
    write_csv(table.astype({"task": "Int64"}), OUTPUT)
    write_csv(pd.DataFrame(histograms), HISTOGRAMS)
    draw(pd.DataFrame(histograms), ROOT / "docs" / "tgsh_histograms.png")
    measured_on = {
        "modulations": model.identity,
        "modulations_sha256": file_digest(modulations),
        "test_items": len(test.labels),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
    }
    write_json(measured_on, OUTPUT.with_suffix(".json"))
    print(
        json.dumps(measured_on["versions"]), table.groupby(["error", "what", "way"]).value.mean().to_string(), sep="\n"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
