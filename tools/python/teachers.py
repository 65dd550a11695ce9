"""Looks at what teachers say while a cache is written: how good they are by the labels, and whether these are logits at all.

cache_write.py and cache_torch.py use it. What cannot be right is refused with a ValueError of one line, which says what to do;
what may be right is a warning on stderr.
"""
import sys

import numpy as np
import xxhash

FEW = 50  # samples, below which chance explains any accuracy
ROUNDING = 1e-2  # how far sums of probabilities may be off that were rounded to two or three decimals


def say(text):
    print(f"cache: {text}", file=sys.stderr, flush=True)


def truth(y, task, offset=0.):
    """Labels as int32, or targets as float32, less their offset: [N] of an array [N] or [N][1]. None if y is None."""
    if y is None:
        return None
    y = np.asarray(y)
    what = "labels" if task == "classes" else "targets"
    if y.ndim == 2 and y.shape[1] > 1 and task == "classes":
        raise ValueError(f"labels are {list(y.shape)}, expected one a sample; for one-hot labels hand over y.argmax(1)")
    if y.ndim != 1 and y.shape[1:] != (1,) * (y.ndim - 1):
        raise ValueError(f"{what} are {list(y.shape)}, expected [N], one a sample")
    y = y.reshape(-1)
    if y.dtype.kind not in "biuf":
        raise ValueError(f"{what} are of type {y.dtype}, the first one is {y[:1].tolist()}; expected numbers"
                         + (", from 0 on: numpy.unique(y, return_inverse=True)[1]" if task == "classes" else ""))
    if task == "regression":
        with np.errstate(over="ignore", invalid="ignore"):
            y = y - offset if offset else y
            single = y.astype("<f4")
            if len(y) and np.isfinite(single).all() and (abs(y - single) > 1e-4 * y.std()).any():
                raise ValueError("targets lie so far from zero that float32 loses their digits; hand over offsets=offsets_of(x, y) of "
                                 "the training set, as cache_write.py does (cache_write.offsets_of)")
            return first_bad(single, lambda t: ~np.isfinite(t), "a target that float32 can hold")
    if y.dtype.kind == "f":
        first_bad(y, lambda t: t != np.rint(t), "a whole number; a label is the number of a class, from 0 on "
                  "(is this the right column? targets of a regression need task=\"regression\", --task regression)")
    return first_bad(y, lambda t: (t < 0) | (t >= 2**31), "a label from 0 on").astype("<i4")


def first_bad(y, bad, expected):
    at = np.flatnonzero(bad(y))
    if len(at):
        raise ValueError(f"row {at[0]} has {y[at[0]]:.7g} ({len(at)} of {len(y)} rows are like it), expected {expected}")
    return y


def check_range(y, outputs):
    """Labels that the logits have outputs for."""
    if len(y) and y.max() >= outputs:
        at = int(np.argmax(y >= outputs))
        begins = " (labels begin at 1: subtract 1)" if y.min() == 1 and y.max() == outputs else ""
        raise ValueError(f"row {at} has label {y[at]}, expected 0 to {outputs - 1}, as the logits have {outputs} outputs{begins}")


def smallest(p):
    """What stands for a probability of 0: half of the smallest one above 0 that occurs.

    A stored 0 means less than what the array can tell from 0: a part of a tree's vote, the last decimal, the smallest number of
    the type. Half of the smallest positive value is the middle of that range, and no other value is changed. It is at least
    2^-126, the smallest number that float32 holds with all its digits, so a logarithm is never below -87.4.
    """
    least = min((np.min(part, where=part > 0, initial=1.) for part in p), default=1.)
    return max(float(least) / 2, 2.**-126)


def logarithms(p, floor, who):
    """Logits of probabilities [n][K]: their logarithms, whose softmax gives the probabilities again."""
    p = np.asarray(p, np.float64)
    off = np.flatnonzero(~((p >= 0).all(1) & (abs(p.sum(1) - 1) < ROUNDING)))
    if len(off):
        raise ValueError(f"{who}: row {off[0]} sums to {p[off[0]].sum():.4g}, its least value is {p[off[0]].min():.4g}; expected "
                         "probabilities, as --probabilities says")
    return np.log(np.maximum(p, floor))


def standard(y):
    """Mean and deviation of targets, as data.normalize: standard takes them."""
    return float(y.mean(dtype="f8")), float(y.std(dtype="f8")) or 1.


