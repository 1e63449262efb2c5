"""All bugs in one copy of the sources: each is there when HAKMEM_SEEDED_BUG names it at start, so one build serves them all."""
import re

CHOICE = '''#pragma once
#include <stdlib.h>
namespace hakmem {
inline const int kSeededBug = getenv("HAKMEM_SEEDED_BUG") == nullptr ? -1 : atoi(getenv("HAKMEM_SEEDED_BUG"));
}
'''


def both_ways(number, text, bug):
    """Code that is `bug` when it is chosen, else `text`; None when these are neither expressions nor statements."""
    chosen = f'::hakmem::kSeededBug == {number}'
    for around in (r'(if \()(.*)(\)(?: return.*)?)', r'(return )(.*)(;)'):
        a, b = re.fullmatch(around, text), re.fullmatch(around, bug)
        if a and b and a[3] == b[3]:
            return f'{a[1]}{chosen} ? ({b[2]}) : ({a[2]}){a[3]}'
    if '\n  const ' in text or text.lstrip().startswith(('const ', 'for ')):
        return None
    if text.rstrip().endswith(';'):
        return f'if ({chosen}) {{ {bug} }} else {{ {text} }}\n'
    if not re.search(r';|[^=!<>]=[^=]|\|\|\s*$|\+\+', text) and text.count('(') == text.count(')'):
        return f'({chosen} ? ({bug}) : ({text}))'
    return None


def put_into(tree, bugs):
    """Changes the copy; returns the numbers of the bugs that are in it."""
    there = []
    for number, (_, file, text, bug, _) in enumerate(bugs):
        path = tree / file
        source = path.read_text()
        code = both_ways(number, text, bug)
        if code is None or text not in source:
            continue
        path.write_text(source.replace(text, code, 1))
        there.append(number)
    (tree / 'src/base/seeded_bug.h').write_text(CHOICE)
    for file in {bugs[number][1] for number in there}:
        path = tree / file
        path.write_text(path.read_text().replace('#pragma once\n', '#pragma once\n#include "base/seeded_bug.h"\n', 1))
    return there
