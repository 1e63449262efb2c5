"""The mutation operators: what an expression or statement of the AST may be replaced by.

Each function takes a cursor (and the text of its file) and yields (operator, replacement text).
"""
import re

from clang.cindex import CursorKind as K
from clang.cindex import TypeKind

RELATIONAL = {'<': ('<=', '>='), '<=': ('<', '>'), '>': ('>=', '<='), '>=': ('>', '<'), '==': ('!=',), '!=': ('==',)}
ARITHMETIC = {'+': '-', '-': '+', '*': '/', '/': '*', '%': '/', '<<': '>>', '>>': '<<', '&': '|', '|': '&', '^': '&'}
ASSIGNMENT = {'+=': '-=', '-=': '+=', '*=': '/=', '/=': '*=', '&=': '|=', '|=': '&=', '^=': '&=', '<<=': '>>=', '>>=': '<<='}
WEAKER = {'load_acquire': ['load_relaxed'], 'store_release': ['store_relaxed'], 'exchange_acquire': ['exchange_relaxed'],
          'exchange_release': ['exchange_relaxed'],
          'cas_weak_release_relaxed': ['cas_relaxed'], 'cas_acquire_relaxed': ['cas_relaxed']}
ORDERED_CALL = re.compile(r'^(.*(?:\.|->))(%s)(\([^()]*\))$' % '|'.join(WEAKER), re.S)
INTEGER = re.compile(r'^(0[xX][0-9a-fA-F]+|[0-9]+)([uUlLzZ]*)$')
COMPARISONS = set(RELATIONAL) | {'&&', '||'}


def text_of(cursor, text):
    return text[cursor.extent.start.offset:cursor.extent.end.offset]


def binary_operator(cursor, text):
    """(left, operator, right) as text; None where the two sides cannot be told apart."""
    sides = list(cursor.get_children())
    if len(sides) != 2:
        return None
    between = text[sides[0].extent.end.offset:sides[1].extent.start.offset]
    operator = re.sub(r'//[^\n]*|\s|[()]', '', between)
    start, end = cursor.extent.start.offset, cursor.extent.end.offset
    at = sides[0].extent.end.offset + between.find(operator)
    return (text[start:at], operator, text[at + len(operator):end]) if operator else None


def of_binary(cursor, text):
    parts = binary_operator(cursor, text)
    if parts is None:
        return
    left, op, right = parts
    for other in RELATIONAL.get(op, ()):
        yield 'relational', f'{left}{other}{right}'
    distance = op == '-' and list(cursor.get_children())[1].type.get_canonical().kind == TypeKind.POINTER
    if op in ARITHMETIC and not distance:  # two pointers have no sum
        yield 'arithmetic', f'{left}{ARITHMETIC[op]}{right}'
    if op in ASSIGNMENT:
        yield 'arithmetic', f'{left}{ASSIGNMENT[op]}{right}'
    if op in ('&&', '||'):
        yield 'conjunct', left.strip()
        yield 'conjunct', right.strip()
        yield 'logical', f'{left}{"||" if op == "&&" else "&&"}{right}'


def of_unary(cursor, text):
    whole = text_of(cursor, text)
    if whole.startswith('!'):
        yield 'logical', whole[1:]
    elif whole.startswith(('++', '--')):
        yield 'increment', ('--' if whole[0] == '+' else '++') + whole[2:]
    elif whole.endswith(('++', '--')):
        yield 'increment', whole[:-2] + ('--' if whole[-1] == '+' else '++')


def of_integer(cursor, text):
    match = INTEGER.match(text_of(cursor, text))
    if match:
        digits = match.group(1)
        value = int(digits, 8 if re.match(r'0\d', digits) else 0)
        yield 'constant', f'{value + 1}{match.group(2)}'
        if value > 0:
            yield 'constant', f'{value - 1}{match.group(2)}'


def of_bool(cursor, text):
    yield 'constant', 'false' if text_of(cursor, text) == 'true' else 'true'


def of_call(cursor, text):
    match = ORDERED_CALL.match(text_of(cursor, text))
    if match:
        for weaker in WEAKER[match.group(2)]:
            yield 'memory-order', f'{match.group(1)}{weaker}{match.group(3)}'


def of_returned(value, result_type, text):
    """The value of a return statement in a function of that result type."""
    whole = text_of(value, text)
    if value.kind in (K.INTEGER_LITERAL, K.CXX_BOOL_LITERAL_EXPR, K.INIT_LIST_EXPR) or whole.startswith('{'):
        return
    if result_type == 'bool':
        parts = binary_operator(value, text) if value.kind == K.BINARY_OPERATOR else None
        if not (parts and parts[1] in RELATIONAL):
            yield 'return', f'!({whole})'
    elif result_type.endswith('*'):
        if whole != 'nullptr':
            yield 'return', 'nullptr'
    elif re.match(r'^(const )?(std::)?(size_t|u?int\d+_t|uintptr_t)$', result_type):
        yield 'return', f'({whole}) + 1'


def of_condition(condition, text):
    if condition.kind != K.CXX_BOOL_LITERAL_EXPR:
        yield 'condition', 'true'
        yield 'condition', 'false'


OF_KIND = {K.BINARY_OPERATOR: of_binary, K.COMPOUND_ASSIGNMENT_OPERATOR: of_binary, K.UNARY_OPERATOR: of_unary,
           K.INTEGER_LITERAL: of_integer, K.CXX_BOOL_LITERAL_EXPR: of_bool, K.CALL_EXPR: of_call}
