"""Which judges a mutant stands before, and in which order: a mutant that no program reaches needs none, and one that dies should
die early. Neither changes a verdict."""
import json
import math
import time
from collections import defaultdict

import programs


class Jury:
    """`judges` have been measured. `memory`: file of who killed what, so that a later run begins with the same judge."""

    def __init__(self, judges, folder, memory):
        self.judges, self.folder, self.memory = judges, folder, memory
        self.seconds, self.kills = defaultdict(float), defaultdict(int)  # by (judge, box)
        self.killers = self.remembered()

    def order(self, mutant):
        """The judges that reach it: the one that killed it before, then those that kill most in this box for their time."""
        before, box = self.killers.get(mutant.key), mutant.file.split('/')[1]

        def price(judge):
            return (self.seconds[judge.name, box] + judge.cpu) / (self.kills[judge.name, box] + 1)

        return sorted((j for j in self.judges if mutant.number in j.reached), key=lambda j: (j.name != before, price(j)))

    def verdict(self, mutant, most=math.inf):
        """(killer, how), killer '' when all pass; how is 'not reached' where there was none to ask. Asks those that need up to
        `most` seconds: enough to see that a mutant is listed as equivalent and is not."""
        judges = self.order(mutant)
        for judge in (j for j in judges if j.cpu <= most):
            start = time.monotonic()
            with judge.alone:
                how = programs.run(judge, judge.binary or str(self.folder / judge.name), mutant.number)
            seat = (judge.name, mutant.file.split('/')[1])
            self.seconds[seat] += time.monotonic() - start
            if how:
                self.kills[seat] += 1
                self.killers[mutant.key] = judge.name
                return judge.name, how
        return '', '' if judges else 'not reached'

    def remembered(self):
        return {tuple(key): name for key, name in json.loads(self.memory.read_text())} if self.memory.exists() else {}

    def remember(self):
        self.memory.write_text(json.dumps(list({**self.remembered(), **self.killers}.items())))
