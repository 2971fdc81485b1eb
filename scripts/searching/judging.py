"""What trials are judged by. No TensorFlow here."""

import numpy as np

# A temperature of 1 is in the middle. An overconfident network, as fine-tuned ones are, wants more.
_TEMPERATURES = np.geomspace(1 / 8, 8, 49)
_LEAST_SCORE = 1e-30


def losses(scores, truth):
    """Returns the cross entropies of photos, of scores at the temperature that suits them best.

    By their mean, a few validation photos tell good models from better ones, where by accuracy many
    are the same, or better by chance. The temperature (Guo et al., 2017, arxiv.org/abs/1706.04599)
    takes out what does not change labels: how confident a model is.

    Args:
      scores: float32 `[photos, labels]`, of a softmax.
      truth: int `[photos]`, the indices of the right labels.

    Returns:
      float64 `[photos]`, in nats; the lower the better.
    """
    logits = np.log(np.maximum(scores.astype(np.float64), _LEAST_SCORE))
    right = np.arange(len(truth)), truth
    found = []
    for temperature in _TEMPERATURES:
        scaled = logits / temperature
        highest = scaled.max(axis=1, keepdims=True)
        sums = np.log(np.exp(scaled - highest).sum(axis=1)) + highest[:, 0]
        found.append(sums - scaled[right])
    return min(found, key=np.mean)


def candidates(trials):
    """Returns those trials that are as good as the best, as far as validation photos can tell.

    A trial drops out as soon as its mean loss is more than one standard error of the difference
    (that of paired losses) above the lowest. The first that is left is the one to take (the rule of
    one standard error; Breiman et al., Classification and Regression Trees, 1984): trials begin
    with the simplest, and the lowest loss of many is low by chance.

    Args:
      trials: dict from anything to the `losses` of a trial, of the same photos in the same order;
        those that were run first stand first.

    Returns:
      A list of keys, in the same order; what was dropped once does not come back.
    """
    left = []
    for trial in trials:
        left.append(trial)
        best = min(left, key=lambda each: np.mean(trials[each]))
        left = [each for each in left if _is_as_good(trials[each], trials[best])]
    return left


def _is_as_good(found, best):
    differences = np.asarray(found) - best
    return differences.mean() <= differences.std() / len(differences) ** 0.5
