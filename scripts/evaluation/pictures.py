"""An evaluation as pictures, for TensorBoard. No TensorFlow here."""

from PIL import Image, ImageDraw, ImageFont

from scripts.evaluation import metrics
from scripts.images import thumbnails

MATRIX_LABELS = 40
TOP_LOSSES = 24

_CELL = 36  # Pixels; as wide as a count of five digits.
_GAP = 6
_LINE = 14  # Pixels from one line of text to the next.
_COLUMNS = 6
_SCALE = 2  # Pillow's own font has one size, and that is small.
_INK, _PAPER, _FAINT = (32, 36, 44), (255, 255, 255), (244, 245, 247)
_RIGHT, _WRONG = (37, 99, 235), (217, 93, 20)


def confusion_matrix(evaluation):
    """Draws the confusion matrix: true label by row, predicted label by column.

    A cell's colour shows its fraction of the row: blue where right, orange where wrong.

    Args:
      evaluation: an `Evaluation`.

    Returns:
      An RGB Pillow image.
    """
    confusion = evaluation.confusion
    shown = metrics.hardest_labels(confusion, MATRIX_LABELS)
    names = [_text('%s' % evaluation.labels[index], _INK, _PAPER) for index in shown]
    margin = max(name.width for name in names) + 2 * _GAP
    side = margin + _CELL * len(shown) + _GAP
    image = Image.new('RGB', (side, side), _PAPER)
    for place, (index, name) in enumerate(zip(shown, names)):
        start = margin + place * _CELL
        image.paste(name, (margin - _GAP - name.width, start + (_CELL - name.height) // 2))
        upright = name.transpose(Image.ROTATE_90)
        image.paste(upright, (start + (_CELL - upright.width) // 2, margin - _GAP - upright.height))
        row = confusion[index]
        for column, other in enumerate(shown):
            fraction = row[other] / max(row.sum(), 1)
            cell = _cell(row[other], fraction, _RIGHT if index == other else _WRONG)
            image.paste(cell, (margin + column * _CELL, start))
    return image.resize((side * _SCALE, side * _SCALE), Image.NEAREST)


def top_losses(evaluation):
    """Draws the misclassified photos with the highest losses, as the report shows them.

    Each has the score of its predicted label, in orange, and of its true one, in blue.

    Returns:
      An RGB Pillow image, or None where no photo is misclassified.
    """
    rows = metrics.top_losses(evaluation.scores, evaluation.truth, TOP_LOSSES)
    if not len(rows):
        return None
    width, height = thumbnails.SIZE + _GAP, thumbnails.SIZE + 2 * _LINE + 2 * _GAP
    columns = min(_COLUMNS, len(rows))
    lines = -(-len(rows) // columns)
    sheet = Image.new('RGB', (columns * width + _GAP, lines * height + _GAP), _PAPER)
    for place, row in enumerate(rows):
        left, top = _GAP + place % columns * width, _GAP + place // columns * height
        image = thumbnails.load(evaluation.photos[row].path, evaluation.exif_rotation)
        if image is not None:
            sheet.paste(image, (left, top + thumbnails.SIZE - image.height))
        for line, (text, ink) in enumerate(_caption(evaluation, row)):
            drawn = _text(text, ink, _PAPER)
            drawn = drawn.crop((0, 0, min(drawn.width, thumbnails.SIZE), drawn.height))
            sheet.paste(drawn, (left, top + thumbnails.SIZE + _GAP // 2 + line * _LINE))
    return sheet


def _caption(evaluation, row):
    scores, labels = evaluation.scores[row], evaluation.labels
    true, predicted = evaluation.photos[row].label_index, scores.argmax()
    return [
        ('%.0f%% %s, predicted' % (100 * scores[predicted], labels[predicted]), _WRONG),
        ('%.0f%% %s, true' % (100 * scores[true], labels[true]), _RIGHT),
    ]


def _cell(count, fraction, colour):
    shade = tuple(int(faint + (full - faint) * fraction) for faint, full in zip(_FAINT, colour))
    cell = Image.new('RGB', (_CELL - 1, _CELL - 1), shade)
    if count:
        text = _text(str(count), _PAPER if fraction > 0.5 else _INK, shade)
        cell.paste(text, ((cell.width - text.width) // 2, (cell.height - text.height) // 2))
    return cell


def _text(text, ink, paper):
    """Returns a line of text as a Pillow image; Pillow's own font knows Latin letters only."""
    font = ImageFont.load_default()
    drawable = text.encode('latin-1', 'replace')
    width, height = font.getmask(drawable).size
    image = Image.new('RGB', (max(width, 1), max(height, _LINE)), paper)
    ImageDraw.Draw(image).text((0, 0), drawable, fill=ink, font=font)
    return image
