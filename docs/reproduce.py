"""Every published value beside ours, worked out again: python docs/reproduce.py [RESULTS]

Prints how many values lie inside, by figure or table, from the committed results, and the same of the comparisons that
the folder RESULTS has, if one is given. Exits with status 1, and names the pages, if a page of the documentation says
something else than the committed results.
"""

import sys
from pathlib import Path

import generate
import pandas as pd
from tables_reproduction import by_panel, comparisons

BUILT = {
    "He et al. 2021": "hash_encoders/*/published.csv",
    "Hong & Pavlic 2023": "tgsh/*/*/published*.csv",
    "Duchesneau": "equihash/perfect_retrieval.csv",
    "supervised hashing": "comparison/*/published.csv",
}


def built(results: Path) -> pd.DataFrame:
    """The comparisons of a run: columns work, panel (the table), protocol, verdict."""
    found = []
    for work, pattern in BUILT.items():
        for path in sorted(results.glob(pattern)):
            table = pd.read_csv(path)
            if "verdict" in table and len(table):
                table = table.assign(work=work, panel=str(path.relative_to(results)))
                found.append(table.reindex(columns=["work", "panel", "protocol", "verdict"]))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["work"])


def main(results: str = "") -> None:
    print(f"The committed results\n\n{by_panel(comparisons()).to_string(index=False)}")
    if results:
        if not Path(results).is_dir():
            sys.exit(f"{results}: no such folder; expected the results of a run, as `results`")
        table = built(Path(results))
        print(f"\n{results}\n\n{by_panel(table).to_string(index=False) if len(table) else 'no comparison'}")
    stale = [path for path, text in generate.pages().items() if path.read_text(encoding="utf-8") != text]
    if stale:
        names = ", ".join(str(path.relative_to(generate.ROOT)) for path in stale)
        sys.exit(f"\n{names}: not what the committed results say; `make docs` writes them anew")
    print("\nAll pages say what the committed results say.")


if __name__ == "__main__":
    main(*sys.argv[1:])