class Teacher:
    """What one member says of all samples, in order."""

    def __init__(self, K):
        self.rows, self.right, self.nll, self.squares, self.raw, self.flat, self.changed = 0, 0, 0., 0., 0., 0, False
        self.first, self.hash, self.mark, self.answers = None, xxhash.xxh3_64(), 0., np.zeros(K)
        self.sum, self.sum_of_squares = 0., 0.  # regression: of means
        self.positive, self.least, self.most = True, np.inf, -np.inf


class Teachers:
    """Compares what members say of view 0 with the labels.

        teachers = Teachers(M, K, y, task)
        teachers.add(m, first, logits)    # of each member all rows in order, in pieces
        teachers.judge()

    y       [N] as truth() gives it, or None
    what    an attribute: the name of the set, as it begins a line, "set test: "
    target  regression: mean and deviation by which targets were standardised; by default those of y
    """

    def __init__(self, members, outputs, y, task, target=None):
        self.what = ""
        self.K, self.y, self.task, self.target = outputs, y, task, target
        self.of = [Teacher(outputs) for _ in range(members)]
        if y is not None and task == "classes":
            check_range(y, outputs)
        if y is not None and task == "regression" and target is None:
            self.target = standard(y)

    def add(self, m, first, rows):
        """Rows [first, ...) of member m: [n][K]."""
        n = max(1, 2**20 // self.K)
        for at in range(0, len(rows), n):
            self.add_some(m, first + at, rows[at:at + n])

    def add_some(self, m, first, rows):
        t = self.of[m]
        t.hash.update(np.ascontiguousarray(rows).reshape(-1).view(np.uint8))
        z = np.asarray(rows, np.float64)
        t.first = z[0] if t.first is None else t.first
        t.changed = t.changed or bool((z != t.first).any())
        t.rows += len(z)
        if self.task == "regression":
            self.add_gaussians(t, first, z)
            return
        sums = z.sum(1)
        t.positive, t.least, t.most = t.positive and bool((z >= 0).all()), min(t.least, sums.min()), max(t.most, sums.max())
        self.refuse_shares(m, t)
        top = z.max(1, keepdims=True)
        t.flat += int((z == top).all(1).sum()) if self.K > 1 else 0
        log_p = z - top - np.log(np.exp(z - top).sum(1, keepdims=True))
        t.mark += np.cos(np.arange(first, first + len(z))) @ (np.exp(log_p) @ np.cos(np.arange(1, self.K + 1)))
        if self.y is not None:
            y, best = self.y[first:first + len(z)], z.argmax(1)
            t.right += int((best == y).sum())
            t.nll -= float(log_p[np.arange(len(z)), y].sum())
            t.answers += np.bincount(best, minlength=self.K)

    def add_gaussians(self, t, first, z):
        t.mark += np.cos(np.arange(first, first + len(z))) @ z[:, 0]
        t.sum, t.sum_of_squares = t.sum + float(z[:, 0].sum()), t.sum_of_squares + float((z[:, 0]**2).sum())
        if self.y is not None:
            y, (mean, scale) = self.y[first:first + len(z)].astype("f8"), self.target
            squares = ((y - mean) / scale - z[:, 0])**2
            t.squares += float(squares.sum())
            t.raw += float(((y - z[:, 0])**2).sum())
            with np.errstate(over="ignore"):
                t.nll += float((0.5 * (np.log(2 * np.pi) + z[:, 1] + squares * np.exp(-z[:, 1]))).sum() + len(z) * np.log(scale))

    def refuse_shares(self, m, t):
        """Probabilities, percentages, votes: not below 0, and every row has the same sum."""
        if self.K < 2 or not (t.positive and t.changed and t.most > 0 and t.most - t.least <= ROUNDING * t.most):
            return
        if abs(t.most - 1) <= ROUNDING and t.rows > 1:
            raise ValueError(f"{self.what}member {m} gives probabilities (no value below 0, every row sums to 1), expected logits: "
                             "take the model without its last softmax, or hand over log(p); cache_write takes --probabilities "
                             "(probabilities=True), which does it")
        if t.rows >= FEW:
            raise ValueError(f"{self.what}member {m} gives shares or votes (no value below 0, every row sums to {t.most:.4g}), "
                             "expected logits: divide by the sum, and write the cache with --probabilities (probabilities=True)")

    def figures(self, m):
        """Accuracy and NLL of a member, or RMSE and NLL in the target's unit."""
        t = self.of[m]
        first = t.right / t.rows if self.task == "classes" else (t.squares / t.rows)**.5 * self.target[1]
        return first, t.nll / t.rows

    def by_chance(self, m):
        """The accuracy of the member's answers if labels were shuffled, and three standard deviations more."""
        t = self.of[m]
        hits = float(t.answers / t.rows @ (np.bincount(self.y, minlength=self.K) / len(self.y)))
        return hits + 3 * (hits * (1 - hits) / t.rows)**.5

    def judge(self, show=True):
        """Print the figures, warn, or raise a ValueError."""
        what = self.what
        self.refuse_constant()
        self.refuse_twins()
        name = "accuracy" if self.task == "classes" else "RMSE"
        for m, t in enumerate(self.of):
            if self.y is not None and show:
                say("{}member {}: {} {:.4f}, NLL {:.4f}".format(what, m, name, *self.figures(m)))
            if t.flat:
                say(f"warning: {what}member {m} has {t.flat} rows in which all outputs are equal, as in an array that was not "
                    "filled to its end; look at them")
        if self.y is None:
            self.judge_scale(what)
        elif self.task == "classes":
            self.judge_accuracy(what)
        else:
            self.judge_unit(what)

    def refuse_constant(self):
        for m, t in enumerate(self.of):
            if t.rows > 1 and not t.changed:
                raise ValueError(f"{self.what}member {m} gives the same outputs for all {t.rows} samples; look at the inputs that it "
                                 "gets (are they scaled as in its training?), or leave it out")

    def refuse_twins(self):
        for m, t in enumerate(self.of):
            for n in range(m):
                other = self.of[n]
                if t.hash.digest() == other.hash.digest():
                    raise ValueError(f"{self.what}members {n} and {m} have the same logits; leave one of them out (or was one model "
                                     "loaded twice?)")
                if t.rows > 1 and abs(t.mark - other.mark) < 1e-5 * t.rows**.5:
                    say(f"warning: {self.what}members {n} and {m} give the same predictions up to rounding; was one model loaded "
                        "twice?")

    def judge_accuracy(self, what):
        accuracy = [self.figures(m)[0] for m in range(len(self.of))]
        poor = [m for m, t in enumerate(self.of) if t.rows >= FEW and accuracy[m] <= self.by_chance(m)]
        if poor and len(poor) == len(self.of):
            raise ValueError(f"{what}all members are right as often as by chance (accuracies {min(accuracy):.4f} to "
                             f"{max(accuracy):.4f}): are they trained, and are their rows in the order of the labels "
                             "(shuffle=False)? If the labels are not what they predict, write the cache without labels "
                             "(--no-labels, labelled=False)")
        for m, value in enumerate(accuracy):
            if m in poor:
                say(f"warning: {what}member {m} is right as often as by chance ({value:.4f}), the best one in {max(accuracy):.4f} of "
                    "the samples; is it trained, and are its rows in the same order?")
            elif value < max(accuracy) - 0.2:
                say(f"warning: {what}member {m} is right in {value:.4f} of the samples, the best one in {max(accuracy):.4f}; is it "
                    "trained, and does it get its inputs scaled as in its training?")

    def judge_scale(self, what):
        """Without targets the program cannot standardise them."""
        for m, t in enumerate(self.of):
            if self.task == "regression" and (t.sum_of_squares / t.rows)**.5 > 10:
                say(f"warning: {what}member {m} gives means around {t.sum / t.rows:.4g}; without targets a student has to learn these "
                    "very numbers, which is slow. Hand over standardised means and log variances (mean 0, deviation 1), and undo it in "
                    "what the student gives")

    def judge_unit(self, what):
        mean, deviation = standard(self.y)
        for m, t in enumerate(self.of):
            rmse, raw = self.figures(m)[0], (t.raw / t.rows)**.5
            if t.rows >= FEW and rmse >= deviation and raw < 0.9 * deviation:
                raise ValueError(f"{what}member {m} gives means in the target's own unit, expected standardised ones: (mean - "
                                 f"{mean:.6g}) / {deviation:.6g}, and the log variance less 2 log {deviation:.6g}; or say "
                                 "target=(0, 1) (--target 0 1) if the configuration has data.normalize: none")
            if t.rows >= FEW and rmse >= deviation:
                say(f"warning: {what}member {m} is no better than the mean of the targets (RMSE {rmse:.4g}, their deviation "
                    f"{deviation:.4g}); are its rows in the order of the targets?")
