"""Finds the mutation points of a source file and writes the file with every mutant in it.

A point is a range of the text with alternatives, one of which is taken when HAKMEM_MUTANT(its number) holds (mutant.h). Points
nest: an alternative is plain text, since one mutant at a time is on; only the original branch holds further points.
Left out, as decided by the compiler and not at run time: static_assert, `if constexpr`, template arguments, constexpr variables,
case labels, alignas, requires.
"""
import re
from dataclasses import dataclass, field

from clang.cindex import CursorKind as K
from clang.cindex import Index

import operators

# Written as blanks for the parser: the extent of what stands in a macro's argument would be the macro's.
TRANSPARENT = re.compile(r'\bHAKMEM_(UN)?LIKELY\b')
CHECK = re.compile(r'\bHAKMEM_(?:CHECK|DCHECK|AUDIT)\(')  # judges themselves (base/check.h)
FUNCTIONS = {K.FUNCTION_DECL, K.CXX_METHOD, K.CONSTRUCTOR, K.DESTRUCTOR, K.FUNCTION_TEMPLATE, K.CONVERSION_FUNCTION}
CLASSES = {K.NAMESPACE, K.CLASS_DECL, K.STRUCT_DECL, K.CLASS_TEMPLATE, K.CLASS_TEMPLATE_PARTIAL_SPECIALIZATION, K.LINKAGE_SPEC}
BODIES = {K.COMPOUND_STMT, K.IF_STMT, K.FOR_STMT, K.WHILE_STMT, K.DO_STMT, K.CXX_FOR_RANGE_STMT, K.CASE_STMT, K.DEFAULT_STMT}
NO_POINTS = {K.STATIC_ASSERT, K.ALIGNED_ATTR, K.TYPE_REF, K.TEMPLATE_REF, K.NAMESPACE_REF, K.CXX_UNARY_EXPR}
STATEMENT = re.compile(r'\s*;')
RETURN = re.compile(r'return\b\s*')


@dataclass
class Mutant:
    file: str
    line: int
    function: str
    operator: str
    before: str  # the line as it is
    after: str   # and with the mutant
    number: int = 0

    @property
    def key(self):
        return (self.file, self.function, self.operator, self.before, self.after)


@dataclass
class Point:
    start: int
    end: int
    statement: bool
    alternatives: list = field(default_factory=list)  # (Mutant, text)


def without_checks(text):
    """The same with blanks in their stead."""
    found = CHECK.search(text)
    while found:
        end, depth = found.end(), 1
        while depth:
            depth += {'(': 1, ')': -1}.get(text[end], 0)
            end += 1
        end = text.index(';', end) + 1
        text = text[:found.start()] + re.sub(r'[^\n]', ' ', text[found.start():end]) + text[end:]
        found = CHECK.search(text)
    return text


