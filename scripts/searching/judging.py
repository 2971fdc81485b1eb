"""What trials are judged by. No TensorFlow here."""

import numpy as np

# A temperature of 1 is in the middle. An overconfident network, as fine-tuned ones are, wants more.
_TEMPERATURES = np.geomspace(1 / 8, 8, 49)
_LEAST_SCORE = 1e-30


def loss(scores, truth):
    """Returns the cross entropy of scores at the temperature that suits them best.

    A few validation photos tell good models from better ones by it, where by accuracy many are the
    same, or better by chance. The temperature (Guo et al., 2017, arxiv.org/abs/1706.04599) takes
    out what does not change labels: how confident a model is.

    Args:
      scores: float32 `[photos, labels]`, of a softmax.
      truth: int `[photos]`, the indices of the right labels.

    Returns:
      A float: nats, the mean over photos; the lower the better.
    """
    logits = np.log(np.maximum(scores.astype(np.float64), _LEAST_SCORE))
    right = np.arange(len(truth)), truth
    losses = []
    for temperature in _TEMPERATURES:
        scaled = logits / temperature
        highest = scaled.max(axis=1, keepdims=True)
        sums = np.log(np.exp(scaled - highest).sum(axis=1)) + highest[:, 0]
        losses.append(float(np.mean(sums - scaled[right])))
    return min(losses)
