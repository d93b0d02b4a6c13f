"""The HTML report: a first page on all works, and a page for each dataset, benchmark, task and database."""
