"""The images of labels: images of any format go in, noisy views of mosaics of them come out.

`banks` (and `readers`) store images; `task` says how mosaics and their noise are made; `layout` places images side by
side; `perlin`, `flow` and `colour` distort them; `noise` draws the random numbers of a view; `views` says how a view is
computed, to the bit, and is compiled for a CPU and a GPU (`views_on_cpu`, `views_on_gpu`); `mosaics` makes views.
"""
