"""Draws house.svg: the folders of `scripts/`, what each is for, and which imports which.

  python -m docs.draw_house

Everything in the picture is read from the code: descriptions from the docstrings of the packages,
dots from the import statements.
"""

import ast
import html
import os

DOCS = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(os.path.dirname(DOCS), 'scripts')

COMMANDS = 'commands'  # The modules directly in `scripts/`.
_COMMANDS_DOC = 'Flags, checks, one call of the library, exit status.'

_ROW, _BOX, _TOP = 34, 28, 96  # Pixels; a box is _BOX tall, the first one below _TOP.
_BOX_RIGHT, _CELL = 770, 26
_STYLE = """
  text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #111827 }
  .name { font-weight: 600 } .quiet { fill: #4b5563 } .paper { fill: #fff }
  .box { fill: #eff6ff; stroke: #93c5fd } .self { fill: #bfdbfe } circle { fill: #1d4ed8 }
  line { stroke: #e5e7eb }
"""


def houses():
    """Returns the imports, as a dict of the name of a folder to the set of those it imports."""
    imports = {}
    for folder, _, names in os.walk(SCRIPTS):
        part = os.path.relpath(folder, SCRIPTS).split(os.sep)[0].replace('.', COMMANDS)
        for name in names:
            if name.endswith('.py'):
                imports.setdefault(part, set()).update(_imported(os.path.join(folder, name)))
    parts = set(imports)
    for part, others in imports.items():
        imports[part] = (others & parts | ({COMMANDS} if others - parts else set())) - {part}
    return imports


def _imported(path):
    """Returns the names directly below `scripts` that a module imports."""
    with open(path, encoding='utf-8') as file:
        tree = ast.parse(file.read())
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == 'scripts':
            names += ['scripts.' + alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or '')
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return {name.split('.')[1] for name in names if name.startswith('scripts.')}


def floors(imports):
    """Returns the names of the folders from the top down: none imports one above it."""
    depths = {}

    def depth(part):
        if part not in depths:
            depths[part] = 1 + max([depth(each) for each in imports[part]] or [0])
        return depths[part]

    return sorted(imports, key=lambda part: (-depth(part), part))


def describe(part):
    """Returns the first line of the docstring of a folder."""
    if part == COMMANDS:
        return _COMMANDS_DOC
    with open(os.path.join(SCRIPTS, part, '__init__.py'), encoding='utf-8') as file:
        return ast.get_docstring(ast.parse(file.read())).splitlines()[0]


def svg():
    """Returns the picture: a row for each folder, with a dot for each folder that it imports."""
    imports = houses()
    order = floors(imports)
    size = _BOX_RIGHT + _CELL * (len(order) + 1), _TOP + _ROW * len(order) + 8
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d">' % size,
        '<title>The folders of scripts/, and which imports which</title>',
        '<style>%s</style>' % _STYLE,
        '<rect class="paper" width="100%" height="100%"/>',
    ]
    for row, part in enumerate(order):
        lines += _column(_name(part), _x(row), size[1])
    for row, part in enumerate(order):
        lines += _box(_name(part), describe(part), _TOP + _ROW * row)
        lines += [
            '<circle cx="%d" cy="%d" r="5"/>' % (_x(column), _TOP + _ROW * row + _BOX // 2)
            for column, other in enumerate(order)
            if other in imports[part]
        ]
        lines.append(
            '<rect class="self" x="%d" y="%d" width="16" height="16" rx="3"/>'
            % (_x(row) - 8, _TOP + _ROW * row + _BOX // 2 - 8)
        )
    return '\n'.join(lines + ['</svg>']) + '\n'


def _name(part):
    return 'scripts/*.py' if part == COMMANDS else part + '/'


def _x(column):
    return _BOX_RIGHT + _CELL * (column + 1)


def _box(name, words, y):
    return [
        '<rect class="box" x="8" y="%d" width="%d" height="%d" rx="6"/>'
        % (y, _BOX_RIGHT - 8, _BOX),
        '<text class="name" x="20" y="%d">%s</text>' % (y + 19, name),
        '<text class="quiet" x="134" y="%d">%s</text>' % (y + 19, html.escape(words)),
    ]


def _column(name, x, height):
    return [
        '<line x1="%d" x2="%d" y1="%d" y2="%d"/>' % (x, x, _TOP, height - 12),
        '<text transform="translate(%d %d) rotate(-90)">%s</text>' % (x + 5, _TOP - 6, name),
    ]


def main():
    """Writes the picture beside this file."""
    with open(os.path.join(DOCS, 'house.svg'), 'w', encoding='utf-8') as file:
        file.write(svg())


if __name__ == '__main__':
    main()
