"""The scores of every photo, as a CSV file."""

import csv
import io

from scripts.common import encodings, files


def write(path, evaluation):
    """Writes path, true label, predicted label and every label's score of each photo, UTF-8.

    Scores have as many digits as give the same float32 again. A path that is no UTF-8 has
    backslash escapes in it.

    Args:
      path: of the file to write.
      evaluation: an `Evaluation`.

    Raises:
      UserError: it cannot be written.
    """
    text = io.StringIO(newline='')
    writer = csv.writer(text, lineterminator='\n')
    labels = evaluation.labels
    writer.writerow(
        ['path', 'true_label', 'predicted_label'] + ['score_' + label for label in labels]
    )
    for photo, predicted, scores in zip(evaluation.photos, evaluation.predicted, evaluation.scores):
        writer.writerow(
            [photo.path, labels[photo.label_index], labels[predicted]]
            + ['%.9g' % score for score in scores]
        )
    lines = encodings.as_utf8(text.getvalue())
    files.write(path, lines.encode('utf-8', 'backslashreplace'))
