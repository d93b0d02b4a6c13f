"""The definition of T-GSH, measured: manifolds of tasks and of digits, the second clause, and agreement of sign bits.

A task's manifold is the set of its responses f(x). T-GSH (Hong & Pavlic 2023) wants manifolds of two tasks far apart,
and, the second clause, ||f(x) - f(x')|| > ||f(x) - f(x'')|| for x of task A, x' of the same digit in task B and x'' of
another digit in A. GSH (Dikkala et al. 2021, arXiv 2103.06875) wants a small variance on one manifold beside the
distance of manifolds. All is summed over the pairs of `rehash.tgsh.responses`, those within a block of images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rehash.seeds import stream
from rehash.tgsh.cosines import products
from rehash.tgsh.model import Model

# The second clause holds for distances of responses as they are, and for those of unit vectors, which fall as their
# cosine rises: the published measure.
LENGTHS = ("unit length", "as they are")
SIGNS = 512  # units whose signs are compared
BITS = (1, 4, 16, 64)  # of a hash; each a power of 2
PAIR_COLUMNS = ("repeat", "state", "length", "task_a", "task_b", "distance", "squared_distance", "clause_two")


class Manifolds:
    """Sums over pairs of modulated responses, from which the measures of T tasks' manifolds follow.

    Shape suffixes: L of LENGTHS, D is 2 (pairs of one digit, of two digits), T tasks, B images of a block. Pairs are
    ordered, and always of different images but where x' of the second clause may be x itself in another task.
    """

    def __init__(self, tasks: int, signs: int, device: torch.device) -> None:
        double = {"dtype": torch.float64, "device": device}
        self.tasks = tasks
        self.products_LDTT = torch.zeros((2, 2, tasks, tasks), **double)
        self.pairs_D = torch.zeros(2, **double)
        self.squares_LT = torch.zeros((2, tasks), **double)
        self.images = 0
        # Of x' = x in another task, and of x' another image; a tie of two distances counts half.
        self.holds_LDTT = torch.zeros((2, 2, tasks, tasks), **double)
        self.triples_D = torch.zeros(2, **double)
        self.agreement = torch.zeros((3, signs + 1), dtype=torch.int64, device=device)  # of the parts of `_parted`
        self.hyperplanes = torch.zeros((len(BITS), 2), **double)  # within a task, and across

    def add(self, cosines: torch.Tensor, sizes: torch.Tensor, digits_B: torch.Tensor) -> None:
        """Add a block's images, shown in every task.

        Args:
            cosines: (T * B, T * B), of all pairs of responses. sizes: (T * B,), the lengths of the responses.
        """
        images = len(digits_B)
        same = digits_B[:, None] == digits_B
        other_image = ~torch.eye(images, dtype=torch.bool, device=same.device)
        kinds_DBB = torch.stack([same & other_image, ~same])
        self.pairs_D += kinds_DBB.sum((1, 2))
        self.images += images
        first, second = same.nonzero(as_tuple=True)
        is_same = first == second
        others_a_pair = (~same).sum(1)[first]
        self.triples_D += torch.stack([others_a_pair[is_same].sum(), others_a_pair[~is_same].sum()])
        ones = cosines.diagonal().round()  # 0 for a response that is zero everywhere
        for length, found, squares in ((0, cosines, ones), (1, cosines * sizes[:, None] * sizes, sizes.square())):
            found_TBTB, squares_TB = found.view(self.tasks, images, self.tasks, images), squares.view(-1, images)
            self.squares_LT[length] += squares_TB.sum(1)
            by_pair = found_TBTB.permute(0, 2, 1, 3).flatten(2) @ kinds_DBB.flatten(1).to(found.dtype).t()
            self.products_LDTT[length] += by_pair.permute(2, 0, 1)
            holds_PTT = clause_two(found_TBTB, squares_TB, same, first, second)
            self.holds_LDTT[length] += torch.stack([holds_PTT[is_same].sum(0), holds_PTT[~is_same].sum(0)])

    def add_signs(self, bits: torch.Tensor, cosines: torch.Tensor) -> None:
        """Add how many of a block's bits agree in each pair, and how many of random hyperplanes would.

        Args:
            bits: int8 (T * B, signs). cosines: (T * B, T * B), of the responses.
        """
        size, ones = self.agreement.shape[1], bits.sum(1, dtype=torch.int32)
        agree = products(bits, bits).mul_(2).sub_(ones).sub_(ones[:, None]).add_(bits.shape[1])
        self.agreement += torch.stack([part.bincount(minlength=size) for part in self._parted(agree)])
        # Own pairs are taken out first: what is left across tasks may be far too small to be found as a difference.
        across = 1 - cosines.clamp(-1, 1).arccos_() / np.pi
        own_BBT = self._own(across)
        own_BBT.diagonal(dim1=0, dim2=1).zero_()
        within = own_BBT.clone()
        own_BBT.zero_()
        reached = 1
        for place, count in enumerate(BITS):
            while reached < count:
                within, across, reached = within.square_(), across.square_(), 2 * reached
            self.hyperplanes[place] += torch.stack([within.sum(), across.sum()])

    def _own(self, pairs: torch.Tensor) -> torch.Tensor:
        """Return those of pairs (T * B, T * B) that are of one task, a view (B, B, T)."""
        images = len(pairs) // self.tasks
        return pairs.view(self.tasks, images, self.tasks, images).diagonal(dim1=0, dim2=2)

    def _parted(self, pairs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return all of (T * B, T * B), those of one task, and those of an image in one task and itself."""
        return pairs.flatten(), self._own(pairs).flatten(), pairs.diagonal()

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each of LENGTHS with the measures of all manifolds; NaN of pairs of tasks if there is one.

        variance is that of a task's responses, E |f|^2 - |E f|^2, distance the squared distance of two tasks' means,
        both means over tasks or pairs of tasks, and ratio distance / variance. digit_variance, digit_distance and
        digit_ratio are the same of the digits' manifolds within a task (digits as frequent as each other). A square of
        a mean, and a product of two, is the mean over pairs of different images: an unbiased estimate. clause_two is
        the share of triples for which the second clause holds, clause_two_one_image of those whose x' is x itself in
        the other task, triples how many there are.
        """
        found = []
        across = ~np.eye(self.products_LDTT.shape[-1], dtype=bool)
        for length, name in enumerate(LENGTHS):
            squares, products_TT, distance_TT = self._moments(length)
            own = (
                self.products_LDTT[length].diagonal(dim1=1, dim2=2).cpu().numpy() / self.pairs_D.cpu().numpy()[:, None]
            )
            variance, digit_variance = (squares - np.diag(products_TT)).mean(), (squares - own[0]).mean()
            distance, digit_distance = _mean(distance_TT[across]), 2 * (own[0] - own[1]).mean()
            shares = self._clause_two(length)
            found.append(
                {
                    "length": name, "variance": variance, "distance": distance, "ratio": distance / variance,
                    "digit_variance": digit_variance, "digit_distance": digit_distance,
                    "digit_ratio": digit_distance / digit_variance,
                    "clause_two": _mean(shares[0][across]), "clause_two_one_image": _mean(shares[1][across]),
                    "triples": int(self.triples_D.sum()) * int(across.sum()),
                }
            )  # fmt: skip
        return found

    def pair_rows(self, distance: np.ndarray) -> list[dict[str, Any]]:
        """Return a row for each of LENGTHS and ordered pair of tasks (A, B): squared_distance, clause_two.

        Args:
            distance: (T, T), of the tasks, which becomes a column of its own.
        """
        found = []
        for length, name in enumerate(LENGTHS):
            apart, shares = self._moments(length)[2], self._clause_two(length)[0]
            found += [
                {
                    "length": name, "task_a": a, "task_b": b, "distance": float(distance[a, b]),
                    "squared_distance": apart[a, b], "clause_two": shares[a, b],
                }
                for a, b in np.argwhere(~np.eye(len(distance), dtype=bool)).tolist()
            ]  # fmt: skip
        return found

    def sign_rows(self) -> list[dict[str, Any]]:
        """Return a row for each of BITS: how probable it is that a hash of so many bits is the same for two images.

        within and across are of two images in one task and of images in two, rho is log within / log across. The bits
        are the signs of units that are drawn with replacement, so that a pair with the share a of equal signs counts
        a ** bits. Columns (...)_hyperplanes: the same for the signs of random projections of the responses, (1 - theta
        / pi) ** bits for an angle theta (Charikar 2002, doi 10.1145/509907.509965).
        """
        shares, counts = np.linspace(0, 1, self.agreement.shape[1]), _apart(self.agreement.cpu().numpy())
        sums, pairs = self.hyperplanes.cpu().numpy(), counts.sum(1)
        found = []
        for bits, closed in zip(BITS, sums):
            row: dict[str, Any] = {"bits": bits}
            for end, total in (("", counts @ shares**bits), ("_hyperplanes", closed)):
                with np.errstate(invalid="ignore"):
                    within, across = map(float, total / pairs)
                row |= {f"within{end}": within, f"across{end}": across, f"rho{end}": rho(within, across)}
            found.append(row)
        return found

    def _moments(self, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return E |f|^2 (T,), the products of two tasks' means (T, T), and their squared distances (T, T)."""
        squares = self.squares_LT[length].cpu().numpy() / self.images
        means = (self.products_LDTT[length].sum(0) / self.pairs_D.sum()).cpu().numpy()
        own = np.diag(means)
        return squares, means, own[:, None] + own - means - means.T

    def _clause_two(self, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the shares of triples for which the clause holds, (T, T): of all, and of those of one image."""
        holds, triples = self.holds_LDTT[length].cpu().numpy(), self.triples_D.cpu().numpy()
        with np.errstate(invalid="ignore"):
            return holds.sum(0) / triples.sum(), holds[0] / triples[0]


def clause_two(
    products_TBTB: torch.Tensor,
    squares_TB: torch.Tensor,
    same_BB: torch.Tensor,
    first_P: torch.Tensor,
    second_P: torch.Tensor,
) -> torch.Tensor:
    """Count, for each pair of images x, x' of one digit and of tasks A, B, how many x'' the second clause holds for.

    Args:
        products_TBTB, squares_TB: of the responses.
        same_BB: bool, whether two images have one digit; x'' has another than x. first_P, second_P: x and x'.

    Returns:
        (P, T, T); x'' as far as x' counts half.
    """
    # Of |f(x) - f(x')|^2 only 2 f(x) f(x') - |f(x')|^2 differs from x' to x''; it is larger for a nearer one.
    to_other_task_PTT = 2 * products_TBTB[:, first_P, :, second_P] - squares_TB.t()[second_P, None]
    within_TBB = 2 * products_TBTB.diagonal(dim1=0, dim2=2).permute(2, 0, 1) - squares_TB[:, None]
    within_BPT = within_TBB.masked_fill(same_BB, float("-inf"))[:, first_P].permute(2, 1, 0)
    # 1 if x' is farther, 0 for a tie, and -1 if it is nearer, or x'' does not count.
    signs = (within_BPT[..., None] - to_other_task_PTT).sign_().sum(0)
    return (signs + len(same_BB)) / 2


class Signs:
    """The units of one network whose signs are compared, at most SIGNS of them, drawn at random."""

    def __init__(self, model: Model, repeat: int) -> None:
        units = model.identity["units"]
        rng = stream(model.identity["seed"], "tgsh", *model.keys.values(), repeat, "signs")
        chosen = np.sort(rng.choice(units, min(units, SIGNS), replace=False))
        self.units, self.count = torch.from_numpy(chosen).to(model.device), len(chosen)

    def on(self, responses_TBU: torch.Tensor) -> torch.Tensor:
        """Return which of the units respond, bool (T, B, count)."""
        return responses_TBU[..., self.units] > 0

    def modulated(self, on: torch.Tensor, vectors_TU: torch.Tensor) -> torch.Tensor:
        """Return the bits of modulated responses, int8 (T * B, count): 1 where the response is above 0."""
        return (on & (vectors_TU[:, None, self.units] > 0)).flatten(0, 1).to(torch.int8)


def rho(within: float, across: float) -> float:
    """Compute log within / log across (Indyk & Motwani 1998): below 1, and the smaller the better, for a hash.

    NaN where across is 0 or 1.
    """
    return float(np.log(within) / np.log(across)) if 0 < across < 1 and within > 0 else float("nan")


def _apart(parts: np.ndarray) -> np.ndarray:
    """Return the sums within and across tasks of pairs of two images, from the sums of `Manifolds._parted`."""
    everything, own, oneself = parts
    return np.stack([own - oneself, everything - own])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
