"""ci/coverage_gaps.txt against what is uncovered. One gap a line:

  FILE FUNCTION: why no test reaches it             FILE from src/, FUNCTION without its class, - outside of functions
  FILE FUNCTION: sometimes: why only chance does    covered or not, both are in order

A gap excuses the uncovered lines and branches of that function. A gap that is not listed, one that has closed, and one of
a function that is no more are complaints.
"""
import re

COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
DIRECTIVE = re.compile(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', re.M)
TYPE_OR_SPACE = re.compile(r'\b(namespace|class|struct|union|enum|concept)\b(?![^(]*\()')
NAME = re.compile(r'(operator\s*(?:\(\)|[^\s(]+(?:\[\])?)|~?\w+)\s*\(')
OUTSIDE = '-'


def blank(match):
    """Spaces in its place, so that line numbers stay."""
    return re.sub(r'[^\n]', ' ', match.group())


def function_of_lines(text):
    """Line -> name of the function that its code belongs to; lines outside of functions are missing. No parser: it knows
    braces, and that what stands before the brace of a function has a name and a parenthesis."""
    code = DIRECTIVE.sub(blank, COMMENT_OR_STRING.sub(blank, text))
    names, scopes, function, begin = {}, [], None, 0
    for at in (m.start() for m in re.finditer(r'[{};]', code)):
        head = code[begin:at]
        if code[at] == '{':
            if function is None and not TYPE_OR_SPACE.search(head):
                found = NAME.search(re.sub(r'\b(alignas|requires|HAKMEM_\w+)\s*\([^()]*\)', '', head))
                if found:
                    function = (found.group(1), len(scopes), code[:at].count('\n') - head.strip().count('\n') + 1)
            scopes.append(at)
        elif code[at] == '}' and scopes:
            scopes.pop()
            if function is not None and len(scopes) == function[1] and not re.match(r'\s*[,{]', code[at + 1:]):
                for line in range(function[2], code[:at].count('\n') + 2):
                    names[line] = function[0]
                function = None
        begin = at + 1
    return names


def uncovered(root, files):
    """(file, function) -> the places in it that no test reached, as text."""
    gaps = {}
    for path, file in sorted(files.items()):
        names = function_of_lines((root / 'src' / path).read_text(encoding='utf-8'))
        places = [(line, 'line') for line, count in file.lines.items() if count == 0]
        places += [(key[0], f'column {key[1]} never {str(key[4]).lower()}') for key, n in file.branches.items() if n == 0]
        for line, what in sorted(places):
            gaps.setdefault((path, names.get(line, OUTSIDE)), []).append(f'{line} {what}')
    return gaps


def read(path):
    """(file, function) -> reason."""
    listed = {}
    for line in path.read_text(encoding='utf-8').splitlines():
        if line and not line.startswith('#'):
            where, reason = line.split(': ', maxsplit=1)
            file, function = where.split(maxsplit=1)
            listed[(file, function)] = reason
    return listed


def compare(gaps, listed):
    """One complaint a line."""
    for (file, function), places in sorted(gaps.items()):
        if (file, function) not in listed:
            yield f'{file} {function}: not covered and not listed: ' + '; '.join(places)
    for (file, function), reason in sorted(listed.items()):
        if (file, function) not in gaps and not reason.startswith('sometimes: '):
            yield f'{file} {function}: listed, but covered (or no more)'


def judge(root, files):
    return list(compare(uncovered(root, files), read(root / 'ci' / 'coverage_gaps.txt')))
