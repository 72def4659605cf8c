// SPDX-License-Identifier: MIT
// Questions to a set of configurations: which are not dominated, and which one answers P1 or P2. Pure.

/** The points that no other point beats on both axes (less is better on both), by rising x. */
export function frontOf<T>(points: readonly T[], x: (p: T) => number, y: (p: T) => number): T[] {
    const sorted = points
        .filter((p) => Number.isFinite(x(p)) && Number.isFinite(y(p)))
        .sort((a, b) => x(a) - x(b) || y(a) - y(b));
    const front: T[] = [];
    let best = Infinity;
    for (const p of sorted) {
        if (y(p) < best) {
            front.push(p);
            best = y(p);
        }
    }
    return front;
}

/** The point with the least `cost` among those whose `limited` is at most `limit`; ties by less `limited`. */
export function leastWithin<T>(
    points: readonly T[],
    cost: (p: T) => number,
    limited: (p: T) => number,
    limit: number,
): T | null {
    let best: T | null = null;
    for (const p of points) {
        if (!(limited(p) <= limit)) continue;
        if (!best || cost(p) < cost(best) || (cost(p) === cost(best) && limited(p) < limited(best))) best = p;
    }
    return best;
}

/** A slider position 0..steps as a value between min and max on a log scale, and back. */
export function logScale(min: number, max: number, steps: number) {
    const low = Math.log(Math.max(min, 1));
    const span = Math.log(Math.max(max, 1)) - low;
    return {
        valueAt: (position: number) => Math.exp(low + (span * position) / steps),
        positionOf: (value: number) =>
            span === 0 ? 0 : Math.min(steps, Math.max(0, ((Math.log(Math.max(value, 1)) - low) / span) * steps)),
    };
}
