"""What is known of the variance of a mean over classes of which some stand in few pictures."""

import numpy as np
from numpy.typing import NDArray

from stages.judge.row_weights import Together

Floats = NDArray[np.float64]
_ROUNDING = 1e-12
_SELDOM = 0.025  # chance beyond one end of a 95 % interval


def alone(each: Floats, pictures: Floats) -> Floats:
    """Return what a class that one picture of a group alone holds is taken to vary, 0 for others.

    It shows no variance of its own; it is taken for one trial, half a success and half a failure added: as much as a figure
    between 0 and 1 can vary.

    Args:
        each: (...) figure of each class, NaN where it does not count.
        pictures: (...) pictures that hold it.
    """
    share = (np.nan_to_num(each).clip(0, 1) + 0.5) / 2
    found: Floats = np.where(np.isfinite(each) & (pictures <= 1), share * (1 - share), 0.0)
    return found


def pooled(
    each: Floats, variances: Floats, pictures: Floats, seen: Floats, together: Together
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """Say what is known of the variance of a mean over classes of which some stand in few pictures.

    A class that one picture of a group alone holds shows no variance of its own; what it is taken for (``alone``) is known
    and takes no freedom. Classes of which all is right, or all wrong, happen to show none; those that do so together are a
    part of the mean worth so many trials. Degrees of freedom of the others are Satterthwaite's (Biometrics Bulletin 2,
    1946), of classes that are drawn for themselves or of pictures, whichever are fewer.

    Where all is right, or all wrong, the group is worth as many trials as are all right as seldom; see ``_trials``.

    Args:
        each: (G, K) figure of each class, NaN where it does not count.
        variances: (G, K) what influences show of it.
        pictures: (G, K) pictures that hold the class, or what they are worth where they hold unequal numbers of it.
        seen: (G,) variance of the mean that pictures show, without what is added here.
        together: what it comes to that classes stand in the same pictures.

    Returns:
        Degrees of freedom, added variance and trials of the mean, (G,) each, what it rests on besides, the part of the
        variance that is of single pictures, and degrees of freedom by pictures alone (``ratio_slope.Moves``). It is one
        degree where each class is in one picture.
    """
    known = np.isfinite(each)
    num = np.maximum(known.sum(1), 1)
    lone = alone(each, pictures)
    single = lone.sum(1) + together.common
    right, wrong = (known & at for at in (np.nan_to_num(each) >= 1 - _ROUNDING, np.nan_to_num(each) <= _ROUNDING))
    kinds = (right & (pictures > 1), together.right), (wrong & (pictures > 1), together.wrong)
    added = single + sum(_unseen(np.where(kind, pictures, 0.0), most) for kind, most in kinds)
    parts = np.where(known & (pictures > 1), variances, 0.0)
    squares = np.divide(parts**2, pictures - 1, out=np.zeros(parts.shape), where=pictures > 1).sum(1)
    same = (right == known).all(1) | (wrong == known).all(1)
    fewest = np.where(known, pictures, np.inf).min(1, initial=np.inf)
    told = np.where((same | (added > 0)) & (known & (pictures > 1)).any(1), np.inf, fewest - 1)
    varies = (squares > 0) & ~same  # the last digits of sums do not
    freedom = np.where(varies, (parts + lone).sum(1) ** 2 / np.where(varies, squares, 1.0), told)
    of_sum = seen * num**2
    of_rows = together.freedom * np.divide(of_sum + single, of_sum, out=np.ones(num.size), where=of_sum > 0) ** 2
    of_rows = np.where(varies, of_rows, np.inf)
    freedom = np.minimum(freedom, of_rows)
    trials, still = np.full(num.size, np.inf), same & known.any(1)
    all_of = np.where(known, np.maximum(pictures, 1.0), 0.0)[still]
    trials[still] = np.minimum(_trials(all_of), together.trials[still])
    beside = (~same & (known & (pictures > 1)).any(1))[:, None]
    rest = [_part(np.where(kind & beside, pictures, 0.0), each, num, most) for kind, most in kinds]
    return np.maximum(freedom, 1.0), added / num**2, trials, np.stack(rest, axis=1), single / num**2, of_rows


def _part(pictures: Floats, each: Floats, num: Floats, most: Floats) -> Floats:
    """Return share, figure and trials of some classes, (G, 3).

    Args:
        pictures: (G, K) of each such class, 0 for others.
        each: (G, K) figure of each class.
        num: (G,) classes of the mean.
        most: (G,) trials that they are worth at most.
    """
    some = pictures > 0
    few, found = some.any(1), np.zeros((num.size, 3))
    count = some.sum(1)[few]
    found[few, 0], found[few, 1] = count / num[few], np.where(some, each, 0.0)[few].sum(1) / count
    found[few, 2] = np.minimum(_trials(pictures[few]), most[few])
    return found


def _unseen(pictures: Floats, most: Floats) -> Floats:
    """Return the variance of the sum of classes that are all right, or all wrong, and show none, (G,).

    As that of a share of their trials, by the estimate of R. Krichevsky and V. Trofimov (IEEE Transactions on Information
    Theory 27, 1981). Each class for itself would be too much: where many are held by few pictures each, others show it.

    Args:
        pictures: (G, K) of each such class, 0 for others.
        most: (G,) trials that they are worth at most.
    """
    found, some = np.zeros(len(pictures)), (pictures > 0).any(1)
    trials, num = np.minimum(_trials(pictures[some]), most[some]), (pictures[some] > 0).sum(1)
    found[some] = num**2 * 0.5 * (trials + 0.5) / ((trials + 1) ** 2 * trials)
    return found


def _trials(pictures: Floats) -> Floats:
    """Return how many trials all right say as much as all pictures of some classes do of the mean over these classes.

    Whatever the share that is right of each class is, the mean lies above the bound unless all is right in less than 2.5 %
    of cases: the lowest such mean has the shares min(1, m n) (Lagrange), of which the chance is a product.

    Args:
        pictures: (G, K) of each class, 0 where it does not count; at least one of a group does.
    """
    low, high = np.full(len(pictures), -750.0), np.zeros(len(pictures))
    logs = np.log(pictures, out=np.zeros(pictures.shape), where=pictures > 0)
    for _ in range(60):
        middle = (low + high) / 2
        seldom = (pictures * np.minimum(logs + middle[:, None], 0.0)).sum(1) < np.log(_SELDOM)
        low, high = np.where(seldom, middle, low), np.where(seldom, high, middle)
    shares = np.where(pictures > 0, np.exp(np.minimum(logs + high[:, None], 0.0)), 0.0)
    found: Floats = np.log(_SELDOM) / np.log(shares.sum(1) / (pictures > 0).sum(1))
    return found.round(9)
