"""Registry of figures: one entry gives a figure's rule, its targets and its section of the report.

Functions are named by texts, "module:function", so that planning imports no library that a figure needs.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# What a page of the report is about: the first of these wildcards that its figures have, here with its name in words.
# What has none of them is about the wing as a whole.
SUBJECTS = {
    "database": "database",
    "perlin": "Perlin bank",
    "task": "task",
    "benchmark": "benchmark",
    "dataset": "dataset",
}
REPORT = "results/report/{page}.html"
TEXTS = ("TITLE", "SHORT", "CITED", "TEXT")  # what the module `results` of a wing has besides functions


def no_settings() -> dict[str, Any]:
    """Return the settings of a figure that has none: an empty dictionary."""
    return {}


def no_networks(config: dict, name: str, **wildcards: str) -> list[str]:
    """Return the names of the networks of a figure whose wing names none: an empty list."""
    return []


def subject(wing: str, wildcards: Mapping[str, str]) -> dict[str, str]:
    """Return what the page of a figure is about, kind and subject, and the path of that page.

    >>> subject("tgsh", {"dataset": "mnist", "benchmark": "rotation"})["page"]
    'results/report/benchmark-mnist-rotation.html'
    """
    kind = next((kind for kind in SUBJECTS if kind in wildcards), "")
    if not kind:
        return {"kind": "", "subject": "", "page": REPORT.format(page=wing)}
    name = slug = wildcards[kind]
    if kind == "benchmark":  # several datasets may have the same
        name, slug = f"{name} on {wildcards['dataset']}", f"{wildcards['dataset']}-{name}"
    return {"kind": SUBJECTS[kind], "subject": name, "page": REPORT.format(page=f"{kind}-{slug}")}


def pages(entries: list[dict[str, Any]]) -> list[str]:
    """List the paths of the report's pages that the entries of figures stand on, in order and once each."""
    return list(dict.fromkeys(entry["page"] for entry in entries))


@dataclass(frozen=True)
class Figure:
    """One kind of figure.

    Attributes:
        about: what the rule that draws it does, in one sentence.
        title: the title of its section in the report.
        stem: its path without an ending, with wildcards in braces.
        caption: the caption is the file workflow/report/(caption).rst.
        draw: function that returns a matplotlib Figure, given the tables in their order (a CSV as a DataFrame, another
            file as its path) and the settings.
        summary, claims: functions that return the report's table of numbers, as text cells, and the report's boxes
            (`rehash.verdicts`; "" for none), given the CSV tables in their order, those of `evidence` last.
        tables: the files that it is drawn from; (stem).csv by default.
        headline: function that returns what the figure says in words (`rehash.headlines`), given the same tables; ""
            for none.
        published: function that returns the published values that stand beside ours, as columns value (which one) and
            status, given the same tables; "" for none.
        evidence: more tables for the summary, the claims and the headline.
        provenance: the file of its provenance, (stem).json by default.
        settings: function that returns more arguments of `draw`, see `rehash.graph.bound`.
        page: function that returns an interactive page (HTML), with the arguments of `draw`; "" for none.
        group: jobs of one group share a submission on a cluster.
    """

    about: str
    title: str
    stem: str
    caption: str
    draw: str
    summary: str
    claims: str = ""
    headline: str = ""
    published: str = ""
    tables: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    provenance: str = ""
    settings: Callable[..., dict[str, Any]] = no_settings
    page: str = ""
    group: str = "figure"

    @property
    def drawn_from(self) -> tuple[str, ...]:
        """Return the paths of the files that the figure is drawn from."""
        return self.tables or (f"{self.stem}.csv",)

    @property
    def wildcards(self) -> list[str]:
        """Return the names of the wildcards in the figure's path, in order."""
        return re.findall(r"{(\w+)}", self.stem)

    @property
    def message(self) -> str:
        """Return what the figure's rule prints when it runs."""
        of = ", ".join(f"{{wildcards.{name}}}" for name in self.wildcards)
        return f"Drawing {self.title}" + (f": {of}" if of else "")

    @property
    def endings(self) -> tuple[str, ...]:
        """Return the endings of the files that the figure is written to."""
        return (".pdf", ".png", *([".html"] if self.page else []))


@dataclass(frozen=True)
class Wing:
    """The figures of a wing.

    Attributes:
        name: hash_encoders, tgsh or equihash.
        figures: by the names of their rules, plot_(name).
        asked: function of the config that returns the figures it asks for, in the report's order: name and wildcards
            of each.
        data: function of the config, a figure's name and its wildcards that describes where the figure's data come
            from.
        main: names of figures, in order of preference: the first three that the config asks for are the wing's main
            figures in the report, the very first stands on its first screen.
        published: the files of workflow/resources that have the values which the work has published.
        networks: function of the config, a figure's name and its wildcards that lists the networks it shows.
    """

    name: str
    figures: Mapping[str, Figure]
    asked: Callable[[dict], list[tuple[str, dict[str, str]]]]
    data: Callable[..., str]
    main: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    networks: Callable[..., list[str]] = no_networks

    def targets(self, config: dict) -> list[str]:
        """List the paths of all tables and figures that the config asks for."""
        found = []
        for name, wildcards in self.asked(config):
            figure = self.figures[name]
            paths = (*figure.drawn_from, *figure.evidence, *(f"{figure.stem}{end}" for end in figure.endings))
            found += [path.format(**wildcards) for path in paths]
        return list(dict.fromkeys(found))

    def entries(self, config: dict) -> list[dict[str, Any]]:
        """List an entry for `rehash.report.section` for each figure that the config asks for, in the report's order."""
        found = []
        for name, wildcards in self.asked(config):
            figure = self.figures[name]
            files = {"figure (PDF)": f"{figure.stem}.pdf"}
            if figure.page:
                files["interactive"] = f"{figure.stem}.html"
            found.append(
                {
                    "wing": self.name,
                    "name": name,
                    "of": " ".join(wildcards.values()) or "all",
                    "title": figure.title,
                    "stem": figure.stem.format(**wildcards),
                    "tables": [path.format(**wildcards) for path in (*figure.drawn_from, *figure.evidence)],
                    "provenance": (figure.provenance or f"{figure.stem}.json").format(**wildcards),
                    "files": {kind: path.format(**wildcards) for kind, path in files.items()},
                    "summary": figure.summary,
                    "claims": figure.claims,
                    "headline": figure.headline,
                    "published": figure.published,
                    "caption": figure.caption,
                    "data": self.data(config, name, **wildcards),
                    **subject(self.name, wildcards),
                    "rank": self.main.index(name) if name in self.main else None,
                    "networks": self.networks(config, name, **wildcards),
                }
            )
        return found

    def functions(self) -> list[str]:
        """List the names of the functions and texts that the report loads for its figures."""
        of_figures = [
            (figure.summary, figure.claims, figure.headline, figure.published) for figure in self.figures.values()
        ]
        named = [name for names in of_figures for name in names if name]
        texts = [f"rehash.{self.name}.results:{text}" for text in TEXTS]
        return [*dict.fromkeys(named), *texts]


def load(name: str) -> Any:
    """Import the function or text that "module:function" names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
