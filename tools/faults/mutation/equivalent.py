"""The list of equivalent mutants: those that behave as the original does, so that no test can kill them.

equivalent.txt holds blocks of `file: in function: operator`, the line before and after (`- `, `+ `), as ./hakmem mutate prints
survivors, then the reason (`= `). The key is text, not a line number: it holds until that line changes.
"""
import re
import sys

HEAD = re.compile(r'^(src/[^:]+):(?:\d+:)? in (\S+): ([a-z-]+)')


def read(path, mutants):
    """{key: reason}. An entry that fits no mutant is out of date, and said so; one without a reason is an error."""
    found, head, lines = {}, None, {}
    for text in path.read_text().splitlines() if path.exists() else []:
        match = HEAD.match(text)
        if match:
            head, lines = match.groups(), {}
        elif text.strip()[:2] in ('- ', '+ '):
            lines[text.strip()[0]] = text.strip()[2:]
        elif text.strip().startswith('= ') and head:
            found[(*head, lines['-'], lines['+'])] = text.strip()[2:]
            lines.pop('+')
    known = {m.key for m in mutants}
    for key in found:
        if key not in known:
            print(f'mutate: equivalent.txt: no such mutant any more: {key}', file=sys.stderr)
    return found
