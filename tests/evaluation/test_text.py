"""What a terminal shows of an evaluation, and of labels in great number."""

import numpy as np

from scripts.dataset.photos import Photo
from scripts.evaluation import text
from scripts.evaluation.evaluating import Evaluation


def evaluation(truth, predicted, labels, sure=0.8):
    scores = np.full((len(truth), len(labels)), (1 - sure) / (len(labels) - 1), np.float32)
    scores[np.arange(len(truth)), predicted] = sure
    photos = [Photo('p/%d.jpg' % i, 'p', '%d.jpg' % i, each, '') for i, each in enumerate(truth)]
    return Evaluation(labels, photos, scores)


def test_everything_is_said_and_aligned():
    lines = text.summary(
        evaluation([0, 0, 1], [0, 1, 1], ['a', 'much longer', 'empty']), 'Photos: 3', 2
    )
    assert lines == [
        'Accuracy: 0.67',
        'Cross Entropy: 0.92',
        '95% interval: 20.8% to 93.9% (Wilson, N=3)',
        'Photos: 3',
        '',
        '               precision  recall     F1  photos   95% of recall',
        'a                  1.000   0.500  0.667       2  0.095 to 0.905',
        'much longer        0.500   1.000  0.667       1  0.207 to 1.000',
        'empty                  -       -      -       0               -',
        'macro average      0.750   0.750  0.667       3',
        '',
        'The true label is among the',
        '  best: 0.667',
        '  best 2: 1.000',
        '',
        'With label_image --min_score, other photos are unknown:',
        '--min_score  labelled  of all  right  accuracy             95%',
        '0                   3   1.000      2     0.667  0.208 to 0.939',
        '0.3                 3   1.000      2     0.667  0.208 to 0.939',
        '0.4                 3   1.000      2     0.667  0.208 to 0.939',
        '0.5                 3   1.000      2     0.667  0.208 to 0.939',
        '0.6                 3   1.000      2     0.667  0.208 to 0.939',
        '0.7                 3   1.000      2     0.667  0.208 to 0.939',
        '0.8                 3   1.000      2     0.667  0.208 to 0.939',
        '0.9                 0   0.000      0         -               -',
        '0.95                0   0.000      0         -               -',
        '0.99                0   0.000      0         -               -',
        '',
        'True label by row, predicted label by column:',
        '                 [1]  [2]  [3]',
        '[1] a              1    1    .',
        '[2] much longer    .    1    .',
        '[3] empty          .    .    .',
    ]


def test_of_many_labels_the_matrix_shows_those_with_errors():
    labels = ['label %d' % index for index in range(200)]
    lines = text.summary(evaluation([150, 3, 4], [160, 3, 4], labels), '', 5)
    start = lines.index(
        'True label by row, predicted label by column, of the 30 labels with the most errors:'
    )
    matrix = lines[start + 1 :]
    assert len(matrix) == 31
    assert [line.split()[:3] for line in matrix[-2:]] == [
        ['[151]', 'label', '150'],
        ['[161]', 'label', '160'],
    ]
    assert matrix[-2].split()[-1] == '1'


def test_graphs_side_by_side_agree_with_the_first():
    first = evaluation([0, 0, 1, 1], [0, 0, 1, 1], ['a', 'b'])
    other = evaluation([0, 0, 1, 1], [0, 1, 1, 1], ['a', 'b'])
    lines = text.comparison(
        [
            text.Compared('float.pb', first, 2020053, 2.04),
            text.Compared('8-bit.pb', other, 660318, 11.06),
        ]
    )
    assert lines == [
        'graph     accuracy  cross entropy  same label      bytes  ms a photo',
        'float.pb    100.0%         0.2231      100.0%  2,020,053         2.0',
        '8-bit.pb     75.0%         0.5697       75.0%    660,318        11.1',
    ]


def test_no_label_or_graph_steers_a_terminal():
    seen = evaluation([0, 1], [0, 1], ['a\x1b[2J', 'b\x9b'])
    lines = text.summary(seen, 'Photos: 2', 2) + text.comparison(
        [text.Compared('g\n\x1b', seen, 1, 1)]
    )
    assert not {'\x1b', '\x9b', '\n'} & set(''.join(lines))
    assert any(line.startswith('a\\x1b[2J  ') for line in lines)