class Finder:
    def __init__(self, name, text, arguments):
        self.name, self.text, self.points, self.function, self.result = name, text, {}, '', ''
        blanked = TRANSPARENT.sub(lambda m: ' ' * len(m.group()), without_checks(text))
        unit = Index.create().parse(name, ['-x', 'c++', '-std=c++20', *arguments], [(name, blanked)])
        errors = [str(d) for d in unit.diagnostics if d.severity >= 3]
        if errors:
            raise SystemExit(f'mutate: {name} does not parse: {errors[0]}')
        self.declarations(unit.cursor)

    def add(self, start, end, operator, replacement, statement=False):
        point = self.points.setdefault((start, end, statement), Point(start, end, statement))
        if any(text == replacement for _, text in point.alternatives):
            return
        first, last = self.text.rfind('\n', 0, start) + 1, self.text.find('\n', end)
        flat = lambda text: ' '.join(text.split())
        point.alternatives.append((Mutant(
            self.name, self.text.count('\n', 0, start) + 1, self.function, operator, flat(self.text[first:last]),
            flat(self.text[first:start] + replacement + self.text[end:last])), replacement))

    def declarations(self, cursor):
        for child in cursor.get_children():
            if child.location.file is not None and child.location.file.name != self.name:
                continue
            if child.kind in CLASSES:
                self.declarations(child)
            elif child.kind in FUNCTIONS:
                self.function_body(child)
            elif child.kind == K.FIELD_DECL:
                self.function = child.spelling
                self.initialiser(child)

    def function_body(self, cursor):
        children = list(cursor.get_children())
        body = next((c for c in children if c.kind == K.COMPOUND_STMT), None)
        if body is None or 'consteval' in self.text[cursor.extent.start.offset:body.extent.start.offset]:
            return
        self.function, self.result = cursor.spelling, cursor.result_type.spelling
        self.statements(body)

    def initialiser(self, variable):
        if 'constexpr' in self.text[variable.extent.start.offset:variable.location.offset]:
            return
        for child in variable.get_children():
            if child.extent.start.offset > variable.location.offset:
                self.expression(child)

    def statements(self, cursor):
        """A statement that holds others."""
        for child in self.without_header(cursor):
            if child.kind in BODIES:
                self.statements(child)
            else:
                self.statement(child)

    def without_header(self, cursor):
        """The statements in `cursor`; its condition and such are looked at here."""
        children = list(cursor.get_children())
        head = self.text[cursor.extent.start.offset:cursor.extent.end.offset]
        if cursor.kind == K.IF_STMT:
            constant = re.match(r'if\s+constexpr', head)
            if children[0].kind == K.DECL_STMT:  # if (init; condition)
                self.expression(children.pop(0))
            if not constant:
                self.condition(children[0])
            return children[1:]
        if cursor.kind == K.WHILE_STMT:
            self.condition(children[0], loops=True)
            return children[1:]
        if cursor.kind == K.DO_STMT:
            self.condition(children[-1], loops=True)
            return children[:-1]
        if cursor.kind == K.FOR_STMT:
            self.for_header(cursor, children[:-1])
        if cursor.kind == K.CXX_FOR_RANGE_STMT or cursor.kind == K.FOR_STMT:
            return children[-1:]
        return children[1:] if cursor.kind == K.CASE_STMT else children

    def for_header(self, cursor, parts):
        start = cursor.extent.start.offset
        first = self.text.index(';', start)
        second = self.text.index(';', first + 1)
        for part in parts:
            at = part.extent.start.offset
            if first < at < second:
                self.condition(part, loops=True)
            else:
                self.expression(part)

    def condition(self, cursor, loops=False):
        while cursor.kind == K.PAREN_EXPR:
            cursor = next(cursor.get_children())
        if cursor.kind != K.VAR_DECL:
            for operator, replacement in operators.of_condition(cursor, self.text):
                if not (loops and replacement == 'true'):
                    self.add(cursor.extent.start.offset, cursor.extent.end.offset, operator, replacement)
        self.expression(cursor)

    def statement(self, cursor):
        start, end = cursor.extent.start.offset, cursor.extent.end.offset
        semicolon = STATEMENT.match(self.text, end)
        values = [c for c in cursor.get_children()] if cursor.kind == K.RETURN_STMT else []
        leaves = cursor.kind in (K.CONTINUE_STMT, K.BREAK_STMT) or (cursor.kind == K.RETURN_STMT and self.result == 'void')
        if semicolon and (cursor.kind.is_expression() or leaves):
            self.add(start, semicolon.end(), 'deletion', ';', statement=True)
        if values:
            first = RETURN.match(self.text, start).end()  # where the value begins: it may be with a transparent macro
            for operator, replacement in operators.of_returned(values[0], self.result, self.text):
                self.add(first, values[0].extent.end.offset, operator, replacement)
        self.expression(cursor)

    def expression(self, cursor):
        if cursor.kind in NO_POINTS:
            return
        if cursor.kind == K.LAMBDA_EXPR:
            return self.body_of_lambda(cursor)
        if cursor.kind == K.VAR_DECL:
            return self.initialiser(cursor)
        children = list(cursor.get_children())
        if cursor.kind == K.CONDITIONAL_OPERATOR:
            self.condition(children[0])
            children = children[1:]
        for operator, replacement in operators.OF_KIND.get(cursor.kind, lambda *_: ())(cursor, self.text):
            self.add(cursor.extent.start.offset, cursor.extent.end.offset, operator, replacement)
        for child in children:
            self.expression(child)

    def body_of_lambda(self, cursor):
        result, self.result = self.result, ''
        for child in cursor.get_children():
            if child.kind == K.COMPOUND_STMT:
                self.statements(child)
        self.result = result


def find(name, text, arguments):
    """The points of a file, outermost first in order of place."""
    return sorted(Finder(name, text, arguments).points.values(), key=lambda p: (p.start, -p.end, not p.statement))


def render(text, points):
    """The file with all mutants that have a number."""
    def piece(start, end, inside):
        out, at = [], start
        while inside:
            point, nested = inside[0], []
            rest = inside[1:]
            while rest and rest[0].end <= point.end:
                nested.append(rest.pop(0))
            inside = rest
            out += [text[at:point.start], wrap(point, piece(point.start, point.end, nested))]
            at = point.end
        return ''.join(out) + text[at:end]

    def wrap(point, original):
        alive = [(m.number, alternative) for m, alternative in point.alternatives if m.number]
        if not alive:
            return original
        if point.statement:
            return '{ if (!HAKMEM_MUTANT(%du)) {\n%s\n} }' % (alive[0][0], original)
        heads = ''.join('HAKMEM_MUTANT(%du) ?\n(%s)\n : ' % pair for pair in alive)
        return f'({heads}({original}))'

    return piece(0, len(text), list(points))
