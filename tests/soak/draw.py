"""Draws what `./hakmem soak` noted: resident memory over time, as SVG on standard output.

    draw.py CSV        seconds,operations,threads,forks,resident_mib
"""
import csv
import sys

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 300, 60, 40, 30


def draw(rows):
    times = [float(row['seconds']) for row in rows]
    memory = [float(row['resident_mib']) for row in rows]
    span, most = max(times[-1], 1.0), max(memory) * 1.1
    across = lambda t: LEFT + t / span * (WIDTH - LEFT - 20)
    up = lambda m: HEIGHT - BOTTOM - m / most * (HEIGHT - BOTTOM - TOP)
    line = ' '.join(f'{across(t):.1f},{up(m):.1f}' for t, m in zip(times, memory))
    text = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="{LEFT}" y="18">resident memory, MiB; {rows[-1]["operations"]} operations, {rows[-1]["threads"]} threads, '
            f'{rows[-1]["forks"]} forks</text>']
    for part in range(5):
        y, x = up(most * part / 4), across(span * part / 4)
        text.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - 20}" stroke="#ddd"/><text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
                    f'{most * part / 4:.0f}</text>')
        text.append(f'<text x="{x:.1f}" y="{HEIGHT - 18}" text-anchor="middle">{span * part / 240:.1f} min</text>')
    text.append(f'<polyline points="{line}" fill="none" stroke="#1f77b4" stroke-width="1.5"/></svg>')
    return '\n'.join(text)


def main():
    with open(sys.argv[1], newline='') as file:
        rows = list(csv.DictReader(file))
    print(draw(rows) if rows else '<svg xmlns="http://www.w3.org/2000/svg"/>')


main()
