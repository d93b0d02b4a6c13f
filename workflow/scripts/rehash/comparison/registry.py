"""The figures of the wing: the registry from which rules, targets and the report's sections are made."""

from __future__ import annotations

from rehash.comparison import plan
from rehash.figures.registry import Figure, Wing

_DRAWN, _SAID = "rehash.comparison.figures", "rehash.comparison.results"
_HEADLINES = "rehash.comparison.headlines"
_OF_ALL = f"{plan.RETRIEVAL}.json"  # the provenance of all tables that one job collects

# The report's main figures, the first three of these that there are.
MAIN = ("trade", "retrieval_of_codes", "published_retrieval", "precision_recall")

FIGURES = {
    "trade": Figure(
        about="Draw how unique codes are against how well they group, a point for each source and length.",
        title="unique or grouped",
        stem=plan.TRADE,
        caption="comparison_trade",
        provenance=_OF_ALL,
        draw=f"{_DRAWN}.trade:plot_trade",
        summary=f"{_SAID}:trade_summary",
        claims=f"{_SAID}:trade_claims",
        headline=f"{_HEADLINES}:trade_headline",
        group="overview",
    ),
    "retrieval_of_codes": Figure(
        about="Draw mAP, recall within radius 2, redundancy and the time to encode against the length of codes.",
        title="retrieval by codes of every source",
        stem=plan.RETRIEVAL,
        caption="comparison_retrieval",
        tables=(f"{plan.RETRIEVAL}.csv", f"{plan.TIMES}.csv"),
        draw=f"{_DRAWN}.retrieval:plot_retrieval",
        summary=f"{_SAID}:retrieval_summary",
        claims=f"{_SAID}:retrieval_claims",
        headline=f"{_HEADLINES}:retrieval_headline",
        group="overview",
    ),
    "precision_recall": Figure(
        about="Draw precision against recall of every source's codes.",
        title="precision and recall",
        stem=plan.ALL_CURVES,
        caption="comparison_precision_recall",
        provenance=_OF_ALL,
        draw=f"{_DRAWN}.curves:plot_curves",
        summary=f"{_SAID}:curves_summary",
        headline=f"{_HEADLINES}:curves_headline",
        group="overview",
    ),
    "published_retrieval": Figure(
        about="Draw published mAP beside ours.",
        title="published mAP",
        stem=plan.PUBLISHED,
        caption="comparison_published",
        draw=f"{_DRAWN}.published:plot_published",
        summary=f"{_SAID}:published_summary",
        claims=f"{_SAID}:published_claims",
        published=f"{_HEADLINES}:published_values",
        group="overview",
    ),
}
WING = Wing("comparison", FIGURES, plan.asked, plan.data_text, main=MAIN, published=("published_retrieval.csv",))
